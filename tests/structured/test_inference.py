"""Inference against trying every labeling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import StructureError
from structured.graphs import RootedForest, complete_edges
from structured.inference import (
    Potentials,
    all_scores,
    best_by_enumeration,
    best_labels,
    dual_bound,
    enumerate_states,
    integral,
    k_best,
    log_partition,
    max_marginals,
    max_product,
    roof_duality,
    solve_relaxation,
    sum_product,
)
from structured.inference.decode import searched
from structured.inference.k_best import _best
from structured.inference.messages import log_sum_exp
from tests.structured.brute_force import labelings, scores
from tests.structured.random_models import models


def states_of(potentials):
    return np.isfinite(potentials.unary).any(axis=0).sum(axis=1)


@given(models(most_labels=7, most_states=4))
def test_max_product_finds_the_best_labeling_of_a_forest(potentials):
    found = max_product(potentials)
    every = scores(potentials)
    assert potentials.score(found) == pytest.approx(every.max(axis=1))
    for row, labels in enumerate(found):
        ties = np.isclose(every[row], every[row].max()).sum()
        if ties == 1:
            assert labels.tolist() == labelings(potentials)[every[row].argmax()].tolist()


@settings(max_examples=15)
@given(models(most_labels=12, most_states=2), models(most_labels=6, most_states=4))
def test_larger_forests_agree_with_enumeration(long, wide):
    for potentials in (long, wide):
        best = all_scores(potentials, enumerate_states(states_of(potentials))).max(axis=1)
        assert potentials.score(max_product(potentials)) == pytest.approx(best)


def test_ties_go_to_the_smallest_state_from_the_roots_down():
    potentials = Potentials(np.zeros((1, 3, 3)), np.array([[0, 1], [1, 2]]), np.zeros((2, 3, 3)))
    assert max_product(potentials).tolist() == [[0, 0, 0]]
    apart = Potentials(np.zeros((1, 2, 2)), np.array([[0, 1]]), np.array([[[0.0, 1.0], [1.0, 0.0]]]))
    assert max_product(apart).tolist() == [[0, 1]]


def test_a_forest_made_before_gives_the_same_labels():
    rng = np.random.default_rng(0)
    edges = np.array([[0, 1], [1, 2], [1, 3]])
    potentials = Potentials(rng.normal(size=(5, 4, 2)), edges, rng.normal(size=(3, 2, 2)))
    forest = RootedForest.from_edges(edges, 4)
    assert (max_product(potentials, forest) == max_product(potentials)).all()
    assert max_product(Potentials(np.zeros((0, 4, 2)), edges, np.zeros((3, 2, 2)))).shape == (0, 4)


def test_ties_are_decided_from_the_roots_of_the_forest_that_is_given():
    apart = Potentials(np.zeros((1, 2, 2)), np.array([[0, 1]]), np.array([[[0.0, 1.0], [1.0, 0.0]]]))
    from_the_second = RootedForest(np.array([1, -1]), np.array([0, -1]), (np.array([1]), np.array([0])))
    assert max_product(apart, from_the_second).tolist() == [[1, 0]]


def test_nothing_to_label_is_labeled_by_nothing():
    nothing = Potentials(np.zeros((2, 0, 2)), np.zeros((0, 2), np.int64), np.zeros((0, 2, 2)))
    assert max_product(nothing).shape == (2, 0)


def test_of_labelings_that_tie_the_best_is_that_of_the_smallest_states():
    tied = Potentials(np.zeros((1, 6, 2)), np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]), np.zeros((5, 2, 2)))
    labels, scores_of = k_best(tied, 60)
    assert labels[0, 0].tolist() == [0] * 6
    assert scores_of.tolist() == [[0.0] * 60]
    assert _best(np.zeros((1, 100, 1)), 100)[0, :, 0].tolist() == list(range(100))


def test_a_part_of_the_inputs_has_their_scores_in_the_order_asked_for():
    rng = np.random.default_rng(1)
    edges = np.array([[0, 1], [1, 2]])
    unary = rng.normal(size=(3, 3, 2))
    for pair in (rng.normal(size=(2, 2, 2)), rng.normal(size=(3, 2, 2, 2))):
        whole = Potentials(unary, edges, pair)
        labels = rng.integers(0, 2, size=(3, 3))
        for rows in ([2, 1, 0], [1, 2, 0], [0, 1, 2], [1], [0, 0, 2, 1]):
            taken = whole.take(np.array(rows))
            np.testing.assert_array_equal(taken.score(labels[rows]), whole.score(labels)[rows])


@settings(max_examples=60)
@given(models(forest=False))
def test_enumeration_scores_every_labeling(potentials):
    every = enumerate_states(states_of(potentials))
    assert (every == labelings(potentials)).all()
    assert all_scores(potentials, every) == pytest.approx(scores(potentials))
    assert potentials.score(best_by_enumeration(potentials, every)) == pytest.approx(scores(potentials).max(axis=1))


@settings(max_examples=60)
@given(models())
def test_sum_product_sums_over_every_labeling(potentials):
    found = sum_product(potentials)
    every, each = labelings(potentials), scores(potentials)
    weights = np.exp(each)
    assert np.exp(found.log_partition) == pytest.approx(weights.sum(axis=1))
    assert log_partition(potentials) == pytest.approx(found.log_partition)
    share = weights / weights.sum(axis=1, keepdims=True)
    for label in range(every.shape[1]):
        for state in range(potentials.unary.shape[2]):
            chosen = share[:, every[:, label] == state].sum(axis=1)
            assert found.unary[:, label, state] == pytest.approx(chosen, abs=1e-12)
    for edge, (first, second) in enumerate(potentials.edges):
        assert found.pair[:, edge].sum(axis=2) == pytest.approx(found.unary[:, first], abs=1e-12)
        assert found.pair[:, edge].sum(axis=1) == pytest.approx(found.unary[:, second], abs=1e-12)
        both = share[:, (every[:, first] == 0) & (every[:, second] == 0)].sum(axis=1)
        assert found.pair[:, edge, 0, 0] == pytest.approx(both, abs=1e-12)


def test_sum_product_is_stable_for_great_scores():
    edges = complete_edges(2)
    table = np.array([[[1000.0, -1000.0], [-1000.0, 1000.0]]])
    found = sum_product(Potentials(np.array([[[3000.0, 0.0], [0.0, 0.0]]]), edges, table))
    assert found.log_partition == pytest.approx([4000.0])
    assert found.unary[0] == pytest.approx(np.array([[1.0, 0.0], [1.0, 0.0]]))


def test_each_sum_of_exponentials_is_shifted_by_its_own_greatest_score():
    found = log_sum_exp(np.array([[-2000.0, -2000.0], [0.0, 0.0], [-np.inf, -np.inf]]), 1)
    assert found[:2] == pytest.approx([-2000 + np.log(2), np.log(2)])
    assert found[2] == -np.inf


@settings(max_examples=60)
@given(models())
def test_max_marginals_are_the_best_scores_with_a_state_fixed(potentials):
    found, every, each = max_marginals(potentials), labelings(potentials), scores(potentials)
    for label in range(every.shape[1]):
        for state in range(potentials.unary.shape[2]):
            with_state = every[:, label] == state
            best = each[:, with_state].max(axis=1) if with_state.any() else np.full(len(each), -np.inf)
            assert found[:, label, state] == pytest.approx(best)


@settings(max_examples=60)
@given(models(most_labels=5), st.integers(1, 12))
def test_the_k_best_are_the_head_of_all_sorted_labelings(potentials, count):
    labels, found = k_best(potentials, count)
    each = -np.sort(-scores(potentials), axis=1)
    there = min(count, each.shape[1])
    assert found[:, :there] == pytest.approx(each[:, :there])
    assert (found[:, there:] == -np.inf).all()
    assert (labels[:, there:] == -1).all()
    for row in range(len(labels)):
        assert len({tuple(one) for one in labels[row, :there].tolist()}) == there
    for place in range(there):
        assert potentials.score(labels[:, place]) == pytest.approx(found[:, place])


@settings(max_examples=40)
@given(models(most_labels=5, forest=False))
def test_the_relaxation_bounds_every_score_and_integral_solutions_are_best(potentials):
    relaxed, best = solve_relaxation(potentials), scores(potentials).max(axis=1)
    assert (relaxed.value >= best - 1e-7).all()
    whole = integral(relaxed)
    assert relaxed.value[whole] == pytest.approx(best[whole], abs=1e-6)
    assert relaxed.unary.sum(axis=2) == pytest.approx(np.ones(relaxed.unary.shape[:2]))


@settings(max_examples=30)
@given(models(most_labels=5))
def test_the_relaxation_of_a_forest_is_exact(potentials):
    assert solve_relaxation(potentials).value == pytest.approx(scores(potentials).max(axis=1), abs=1e-6)


@settings(max_examples=40)
@given(models(most_labels=6, forest=False, binary=True))
def test_roof_duality_solves_the_relaxation_of_two_states(potentials):
    relaxed, bound = roof_duality(potentials)
    reference = solve_relaxation(potentials)
    assert relaxed.value == pytest.approx(reference.value, abs=1e-5)
    assert (bound >= reference.value - 1e-7).all()
    assert bound == pytest.approx(relaxed.value, abs=1e-4)
    assert np.isin(relaxed.unary, (0, 0.5, 1)).all()
    for edge, (first, second) in enumerate(potentials.edges):
        assert relaxed.pair[:, edge].sum(axis=2) == pytest.approx(relaxed.unary[:, first])
        assert relaxed.pair[:, edge].sum(axis=1) == pytest.approx(relaxed.unary[:, second])
    assert (relaxed.pair >= 0).all()


@settings(max_examples=40)
@given(models(most_labels=6, forest=False, binary=True))
def test_labels_that_the_cut_decides_keep_their_state_in_a_best_labeling(potentials):
    relaxed, _ = roof_duality(potentials)
    each, every = scores(potentials), labelings(potentials)
    for row in range(len(each)):
        best = every[np.isclose(each[row], each[row].max())]
        decided = relaxed.unary[row, :, 1] != 0.5
        states = relaxed.unary[row].argmax(axis=1)
        assert (best[:, decided] == states[decided]).all(axis=1).any()


@settings(max_examples=40)
@given(models(most_labels=5, forest=False))
def test_the_dual_bound_lies_above_and_its_point_below_the_relaxation(potentials):
    found, reference = dual_bound(potentials), solve_relaxation(potentials)
    assert (found.bound >= reference.value - 1e-6).all()
    assert (found.relaxed.value <= reference.value + 1e-6).all()
    assert (potentials.score(found.labels) <= scores(potentials).max(axis=1) + 1e-9).all()
    for edge, (first, second) in enumerate(potentials.edges):
        assert found.relaxed.pair[:, edge].sum(axis=2) == pytest.approx(found.relaxed.unary[:, first])
        assert found.relaxed.pair[:, edge].sum(axis=1) == pytest.approx(found.relaxed.unary[:, second])


@settings(max_examples=30)
@given(models(most_labels=5))
def test_the_dual_bound_of_a_forest_comes_to_the_best_score(potentials):
    best = scores(potentials).max(axis=1)
    assert dual_bound(potentials, sweeps=400).bound == pytest.approx(best, abs=1e-4)


@settings(max_examples=40)
@given(models(most_labels=6, forest=False), st.integers(0, 2**32 - 1))
def test_coordinate_search_never_lowers_a_score_and_ends_where_no_label_gains(potentials, seed):
    rng = np.random.default_rng(seed)
    start = np.stack([rng.integers(states, size=len(potentials.unary)) for states in states_of(potentials)], axis=1)
    found = searched(potentials, start)
    reached = potentials.score(found)
    assert (reached >= potentials.score(start) - 1e-9).all()
    for label, states in enumerate(states_of(potentials)):
        for state in range(states):
            changed = found.copy()
            changed[:, label] = state
            assert (potentials.score(changed) <= reached + 1e-9).all()


@settings(max_examples=20)
@given(models(most_labels=6, forest=False))
def test_small_graphs_are_labeled_exactly(potentials):
    assert potentials.score(best_labels(potentials)) == pytest.approx(scores(potentials).max(axis=1))


@pytest.mark.parametrize("states", [2, 3])
def test_graphs_beyond_enumeration_are_labeled_by_the_relaxation(states):
    rng = np.random.default_rng(states)
    edges = complete_edges(13)
    weak = 0.02 * rng.normal(size=(len(edges), states, states))
    potentials = Potentials(rng.normal(size=(4, 13, states)), edges, weak)
    relaxed = solve_relaxation(potentials)
    assert integral(relaxed).all()
    assert potentials.score(best_labels(potentials)) == pytest.approx(relaxed.value, abs=1e-6)


def test_circles_are_refused_where_a_forest_is_needed():
    circle = Potentials(np.zeros((1, 3, 2)), complete_edges(3), np.zeros((3, 2, 2)))
    for method in (max_product, sum_product, max_marginals, log_partition, lambda model: k_best(model, 2)):
        with pytest.raises(StructureError, match="close 1 circles"):
            method(circle)


def test_scores_that_do_not_fit_are_refused_by_name():
    edges, table = np.array([[0, 1]]), np.zeros((1, 2, 2))
    for unary, pair, message in (
        (np.zeros((2, 2)), table, r"unary: shape \(2, 2\)"),
        (np.zeros((1, 2, 2)), np.zeros((2, 2, 2)), r"pair: shape \(2, 2, 2\)"),
        (np.full((1, 2, 2), np.nan), table, "not finite"),
        (np.full((1, 2, 2), np.inf), table, "not finite"),
        (np.zeros((1, 2, 2)), table + np.inf, "not finite"),
        (np.full((1, 2, 2), -np.inf), table, "no state with a finite score"),
    ):
        with pytest.raises(StructureError, match=message):
            Potentials(unary, edges, pair)
    with pytest.raises(StructureError, match="131,072"):
        enumerate_states(np.full(20, 2))
    with pytest.raises(StructureError, match="two states"):
        roof_duality(Potentials(np.zeros((1, 2, 3)), edges, np.zeros((1, 3, 3))))
