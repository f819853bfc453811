"""Cascades: the properties of their definition, and the search against brute force."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriatim_errors import DataError
from serving.images.confidence import confidence_of as served_confidence
from vision_components.committees import (
    NEVER,
    CascadePlan,
    CascadeSearch,
    confidence_of,
    costs_of,
    route,
)
from vision_components.committees.routing import combined

KINDS = ("max_probability", "margin", "entropy")


def made(stages=3, rows=40, classes=4, seed=0):
    """Predictions `[stages, rows, classes]` that get surer and better, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(stages, rows, classes))
    logits[:, np.arange(rows), labels] += np.arange(1, stages + 1)[:, np.newaxis]
    shares = np.exp(logits)
    return (shares / shares.sum(axis=2, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("kind", KINDS)
def test_confidence_is_one_where_all_is_sure_and_least_where_nothing_is(kind):
    rows = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]], np.float32)
    sure, unsure = confidence_of(rows, kind)
    assert sure == 1
    assert unsure == pytest.approx(0.25 if kind == "max_probability" else 0, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_service_is_as_sure_as_the_search(kind):
    """The packages do not import each other: each has the definition, and both must decide alike."""
    predictions, _ = made(rows=300)
    ours, theirs = confidence_of(predictions[1], kind), served_confidence(predictions[1], kind)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)


def test_with_two_classes_margin_and_largest_probability_order_alike():
    predictions, _ = made(stages=1, rows=200, classes=2)
    orders = [np.argsort(confidence_of(predictions[0], kind), kind="stable") for kind in ("max_probability", "margin")]
    np.testing.assert_array_equal(*orders)


def test_one_class_and_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="two or more"):
        confidence_of(np.ones((3, 1)))
    with pytest.raises(ValueError, match="give max_probability"):
        confidence_of(np.ones((3, 2)) / 2, "guess")
    with pytest.raises(ValueError, match="give mean or last"):
        combined(np.ones((1, 2, 2)), "first")
    with pytest.raises(ValueError, match="1 thresholds for 3 stages"):
        route(made()[0], [0.5])


