"""A simulated week: world, users, the canary's rule, what is told; all without a service or a pipeline."""

import itertools
import json
import xml.etree.ElementTree
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipelines.click_log import validate
from pipelines.closed_loop.canary import judge_canary, mean_interval
from pipelines.closed_loop.chart import reward_chart, write_page
from pipelines.closed_loop.day import Served
from pipelines.closed_loop.night import NightResult
from pipelines.closed_loop.records import DayRecord
from pipelines.closed_loop.results import last_days, paired_differences, week_result
from pipelines.closed_loop.settings import FEWEST_REQUESTS, WeekSettings
from pipelines.closed_loop.week import ArmDay
from pipelines.closed_loop.world import FALLING, FASHION, RISING, World
from ranking.click_models.similarity import similar_pairs
from seriatim_errors import ConfigError

REWARDS = st.lists(st.integers(0, 5), min_size=FEWEST_REQUESTS, max_size=60)


def slates_of(requests, rng, size=5):
    hidden = np.where(requests.mask, rng.random(requests.mask.shape), 2.0)
    return np.argsort(hidden, axis=1)[:, :size]


@given(REWARDS, REWARDS, st.floats(0, 1), st.floats(0, 1))
def test_a_wider_margin_never_rolls_back_what_a_narrower_one_promotes(ours, theirs, margin, more):
    narrow, wide = (judge_canary(ours, theirs, m) for m in (margin, margin + more))
    assert wide.promoted or not narrow.promoted


@given(REWARDS, st.integers(0, 3))
def test_a_canary_that_is_no_worse_in_the_mean_is_promoted(rewards, better):
    assert judge_canary(np.array(rewards) + better, rewards, 0.0).promoted


def test_a_canary_that_is_certainly_worse_is_rolled_back_and_one_that_may_be_is_not():
    rng = np.random.default_rng(0)
    stable = rng.poisson(1.6, 600)
    assert not judge_canary(rng.poisson(0.9, 600), stable, 0.02).promoted
    verdict = judge_canary(rng.poisson(1.55, 600), stable, 0.02)
    assert verdict.promoted
    assert verdict.difference.low < 0 < verdict.difference.high
    assert "not certainly worse" in verdict.reason


def test_the_rule_rolls_back_exactly_where_the_interval_ends_below_the_margin():
    rng = np.random.default_rng(1)
    ours, theirs = rng.poisson(1.2, 500), rng.poisson(1.6, 400)
    end = judge_canary(ours, theirs, 0.0).difference.high
    assert end < 0
    assert judge_canary(ours, theirs, -end + 1e-9).promoted
    assert not judge_canary(ours, theirs, -end - 1e-9).promoted


def test_the_interval_is_welchs():
    rng = np.random.default_rng(2)
    ours, theirs = rng.normal(1, 2, 20_000), rng.normal(0, 1, 30_000)
    found = judge_canary(ours, theirs, 0.0).difference
    welch = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), rel=1e-3)


def test_too_few_requests_promote_nothing():
    verdict = judge_canary([5.0] * (FEWEST_REQUESTS - 1), [0.0] * 1000, 0.0)
    assert not verdict.promoted
    assert str(FEWEST_REQUESTS - 1) in verdict.reason


def test_a_day_is_the_same_for_all_who_serve_it_and_another_seed_gives_another():
    first, again, other = (World(WeekSettings(seed=seed)).requests(2, 40) for seed in (3, 3, 4))
    for name in ("ids", "candidates", "context", "features", "wanted"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.context != other.context).any()


def test_without_drift_every_day_has_the_tastes_and_the_stock_of_the_first():
    world = World(WeekSettings(drift=0))
    assert (world.fashion(7) == world.fashion(0)).all()
    assert world.on_sale(7).tolist() == world.on_sale(0).tolist()


def test_with_drift_the_two_categories_change_places_and_new_items_come_in():
    world = World(WeekSettings(drift=1))
    assert world.fashion(1)[FALLING] == world.fashion(7)[RISING] == FASHION
    assert world.fashion(1)[RISING] == world.fashion(7)[FALLING] == -FASHION
    stocks = [world.on_sale(day) for day in range(8)]
    assert all(set(before) <= set(after) for before, after in itertools.pairwise(stocks))
    new = sorted(set(stocks[7]) - set(stocks[1]))
    assert new
    assert set(world.catalogue.category[new]) == {RISING}


def test_candidates_are_on_sale_and_stand_once_and_a_quarter_is_wanted():
    world = World(WeekSettings())
    requests = world.requests(2, 200)
    stock = set(world.on_sale(2))
    for row in range(200):
        mine = requests.candidates[row, requests.mask[row]]
        assert len(set(mine)) == len(mine)
        assert set(mine) <= stock
    shares = requests.wanted.sum(axis=1) / requests.mask.sum(axis=1)
    assert 0.25 <= shares.mean() < 0.3
    assert not requests.wanted[~requests.mask].any()


def test_users_click_wanted_items_and_never_two_that_are_alike():
    world = World(WeekSettings())
    requests = world.requests(1, 300)
    slates = slates_of(requests, np.random.default_rng(0))
    clicks = world.clicks(1, 0, requests, slates)
    assert clicks.shape == slates.shape
    assert 0.3 < clicks.sum(axis=1).mean() < 3
    assert np.take_along_axis(requests.wanted, slates, axis=1)[clicks > 0].all()
    for row in range(300):
        mask = requests.mask[row]
        alike = similar_pairs(world.catalogue.style[requests.candidates[row, mask]][None], 0.3)[0]
        hit = slates[row, clicks[row] > 0]
        assert not alike[np.ix_(hit, hit)].any()


