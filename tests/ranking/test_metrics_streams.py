"""Streams of requests give the intervals of all requests at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.lists import RankingLists
from ranking.metrics import (
    EvaluationStream,
    IntervalStreams,
    bootstrap_interval,
    evaluate_lists,
    metric_weights,
    paired_difference_interval,
)
from ranking.metrics import request_sums as request_sums_module
from seriatim_errors import ConfigError, DataError
from tests.page_examples import python_examples
from tests.ranking.generated_lists import lists_of

SIZES = np.random.default_rng(0).integers(0, 9, 150).tolist()
SETTINGS = {"confidence": 0.9, "samples": 60, "seed": 4}
DIVERSE = ("feature_0", "feature_2")


@given(cuts=st.lists(st.integers(0, 150), max_size=4), groups=st.sampled_from([32, 1024]), weighted=st.booleans())
@settings(max_examples=20)
def test_a_streamed_evaluation_equals_the_one_at_once(cuts: list[int], groups: int, weighted: bool) -> None:
    lists = lists_of(SIZES, max_grade=3)
    assert lists.grades is not None
    rng = np.random.default_rng(1)
    scores = {name: rng.random(len(lists.grades)) for name in ("base", "served", "rival")}
    weights = rng.choice([0.0, 1.0, 2.5], len(lists.grades)) if weighted else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_sums_module, "GROUPS", groups)
        stream = EvaluationStream("base", (1, 4), max_grade=3, diversity_columns=DIVERSE, **SETTINGS)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 150], strict=True):
            rows = slice(lists.offsets[start], lists.offsets[end])
            part = {name: each[rows] for name, each in scores.items()}
            stream.add(
                lists.select(np.arange(start, end)),
                part,
                lists.grades[rows],
                None if weights is None else weights[rows],
            )
        found = stream.intervals()
        values = {
            name: evaluate_lists(lists, each, lists.grades, (1, 4), "skip", 3, weights, DIVERSE)
            for name, each in scores.items()
        }
        of_lists = None if weights is None else metric_weights(lists, lists.grades, weights, values["base"])
        assert found.policies.keys() == scores.keys()
        assert found.differences.keys() == {"served", "rival"}
        for metric, base in values["base"].items():
            of_metric = None if of_lists is None else of_lists[metric]
            for name in scores:
                one = bootstrap_interval(values[name][metric], **SETTINGS, weights=of_metric)
                assert found.policies[name][metric] == one
            for name in ("served", "rival"):
                one = paired_difference_interval(values[name][metric], base, **SETTINGS, weights=of_metric)
                assert found.differences[name][metric] == one


@given(values=st.lists(st.one_of(st.just(float("nan")), st.floats(-5, 5)), min_size=1, max_size=60))
def test_streams_of_different_gaps_are_those_of_their_values_alone(values: list[float]) -> None:
    streams: IntervalStreams[str] = IntervalStreams(samples=30)
    for start in range(0, len(values), 7):
        part = np.array(values[start : start + 7])
        streams.add({"all": np.nan_to_num(part), "some": part, "none": np.full(len(part), np.nan)})
    found = streams.intervals()
    assert found["all"] == bootstrap_interval(np.nan_to_num(values), samples=30)
    if np.isfinite(values).any():
        assert found["some"] == bootstrap_interval(values, samples=30)
    assert found["none"].count == 0


def test_an_interval_of_groups_is_as_wide_as_that_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sorted, so that groups of neighbours, or every so manieth request, would give another width.
    values = np.sort(np.random.default_rng(0).beta(0.5, 0.2, 20_000))
    plain = bootstrap_interval(values, samples=4000)
    monkeypatch.setattr(request_sums_module, "GROUPS", 4096)
    grouped = bootstrap_interval(values, samples=4000)
    assert (grouped.value, grouped.count) == (pytest.approx(plain.value), plain.count)
    assert grouped.high - grouped.low == pytest.approx(plain.high - plain.low, rel=0.05)
    assert grouped != plain


def test_more_requests_may_come_after_intervals_were_read() -> None:
    values = np.random.default_rng(0).random(50)
    streams: IntervalStreams[str] = IntervalStreams(samples=40)
    streams.add({"x": values[:20]})
    assert streams.intervals()["x"] == bootstrap_interval(values[:20], samples=40)
    streams.add({"x": values[20:]})
    assert streams.intervals()["x"] == bootstrap_interval(values, samples=40)


def test_nothing_added_gives_nothing() -> None:
    assert IntervalStreams().intervals() == {}
    empty = EvaluationStream().intervals()
    assert (empty.policies, empty.differences) == ({}, {})


def scored(lists: RankingLists, *policies: str) -> dict[str, np.ndarray]:
    return {policy: np.zeros(len(lists.item_ids)) for policy in policies}


def test_a_bad_chunk_is_refused_and_leaves_the_stream_as_it_was() -> None:
    lists = lists_of([3, 2])
    labels = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    stream = EvaluationStream("base", samples=5)
    stream.add(lists, scored(lists, "base", "served"), labels)
    before = stream.intervals()
    with pytest.raises(DataError, match=r"max_grade: 1\.0 for labels up to 4\.0"):
        stream.add(lists, scored(lists, "base", "served"), labels * 4)
    with pytest.raises(DataError, match="scores: of base, rival, but the first chunk had base, served"):
        stream.add(lists, scored(lists, "base", "rival"), labels)
    with pytest.raises(DataError, match="scores: none of the reference 'base'"):
        stream.add(lists, scored(lists, "served"), labels)
    with pytest.raises(DataError, match="labels: item 'i1' has nan"):
        stream.add(lists, scored(lists, "base", "served"), np.where(labels > 0, labels, np.nan))
    assert stream.intervals() == before
    streams: IntervalStreams[str] = IntervalStreams(samples=5)
    with pytest.raises(DataError, match="numerators: request 0 has inf"):
        streams.add({"good": [1.0], "bad": [np.inf]})
    assert streams.intervals() == {}


def test_weights_need_undefined_lists_to_be_left_out_and_settings_are_checked_at_once() -> None:
    lists = lists_of([2])
    stream = EvaluationStream(no_relevant="zero")
    with pytest.raises(ConfigError, match="no_relevant: 'zero' with weights needs all requests at once"):
        stream.add(lists, scored(lists, "base"), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="samples: 0"):
        EvaluationStream(samples=0)
    with pytest.raises(ValueError, match="confidence: 95"):
        IntervalStreams(confidence=95)


def test_the_documented_example_of_a_stream_runs() -> None:
    examples = [block for block in python_examples("docs/metrics.md") if "EvaluationStream" in block]
    assert len(examples) == 1
    # Its assertions are the test.
    exec(examples[0], {})
