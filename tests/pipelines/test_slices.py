"""Slices of an evaluation: planted harm is found and blocks, noise does not, numbers are those of masking."""

import numpy as np
import pytest

from pipelines.config import EvaluationConfig
from pipelines.evaluation.blessing import bless
from pipelines.evaluation.slice_columns import slice_requests
from pipelines.evaluation.slices import Comparison, slice_metrics
from pipelines.slices_config import SliceConfig
from ranking.lists import RankingLists
from ranking.metrics import bootstrap_interval, evaluate_lists, paired_difference_interval

MARKETS, LIST_SIZE, HARMED = 50, 8, 17
CONFIG = EvaluationConfig(
    bootstrap_samples=200, slices=(SliceConfig(column="context_market"),), slice_margin=0.0, min_slice_requests=50
)


def market_lists(requests, seed, markets=MARKETS):
    """Requests from as many markets with two clicks each, and what an item is worth, which no ranker sees exactly."""
    rng = np.random.default_rng(seed)
    items = requests * LIST_SIZE
    of_market = rng.integers(0, markets, requests)
    worth = rng.normal(size=(requests, LIST_SIZE))
    clicks = np.zeros((requests, LIST_SIZE), np.float32)
    np.put_along_axis(clicks, np.argsort(-worth, axis=1)[:, :2], 1, axis=1)
    lists = RankingLists(
        request_ids=np.array([f"r{index}" for index in range(requests)], object),
        offsets=np.arange(requests + 1, dtype=np.int64) * LIST_SIZE,
        item_ids=np.array([f"i{index}" for index in range(items)], object),
        features=np.repeat(of_market, LIST_SIZE)[:, None].astype(np.float32),
        feature_names=("context_market",),
        clicks=clicks.ravel(),
    )
    return lists, of_market, worth.ravel()


def compared(lists, candidate, reference):
    by_policy = [evaluate_lists(lists, scores, lists.clicks) for scores in (candidate, reference)]
    return Comparison("clicks", "baseline", *by_policy)


def verdict_of(comparison, slices, config):
    metric = config.blessing_metric
    difference = paired_difference_interval(
        comparison.candidate[metric], comparison.reference[metric], config.confidence, config.bootstrap_samples
    )
    return bless(difference, comparison.against, config, slices)


@pytest.fixture(scope="module")
def planted():
    """A candidate that is a little better, but orders one market of two requests in a hundred by noise alone."""
    lists, markets, worth = market_lists(6000, 0)
    rng = np.random.default_rng(1)
    shared = rng.normal(scale=0.8, size=len(worth))
    reference = worth + shared
    candidate = worth + 0.9 * shared + rng.normal(scale=0.2, size=len(worth))
    harmed = np.repeat(markets, LIST_SIZE) == HARMED
    candidate[harmed] = rng.normal(size=harmed.sum())
    comparison = compared(lists, candidate, reference)
    return comparison, slice_metrics(comparison, slice_requests(lists, CONFIG.slices), CONFIG, 0)


def test_a_planted_regression_in_two_requests_of_a_hundred_is_found_first_and_blocks(planted):
    comparison, slices = planted
    worst = slices.rows[0]
    assert (worst.column, worst.value) == ("context_market", str(HARMED))
    assert 0.015 < worst.requests / 6000 < 0.025
    assert [row.value for row in slices.blocking] == [str(HARMED)]
    verdict = verdict_of(comparison, slices, CONFIG)
    assert verdict.difference.low > 0
    assert not verdict.blessed
    assert [(name.column, name.value) for name in verdict.blocking] == [("context_market", "17")]
    shown = worst.differences["ndcg_at_10"]
    assert f"the slice context_market = '17' blocks: there it is {shown.value:+.4f} [{shown.low:+.4f}" in verdict.reason
    assert f"at most {worst.at_most:+.4f} when corrected for {len(slices.deciding)} slices" in verdict.reason


def test_harm_within_the_margin_and_harm_without_a_margin_block_nothing(planted):
    comparison, slices = planted
    for margin in (None, -slices.rows[0].at_most):
        lenient = slices.model_copy(update={"margin": margin})
        verdict = verdict_of(comparison, lenient, CONFIG)
        assert verdict.blessed
        assert verdict.blocking == ()
        assert [row.value for row in lenient.worse] == [str(HARMED)]
        assert lenient.blocking == ()


def test_a_slice_blocks_beside_a_refusal_and_further_ones_are_counted(planted):
    comparison, slices = planted
    worst = slices.rows[0]
    twice = slices.model_copy(update={"rows": (worst, worst, worst)})
    strict = CONFIG.model_copy(update={"blessing_margin": -1.0})
    verdict = verdict_of(comparison, twice, strict)
    assert not verdict.blessed
    assert "is not above +1.0000; the slice" in verdict.reason
    assert verdict.reason.endswith("(and 2 more slices block)")
    assert len(verdict.blocking) == 3


def test_slices_too_small_to_decide_are_shown_but_do_not_block(planted):
    comparison, _ = planted
    lists, _, _ = market_lists(6000, 0)
    config = CONFIG.model_copy(update={"min_slice_requests": 200})
    slices = slice_metrics(comparison, slice_requests(lists, CONFIG.slices), config, 0)
    assert slices.rows[0].value == str(HARMED)
    assert not slices.rows[0].decides
    assert slices.blocking == slices.worse == ()
    # The candidates and the clicks of a request are the same in all of them: two slices that hold everything.
    assert len(slices.deciding) == 2
    assert slices.tail == pytest.approx(0.05 / 2)