@pytest.mark.parametrize("combine", ["mean", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_of_nothing_give_the_first_model_and_beyond_reach_all_of_them(kind, combine):
    predictions, _ = made()
    first = route(predictions, [0, 0], kind, combine)
    np.testing.assert_array_equal(first.probabilities, predictions[0])
    assert set(first.exit_stage.tolist()) == {0}
    last = route(predictions, [NEVER, NEVER], kind, combine)
    whole = predictions.mean(axis=0) if combine == "mean" else predictions[-1]
    np.testing.assert_allclose(last.probabilities, whole, atol=1e-6)
    assert set(last.exit_stage.tolist()) == {2}


def test_a_certain_row_leaves_at_a_threshold_of_one():
    predictions = np.array([[[1, 0]], [[0, 1]]], np.float32)
    assert route(predictions, [1.0]).exit_stage.tolist() == [0]
    assert route(predictions, [NEVER]).exit_stage.tolist() == [1]


@given(st.lists(st.floats(0, 1.25, width=32), min_size=2, max_size=2), st.integers(0, 20))
def test_expected_cost_is_the_mean_of_the_rows_and_between_best_and_worst(thresholds, seed):
    predictions, _ = made(seed=seed)
    costs = (1.0, 10.0, 100.0)
    routed = route(predictions, thresholds)
    found = costs_of(routed.exit_stage, costs)
    by_row = [sum(costs[: stage + 1]) for stage in routed.exit_stage]
    assert found.expected == pytest.approx(np.mean(by_row), rel=1e-12)
    assert found.best <= found.expected <= found.worst
    assert (found.best, found.worst, found.reach[0]) == (1, 111, 1)
    assert list(found.reach) == sorted(found.reach, reverse=True)


@given(st.lists(st.floats(0, 1.25, width=32), min_size=2, max_size=2), st.floats(0, 1, width=32), st.integers(0, 1))
def test_a_higher_threshold_lowers_no_reach(thresholds, more, stage):
    predictions, _ = made(seed=1)
    raised = list(thresholds)
    raised[stage] += more
    before, after = (
        costs_of(route(predictions, values).exit_stage, (1, 1, 1)).reach for values in (thresholds, raised)
    )
    assert all(later >= earlier for earlier, later in zip(before, after, strict=True))


@given(st.permutations(range(12)))
def test_rows_do_not_see_each_other(order):
    predictions, _ = made(rows=12)
    whole, shuffled = route(predictions, [0.6, 0.7]), route(predictions[:, list(order)], [0.6, 0.7])
    np.testing.assert_array_equal(shuffled.probabilities, whole.probabilities[list(order)])
    np.testing.assert_array_equal(shuffled.exit_stage, whole.exit_stage[list(order)])


def test_one_model_is_itself_and_alike_models_answer_alike_whatever_the_thresholds():
    predictions, _ = made(stages=1)
    np.testing.assert_array_equal(route(predictions, []).probabilities, predictions[0])
    alike = np.repeat(predictions, 3, axis=0)
    for thresholds in ([0, 0], [0.5, 0.7], [NEVER, NEVER]):
        np.testing.assert_allclose(route(alike, thresholds).probabilities, predictions[0], atol=1e-6)


@pytest.mark.parametrize(("stages", "message"), [([], "no rows"), ([3], "exit stages 3 to 3 of 3 stages")])
def test_costs_of_what_cannot_be_are_refused(stages, message):
    with pytest.raises(ValueError, match=message):
        costs_of(np.array(stages, np.int64), (1, 2, 3))
    with pytest.raises(ValueError, match="multiply-adds"):
        costs_of(np.array([0]), (1, 0, 3))


NAMES, COSTS = ("tiny", "small", "large"), {"tiny": 1.0, "small": 5.0, "large": 30.0}


def searched(combine="mean", names=NAMES, **options):
    predictions, labels = made(rows=60, seed=3)
    search = CascadeSearch(combine=combine, num_quantiles=5, **options)
    return search.fit(dict(zip(names, predictions, strict=False)), labels, COSTS)


def by_brute_force(combine):
    """Accuracy and expected cost of every cascade, routed row by row."""
    predictions, labels = made(rows=60, seed=3)
    found = []
    for size in (1, 2, 3):
        for members in combinations(range(3), size):
            chosen = predictions[list(members)]
            sure = confidence_of(combined(chosen, combine))
            grids = [
                [*np.unique(np.quantile(stage, np.linspace(0, 1, 5), method="lower")).tolist(), NEVER]
                for stage in sure[:-1]
            ]
            for thresholds in product(*grids):
                routed = route(chosen, thresholds, combine=combine)
                cost = costs_of(routed.exit_stage, [COSTS[NAMES[member]] for member in members])
                found.append((float((routed.probabilities.argmax(axis=1) == labels).mean()), cost))
    return found


@pytest.mark.parametrize("combine", ["mean", "last"])
def test_the_search_finds_what_brute_force_finds(combine):
    search, every = searched(combine), by_brute_force(combine)
    for min_accuracy in (0.3, 0.6, 0.8):
        plan = search.best(min_accuracy=min_accuracy)
        assert plan.expected_cost == pytest.approx(min(cost.expected for right, cost in every if right >= min_accuracy))
        assert plan.accuracy >= min_accuracy
    for max_cost in (1, 6, 20, 40):
        plan = search.best(max_cost=max_cost)
        assert plan.accuracy == pytest.approx(max(right for right, cost in every if cost.expected <= max_cost))
        assert plan.expected_cost <= max_cost
    plan = search.best(max_worst_cost=31)
    assert plan.worst_cost <= 31
    assert plan.accuracy == pytest.approx(max(right for right, cost in every if cost.worst <= 31))
    front = [(plan.expected_cost, plan.accuracy) for plan in search.pareto()]
    for right, cost in every:
        assert any(spent <= cost.expected + 1e-9 and gained >= right - 1e-9 for spent, gained in front)
    assert front == sorted(front)
    assert len({gained for _, gained in front}) == len(front)


@pytest.mark.parametrize("combine", ["mean", "last"])
def test_a_plan_does_what_it_says(combine):
    predictions, labels = made(rows=60, seed=3)
    for plan in searched(combine).pareto():
        chosen = predictions[[NAMES.index(name) for name in plan.members]]
        routed = route(chosen, plan.thresholds, plan.confidence, plan.combine)
        found = costs_of(routed.exit_stage, [COSTS[name] for name in plan.members])
        assert (routed.probabilities.argmax(axis=1) == labels).mean() == pytest.approx(plan.accuracy)
        assert (found.expected, found.best, found.worst) == pytest.approx(
            (plan.expected_cost, plan.best_cost, plan.worst_cost)
        )
        assert found.reach == pytest.approx(plan.reach)


def test_another_model_in_the_pool_never_makes_the_best_worse():
    fewer, more = searched(names=NAMES[:2]), searched()
    for max_cost in (1, 3, 6, 20):
        assert more.best(max_cost=max_cost).accuracy >= fewer.best(max_cost=max_cost).accuracy


def test_four_stages_are_searched_in_matrices_as_in_rows():
    predictions, labels = made(stages=5, rows=30, seed=5)
    names = [f"m{place}" for place in range(5)]
    costs = {name: 10.0**place for place, name in enumerate(names)}
    search = CascadeSearch(num_quantiles=4).fit(dict(zip(names, predictions, strict=True)), labels, costs)
    plan = search.best(min_accuracy=0.9)
    assert 1 <= len(plan.members) <= 4
    routed = route(predictions[[names.index(name) for name in plan.members]], plan.thresholds)
    assert costs_of(routed.exit_stage, [costs[name] for name in plan.members]).expected == pytest.approx(
        plan.expected_cost
    )


def test_bounds_that_nothing_keeps_are_refused_with_what_is_nearest():
    with pytest.raises(DataError, match=r"no cascade within min_accuracy 1.1.*at best"):
        searched().best(min_accuracy=1.1)
    with pytest.raises(DataError, match="call fit first"):
        CascadeSearch().best()
    assert searched().pareto(max_worst_cost=0.5) == []


@pytest.mark.parametrize(
    ("predictions", "labels", "costs", "message"),
    [
        ({}, [0], {}, "0 models"),
        ({"a": np.ones((2, 2))}, [], {"a": 1}, "0 rows"),
        ({"a": np.ones((2, 2))}, [0, 1], {}, "costs of 'a': None"),
        ({"a": np.ones((2, 2)), "b": np.ones((2, 3))}, [0, 1], {"a": 1, "b": 1}, "'b' have shape"),
        ({"a": np.ones((3, 2))}, [0, 1], {"a": 1}, "give 2 rows"),
    ],
)
def test_what_cannot_be_searched_is_named(predictions, labels, costs, message):
    with pytest.raises(DataError, match=message):
        CascadeSearch().fit(predictions, np.array(labels), costs)


def test_a_plan_is_kept_as_json(tmp_path):
    plan = searched().best(max_cost=6)
    plan.save(tmp_path / "plan.json")
    assert CascadePlan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema_version": 1}', '{"schema_version": 2, "members": []}'])
def test_a_malformed_plan_is_named(tmp_path, content):
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"cascade plan .*plan\.json"):
        CascadePlan.load(path)