def test_a_user_does_the_same_with_places_that_two_slates_share():
    world = World(WeekSettings())
    requests = world.requests(1, 300)
    ours = slates_of(requests, np.random.default_rng(0))
    theirs = ours.copy()
    theirs[:, 3:] = ours[:, :2:-1]
    np.testing.assert_array_equal(
        world.clicks(1, 0, requests, ours)[:, :3], world.clicks(1, 0, requests, theirs)[:, :3]
    )


def test_the_first_log_is_a_click_log_with_true_propensities():
    validated = validate(World(WeekSettings(first_requests=50)).first_log())
    assert len(validated.quarantine) == 0
    assert len(validated.clean) == 50 * 5
    propensity = validated.clean["propensity"].to_numpy()
    assert ((propensity > 0) & (propensity < 1)).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"days": 0}, "days"),
        ({"drift": 1.5}, "drift"),
        ({"canary_part": 0.0}, "canary_part"),
        ({"arms": ()}, "arms is empty"),
        ({"arms": ("static", "static")}, "arms is static, static"),
        ({"requests_per_day": 100}, "about 20 requests in the morning and needs 30"),
        ({"days": 2, "break_day": 2}, "break_day"),
        ({"exploration_share": float("nan")}, "exploration_share"),
    ],
)
def test_settings_out_of_range_are_named(wrong, named):
    with pytest.raises(ConfigError, match=named):
        WeekSettings(**wrong)


def made_up(arm, day, clicks, canary="", promoted=False):
    clicks = np.asarray(clicks, np.float32)
    served = Served(clicks, clicks + 1, np.zeros(len(clicks), bool), np.full(len(clicks), "v1"))
    record = DayRecord("v1", canary, promoted, "because" if canary else "", (("a.jsonl",),))
    night = NightResult("v2", "blessed: <good>", 3.0) if arm != "static" else None
    return ArmDay(arm, day, record, served, night)


@pytest.fixture
def days():
    rng = np.random.default_rng(5)
    return [
        made_up(arm, day, rng.poisson(rate, 80), "v2" if day == 2 and arm != "static" else "")
        for day in (1, 2, 3)
        for arm, rate in (("static", 1.0), ("retrained", 1.5), ("exploring", 1.4))
    ]


def test_differences_are_paired_by_request_over_their_days(days):
    found = mean_interval(paired_differences(days, "exploring", "static", "clicks", (2, 3)))
    by_hand = np.concatenate(
        [days[5].served.clicks - days[3].served.clicks, days[8].served.clicks - days[6].served.clicks]
    )
    assert found.value == pytest.approx(by_hand.mean())
    assert found.high - found.low == pytest.approx(2 * 1.959964 * by_hand.std(ddof=1) / np.sqrt(160))
    assert found.count == 160


@pytest.mark.parametrize(("days", "last"), [(1, (1, 1)), (2, (2, 2)), (3, (3, 3)), (4, (3, 4)), (7, (5, 7))])
def test_the_last_days_are_the_second_half(days, last):
    assert last_days(WeekSettings(days=days)) == last


def test_the_interval_of_a_mean_is_a_point_for_one_value():
    assert mean_interval([2.0]).low == mean_interval([2.0]).high == 2.0


def test_the_result_tells_every_day_and_decision_and_the_page_shows_them(days, tmp_path):
    result = week_result(WeekSettings(days=3), days)
    assert [(day["arm"], day["day"]) for day in result["days"]] == [(day.arm, day.day) for day in days]
    tried = [day["canary"] for day in result["days"] if day["canary"]]
    assert [one["promoted"] for one in tried] == [False, False]
    assert {(one["of"], one["minus"]) for one in result["differences"]} == {
        ("retrained", "static"),
        ("exploring", "static"),
        ("exploring", "retrained"),
    }
    page = write_page(result, tmp_path).read_text()
    assert page.count("<svg") == 2
    assert page.count("rolled back: because") == 2
    assert "&lt;good&gt;" in page


def test_arms_that_did_not_run_have_no_differences(days):
    settings = WeekSettings(days=3, arms=("static", "retrained"))
    result = week_result(settings, [day for day in days if day.arm != "exploring"])
    assert {(one["of"], one["minus"]) for one in result["differences"]} == {("retrained", "static")}


def test_where_every_request_explores_nothing_is_told_of_the_others_and_one_day_is_told_once(days):
    all_random = [replace(one, served=replace(one.served, explored=np.ones(80, bool))) for one in days if one.day == 1]
    result = week_result(WeekSettings(days=1, exploration_share=1), all_random)
    json.dumps(result, allow_nan=False)
    told = [(one["of"], one["minus"], one["reward"]) for one in result["differences"]]
    assert len(told) == len(set(told)) == 6


def test_the_chart_has_a_point_for_every_day_of_every_arm():
    line = [(day, 1.0 + 0.1 * day, 0.9 + 0.1 * day, 1.1 + 0.1 * day) for day in (1, 2, 3)]
    drawn = xml.etree.ElementTree.fromstring(reward_chart({"static": line, "exploring": line}, "clicks"))
    kinds = [element.tag.rpartition("}")[2] for element in drawn]
    assert (kinds.count("circle"), kinds.count("polyline"), kinds.count("polygon")) == (6, 2, 2)


def test_random_slates_can_be_left_out_of_a_difference(days):
    explored = np.arange(80) % 4 == 0
    exploring = [replace(day, served=replace(day.served, explored=explored)) for day in days if day.arm == "exploring"]
    others = [day for day in days if day.arm != "exploring"]
    whole = paired_differences(days, "exploring", "static", "wanted", (1, 3))
    greedy = paired_differences([*others, *exploring], "exploring", "static", "wanted", (1, 3), greedy_alone=True)
    assert greedy.tolist() == whole[np.tile(~explored, 3)].tolist()