def test_a_few_requests_that_lose_much_do_not_outrank_certain_harm():
    rng = np.random.default_rng(0)
    markets = np.concatenate([np.zeros(3), np.ones(1000), np.full(1000, 2)])
    lists = RankingLists(
        request_ids=np.array([f"r{index}" for index in range(2003)], object),
        offsets=np.arange(2004, dtype=np.int64),
        item_ids=np.array(["i"] * 2003, object),
        features=markets[:, None].astype(np.float32),
        feature_names=("context_market",),
    )
    differences = np.where(markets == 0, -0.5, rng.choice([-0.3, 0.0, 0.3], size=2003, p=[0.2, 0.7, 0.1]))
    differences[markets == 2] += 0.06
    reference = dict.fromkeys(("ndcg_at_10", "map", "mrr"), np.full(2003, 0.6))
    comparison = Comparison("grades", "base", dict.fromkeys(reference, 0.6 + differences), reference)
    slices = slice_metrics(comparison, slice_requests(lists, CONFIG.slices), CONFIG, 0)
    ranks = [(row.column, row.value) for row in slices.rows]
    assert ranks[0] == ("context_market", "1")
    assert ranks[-1] == ("context_market", "0")
    assert slices.rows[-1].at_most > 0


def test_equal_rankers_are_blocked_no_more_often_than_stated():
    runs, requests = 100, 2400
    lists, _, worth = market_lists(runs * requests, 5, markets=24)
    rng = np.random.default_rng(6)
    # Both scores are worth with independent noise of one distribution: exchange them and nothing changes.
    both = compared(lists, *(worth + rng.normal(scale=0.7, size=len(worth)) for _ in range(2)))
    assert (both.candidate["ndcg_at_10"] != both.reference["ndcg_at_10"]).mean() > 0.3
    config = CONFIG.model_copy(update={"bootstrap_samples": 100})
    blocked = uncorrected = 0
    for run in range(runs):
        rows = np.arange(run * requests, (run + 1) * requests)
        sides = ({name: values[rows] for name, values in side.items()} for side in (both.candidate, both.reference))
        columns = slice_requests(lists.select(rows), config.slices)
        slices = slice_metrics(Comparison("clicks", "baseline", *sides), columns, config, run)
        assert len(slices.deciding) == 24 + 2
        blocked += bool(slices.blocking)
        uncorrected += any(row.differences["ndcg_at_10"].high < 0 for row in slices.rows)
    assert blocked <= runs * (1 - config.confidence)
    # What looking at each slice on its own would have blocked.
    assert uncorrected > 40


def test_every_slice_is_what_masking_its_requests_gives():
    lists, markets, worth = market_lists(400, 3)
    rng = np.random.default_rng(4)
    comparison = compared(lists, *(worth + rng.normal(size=len(worth)) for _ in range(2)))
    # A fifth of the requests has no click, and no metric.
    undefined = rng.random(400) < 0.2
    for values in (*comparison.candidate.values(), *comparison.reference.values()):
        values[undefined] = np.nan
    config = CONFIG.model_copy(update={"slices": (SliceConfig(column="context_market", bounds=(10.0, 30.0)),)})
    slices = slice_metrics(comparison, slice_requests(lists, config.slices), config, 0)
    masks = {
        ("context_market", "up to 9"): markets < 10,
        ("context_market", "10 to 29"): (markets >= 10) & (markets < 30),
        ("context_market", "30 and more"): markets >= 30,
        ("candidates_in_request", "all"): np.ones(400, bool),
        ("clicks_in_request", "2"): np.ones(400, bool),
    }
    assert {(row.column, row.value) for row in slices.rows} == set(masks)
    for row in slices.rows:
        mask = masks[row.column, row.value]
        assert row.requests == mask.sum()
        for name in ("ndcg_at_10", "map", "mrr"):
            served, reference = comparison.candidate[name][mask], comparison.reference[name][mask]
            for shown, own in (
                (row.served[name], bootstrap_interval(served, samples=4000)),
                (row.differences[name], bootstrap_interval(served - reference, samples=4000)),
            ):
                assert shown.count == own.count
                assert shown.value == pytest.approx(own.value)
                # Another resampling of the same requests: the ends agree up to the bootstrap's own noise.
                assert shown.low == pytest.approx(own.low, abs=0.25 * (own.high - own.low))
                assert shown.high == pytest.approx(own.high, abs=0.25 * (own.high - own.low))


def test_a_slice_without_a_request_that_counts_comes_last_and_undefined():
    lists, markets, worth = market_lists(400, 3)
    comparison = compared(lists, worth, worth)
    for values in (*comparison.candidate.values(), *comparison.reference.values()):
        values[markets == 3] = np.nan
    slices = slice_metrics(comparison, slice_requests(lists, CONFIG.slices), CONFIG, 0)
    last = slices.rows[-1]
    assert (last.value, last.at_most, last.decides) == ("3", None, False)
    assert last.requests == (markets == 3).sum() > 0
    assert last.differences["mrr"].value is None


def test_five_hundred_slices_of_many_requests_share_one_pass():
    requests = 30_000
    rng = np.random.default_rng(0)
    lists = RankingLists(
        request_ids=np.arange(requests).astype(object),
        offsets=np.arange(requests + 1, dtype=np.int64),
        item_ids=np.arange(requests).astype(object),
        features=rng.integers(0, 500, (requests, 1)).astype(np.float32),
        feature_names=("context_market",),
    )
    metrics = [{name: rng.random(requests) for name in ("ndcg_at_10", "map", "mrr")} for _ in range(2)]
    slices = slice_metrics(Comparison("clicks", "base", *metrics), slice_requests(lists, CONFIG.slices), CONFIG, 0)
    assert len(slices.rows) == 501
    assert sum(row.requests for row in slices.rows) == 2 * requests
