"""Explanations of an evaluation's samples: in the metrics file, and on the page."""

import doctest
import math

import numpy as np
import pytest
from pydantic import ValidationError

from pipelines.evaluation.explanations import MOST_EFFECTS, MOST_FEATURES, explain_samples
from pipelines.evaluation.policies import query_of
from pipelines.report import explanation_section as explanation_section_module
from pipelines.report.explanation_metrics import (
    BaseExplanation,
    ExplainedItem,
    ExplainedSample,
    ExplanationMetrics,
    FeatureContribution,
    FeatureOcclusion,
    NeighbourOcclusion,
    PlaceExplanation,
)
from pipelines.report.explanation_section import NOTHING, TIMES, change_of_place, effect, explanation_section
from pipelines.report.metrics_file import METRICS_FILE, read_metrics
from pipelines.report.page import render
from ranking.lists import RankingLists
from serving.runtime import SlateRanker
from tests.pipelines.browser import seen_in_browser
from tests.pipelines.made_up_metrics import HOSTILE, make_metrics
from tests.pipelines.page_tree import Tree
from tests.planted_bundles import planted_bundle
from tests.pointer_graphs import PLANTED


def made_up():
    """One sample of two items: the first explained, the second with reasons."""
    contributions = (
        FeatureContribution(feature="price", value=3.25, contribution=0.4),
        FeatureContribution(feature=HOSTILE, value=-1.0, contribution=-0.2),
    )
    occlusion = PlaceExplanation(
        log_probability=-0.5,
        places_compared=True,
        neighbours=(
            NeighbourOcclusion(item_id="i0007", context=0.5, competition=-0.1, place_with=1, place_without=3),
            NeighbourOcclusion(item_id=HOSTILE, context=-0.25, competition=0.0, place_with=1, place_without=None),
        ),
        features=(
            FeatureOcclusion(feature="price", value=3.25, item=9.0, everywhere=-9.0, place_item=2, place_everywhere=1),
            FeatureOcclusion(
                feature="context_hour", value=7.0, item=None, everywhere=0.001, place_item=None, place_everywhere=1
            ),
        ),
    )
    items = (
        ExplainedItem(
            place=1,
            item_id=HOSTILE,
            base_rank=4,
            base=BaseExplanation(score=0.75, expected=0.5, contributions=contributions, others=0.05),
            occlusion=occlusion,
        ),
        ExplainedItem(
            place=2,
            item_id="i0042",
            base_rank=1,
            base=None,
            base_reason="the bundle has no base ranker",
            occlusion=None,
            occlusion_reason="base order filled this place",
        ),
    )
    sample = ExplainedSample(request_id=HOSTILE, chosen="furthest", items=items)
    return ExplanationMetrics(scanned=500, samples=(sample,))


@pytest.mark.parametrize(
    "expected",
    [
        "▲3 from base order",
        "▼1 from base order",
        "Base score 0.750: 0.500 expected of any item",
        "price 3.25 +0.400",
        "-1 -0.200",
        "all others +0.050",
        "i0007 ▲ * 1.65 ▼ * 0.905 1 → 3",
        "▼ * 0.779 * 1.00 1 → not placed",
        "price 3.25 ▲ * more than 1000 1 → 2 ▼ * less than 0.001 stays 1",
        "context_hour 7 -- -- * 1.00 stays 1",
        "No contributions: the bundle has no base ranker.",
        "What its place hangs on is not told: base order filled this place.",
        "Where an item moved furthest: request",
        "the first 500 evaluation requests",
    ],
)
def test_every_number_is_on_the_page(expected):
    expected = expected.replace("*", TIMES).replace("--", NOTHING)
    assert expected in Tree(render(make_metrics(explanations=made_up()))).text


def test_what_strangers_wrote_is_text_and_the_section_has_its_link():
    page = render(make_metrics(explanations=made_up()))
    assert HOSTILE not in page
    assert 'href="#explanations"' in page
    assert 'id="explanations"' not in render(make_metrics())


def test_bars_begin_at_zero_and_share_one_scale():
    [panel] = explanation_section(made_up())
    [raising, lowering] = panel.items[0].bars
    assert (raising.x, round(lowering.x + lowering.width, 2)) == (panel.zero, panel.zero)
    assert raising.width == pytest.approx(2 * lowering.width, abs=0.02)
    assert (raising.tone, lowering.tone) == ("above", "below")
    assert explanation_section(None) == []


@pytest.mark.parametrize("nats", [-200.0, -1.0, -0.006, 0.006, 1.0, 200.0])
def test_a_factor_says_its_direction_in_its_sign_its_tone_and_its_number(nats):
    shown = effect(nats)
    assert shown.tone == ("above" if nats > 0 else "below")
    assert shown.words[0] == ("▲" if nats > 0 else "▼")
    if abs(nats) <= 1:
        assert float(shown.words.split()[-1]) == pytest.approx(math.exp(nats), rel=5e-3)


def test_small_effects_are_none():
    assert effect(0.004).tone == effect(-0.004).tone == "soft"
    assert change_of_place(2, 2) == "stays 2"
    assert doctest.testmod(explanation_section_module).failed == 0


def test_parts_that_do_not_add_up_are_refused():
    with pytest.raises(ValidationError, match="is not expected, contributions and others together"):
        BaseExplanation(score=1.0, expected=0.5, contributions=(), others=0.4)


def test_the_page_opens_without_any_complaint_and_details_fold_by_keyboard(tmp_path):
    act = """
    const [first, second] = document.querySelectorAll(".why");
    seen.open = [first.open, second.open];
    second.querySelector("summary").focus();
    seen.focus = document.activeElement.textContent.trim().startsWith("2. i0042");
    second.querySelector("summary").click();
    seen.opened = second.open;
    const fill = tone => getComputedStyle(document.querySelector(`.adds.${tone} rect`)).fill;
    seen.colours = [fill("above"), fill("below")];
    seen.wide = document.documentElement.scrollWidth - innerWidth;
    """
    seen = seen_in_browser(make_metrics(explanations=made_up()), tmp_path, act)
    assert (seen["problems"], seen["console"]) == ([], [])
    assert (seen["open"], seen["focus"], seen["opened"]) == ([True, False], True, True)
    assert seen["colours"][0] != seen["colours"][1]
    assert seen["wide"] <= 0


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """A bundle, made-up requests, and its samples of them."""
    ranker = SlateRanker(planted_bundle(tmp_path_factory.mktemp("bundle")))
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 40)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    features = np.zeros((offsets[-1], len(PLANTED)), np.float32)
    features[:, 1:4] = rng.normal(size=(offsets[-1], 3))
    features[:, 0] = np.repeat(rng.integers(0, 2, 40), sizes)
    clicks = np.zeros(offsets[-1], np.float32)
    clicks[offsets[3]] = 1
    lists = RankingLists(
        request_ids=np.array([f"r{index}" for index in range(40)], object),
        offsets=offsets,
        item_ids=np.array([f"i{index}" for index in range(offsets[-1])], object),
        features=features,
        feature_names=PLANTED,
        clicks=clicks,
    )
    return ranker, lists, explain_samples(ranker, lists, lists)


def test_samples_are_three_different_requests_the_report_s_example_first(explained):
    ranker, lists, found = explained
    assert [sample.chosen for sample in found.samples] == ["example", "furthest", "typical"]
    assert found.samples[0].request_id == "r3"
    assert len({sample.request_id for sample in found.samples}) == 3
    moved = {sample.chosen: max(abs(item.base_rank - item.place) for item in sample.items) for sample in found.samples}
    furthest = max(
        np.abs(slate.base_ranks[list(slate.order)] - np.arange(len(slate.order))).max()
        for slate in (ranker.rank(query_of(ranker, lists, index, 10)) for index in range(40) if index != 3)
    )
    assert moved["furthest"] == furthest > 0
    assert found.scanned == 40


def test_the_item_that_moved_furthest_is_shown_wherever_it_stands(explained):
    ranker, lists, _ = explained
    for index in np.flatnonzero(lists.list_sizes > 6):
        slate = ranker.rank(query_of(ranker, lists, int(index), 10))
        moves = np.abs(slate.base_ranks[list(slate.order)] - np.arange(len(slate.order)))
        [sample] = explain_samples(ranker, lists.select(np.array([index])), lists).samples
        places = [item.place for item in sample.items]
        assert places == sorted(places)
        assert len(places) == 5
        assert np.argmax(moves) + 1 in places


def test_numbers_are_few_and_those_of_the_item(explained):
    _, lists, found = explained
    for sample in found.samples:
        assert len(sample.items) <= 5
        for item in sample.items:
            row = lists.features[lists.item_ids.tolist().index(item.item_id)]
            assert len(item.base.contributions) <= MOST_FEATURES
            for one in item.base.contributions:
                assert one.value == row[PLANTED.index(one.feature)]
            if item.occlusion is None:
                assert item.occlusion_reason == "base order filled this place"
                continue
            assert len(item.occlusion.neighbours) <= MOST_EFFECTS
            assert len(item.occlusion.features) <= MOST_EFFECTS
            for one in item.occlusion.features:
                assert one.value == row[PLANTED.index(one.feature)]
                assert (one.item is None) == (one.feature == PLANTED[0])


def test_the_part_is_kept_in_the_file_and_shown(explained, tmp_path):
    metrics = make_metrics(explanations=explained[2])
    metrics.save(tmp_path / METRICS_FILE)
    assert read_metrics(tmp_path / METRICS_FILE).explanations == metrics.explanations
    page = render(metrics)
    assert "A typical slate: request" in Tree(page).text
    assert len(page) - len(render(make_metrics())) < 80_000


def test_requests_of_one_candidate_have_nothing_to_explain(explained):
    ranker, lists, _ = explained
    alone = lists.select(np.flatnonzero(lists.list_sizes == 1))
    assert explain_samples(ranker, alone, lists) is None
