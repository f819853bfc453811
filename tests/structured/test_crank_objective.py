"""CRANK's objective: hinge, regulariser, proximal step, CCCP."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from structured.crank import CrankSettings, fit_crank
from structured.crank.cccp import tree_directions
from structured.graphs import circuit_rank, complete_edges, maximum_spanning_forest
from structured.inference import best_by_enumeration, enumerate_states
from structured.learning.frank_wolfe import FrankWolfe
from structured.learning.objective import crank_penalty, structured_hinge
from structured.learning.oracle import Oracle
from structured.learning.proximal_subgradient import proximal_subgradient
from structured.learning.regulariser import Regulariser
from structured.learning.settings import LearningSettings
from structured.learning.solving import solve_structured_svm
from structured.learning.weights import Weights
from tests.structured.random_problems import labels_over_a_tree, problem_of, random_problem, random_weights

SEEDS = st.integers(0, 2**32 - 1)


def crank_objective(oracle, weights, ridge, rank_weight):
    """`J(w) = H(w) + (lambda / 2) ||w||^2 + beta R(w)`."""
    penalty = crank_penalty(weights, oracle.problem.labels.shape[1], oracle.problem.edges)
    return structured_hinge(oracle, weights) + 0.5 * ridge * weights.squared_norm() + rank_weight * penalty


@given(SEEDS, st.floats(0.01, 2), st.floats(0.01, 2), st.integers(1, 4))
def test_the_proximal_step_is_the_minimum_and_zero_exactly_within_the_threshold(seed, step, weight, width):
    rng = np.random.default_rng(seed)
    start, direction = rng.normal(size=width), rng.normal(size=width)
    direction = direction / np.linalg.norm(direction) if seed % 2 else np.zeros(width)
    regulariser = Regulariser(1.0, weight, direction[None, None])
    found = regulariser.prox(start[None, None], step)[0, 0]

    def objective(point):
        return 0.5 * ((point - start) ** 2).sum() + step * weight * (np.linalg.norm(point) - direction @ point)

    searched = min((minimize(objective, x0).fun for x0 in (start, found + 0.1, np.full(width, 1e-3))), default=0)
    assert objective(found) <= searched + 1e-7
    threshold = np.linalg.norm(start + step * weight * direction) <= step * weight
    assert (found == 0).all() == threshold


@given(SEEDS, st.floats(0.05, 1), st.floats(0, 2))
def test_pair_weights_maximise_the_conjugate(seed, ridge, weight):
    rng = np.random.default_rng(seed)
    moment, direction = rng.normal(size=(1, 3, 2)), rng.normal(size=(1, 3, 2)) * 0.4
    regulariser = Regulariser(ridge, weight, direction)
    found = regulariser.pair_weights(moment)

    def value(pair):
        return (moment * pair).sum() - regulariser.value(Weights(np.zeros((1, 1, 1)), pair))

    best = value(found)
    for _ in range(50):
        assert value(found + rng.normal(scale=0.3, size=found.shape)) <= best + 1e-12


@given(SEEDS, st.floats(0.01, 1), st.floats(0.01, 1))
@settings(max_examples=30)
def test_the_surrogate_majorises_the_objective_and_touches_it(seed, ridge, weight):
    rng = np.random.default_rng(seed)
    problem = random_problem(seed, rows=10)
    oracle, here = Oracle(problem), random_weights(problem, rng)
    tree = maximum_spanning_forest(problem.edges, here.group_norms(), 5)
    surrogate = Regulariser(ridge, weight, tree_directions(here, tree))

    def gap(weights):
        upper = structured_hinge(oracle, weights) + surrogate.value(weights)
        return upper - crank_objective(oracle, weights, ridge, weight)

    assert gap(here) == pytest.approx(0, abs=1e-9)
    for _ in range(5):
        assert gap(random_weights(problem, rng)) >= -1e-9


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_never_rises_within_one_weight(seed):
    problem = random_problem(seed, rows=40, labels=6)
    fit = fit_crank(problem, LearningSettings(ridge=0.02, tol=1e-3, seed=seed), CrankSettings())
    rows = fit.history
    assert len(rows) > 3
    for before, after in pairwise(rows):
        if before.rank_weight == after.rank_weight:
            assert after.objective <= before.objective + 1e-6
        else:
            moved = before.objective + (after.rank_weight - before.rank_weight) * before.penalty
            assert after.objective <= moved + 1e-6
    recomputed = crank_objective(Oracle(problem), fit.weights, 0.02, rows[-1].rank_weight)
    assert rows[-1].objective == pytest.approx(recomputed, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_warm_start_and_a_rising_weight_leave_a_forest(seed):
    problem = random_problem(seed, rows=40, labels=6)
    fit = fit_crank(problem, LearningSettings(ridge=0.02, seed=seed), CrankSettings())
    used = problem.edges[fit.weights.group_norms() > 0]
    assert circuit_rank(used, 6) == 0
    assert crank_penalty(fit.weights, 6, problem.edges) == 0
    assert problem.edges[fit.tree].tolist() == used.tolist()


def test_a_cold_start_collapses_where_a_warm_one_keeps_the_tree():
    truth = [(0, 1), (0, 2), (2, 3), (1, 4)]
    problem = problem_of(*labels_over_a_tree(300, truth, [1.5] * 4, seed=1))
    learning = LearningSettings(ridge=0.01, tol=1e-3)
    cold = fit_crank(problem, learning, CrankSettings(rank_weight=0.5, warm_start=False))
    assert not len(cold.tree)
    assert (cold.weights.pair == 0).all()
    warm = fit_crank(problem, learning, CrankSettings(rank_weight=0.5))
    assert len(warm.tree) == 4


def test_without_weight_it_is_an_ordinary_structural_svm():
    problem = random_problem(3)
    learning = LearningSettings(ridge=0.05, tol=1e-4, max_iter=400)
    plain = solve_structured_svm(problem, learning)
    fit = fit_crank(problem, learning, CrankSettings(rank_weight=0.0))
    assert len(fit.history) == 1
    assert np.array_equal(fit.weights.pair, plain.weights.pair)


def test_two_labels_have_no_circle_to_break():
    problem = random_problem(5, labels=2)
    fit = fit_crank(problem, LearningSettings(ridge=0.05), CrankSettings())
    assert [row.penalty for row in fit.history] == [0.0]


def test_a_great_ridge_leaves_no_weights():
    solution = solve_structured_svm(random_problem(2), LearningSettings(ridge=1e6, tol=1e-3))
    assert np.sqrt(solution.weights.squared_norm()) < 1e-4


def test_permuting_labels_permutes_the_solution():
    problem = random_problem(7, rows=25, labels=4)
    order = np.array([2, 0, 3, 1])
    turned = problem_of(problem.design.values[:, :-1], problem.labels[:, order])
    learning = LearningSettings(ridge=0.1, tol=1e-6, max_iter=3000)
    first, second = solve_structured_svm(problem, learning).weights, solve_structured_svm(turned, learning).weights
    assert second.unary == pytest.approx(first.unary[:, order], abs=5e-3)
    norms = {tuple(edge): norm for edge, norm in zip(problem.edges.tolist(), first.group_norms(), strict=True)}
    for (low, high), norm in zip(turned.edges.tolist(), second.group_norms(), strict=True):
        assert norm == pytest.approx(norms[tuple(sorted((order[low], order[high])))], abs=5e-3)


@given(SEEDS)
@settings(max_examples=30)
def test_the_hinge_bounds_the_training_loss(seed):
    problem = random_problem(seed, rows=12)
    weights = random_weights(problem, np.random.default_rng(seed))
    labels = best_by_enumeration(problem.potentials(weights, np.arange(12)), enumerate_states(problem.space.states))
    assert structured_hinge(Oracle(problem), weights) >= (labels != problem.labels).sum(axis=1).mean() - 1e-9


@pytest.mark.parametrize(("states", "kind"), [(2, "roof_duality"), (3, "dual_bound")])
def test_the_relaxed_hinge_is_at_least_the_exact_one(states, kind, monkeypatch):
    problem = random_problem(11, rows=15, labels=5, states=states)
    exact = Oracle(problem)
    monkeypatch.setattr("structured.learning.oracle.MOST_ENUMERATED", 0)
    relaxed = Oracle(problem)
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = random_weights(problem, rng)
        assert relaxed.kind(weights) == kind
        assert exact.kind(weights) == "enumeration"
        assert structured_hinge(relaxed, weights) >= structured_hinge(exact, weights) - 1e-9


@pytest.mark.parametrize(("states", "labels"), [(2, 4), (3, 3)])
def test_the_duality_gap_closes_and_weights_beat_their_neighbours(states, labels):
    problem = random_problem(4, labels=labels, states=states)
    learning = LearningSettings(ridge=0.1, tol=1e-4, max_iter=2000)
    solution = solve_structured_svm(problem, learning)
    assert 0 <= solution.gap <= 1e-4 * solution.primal
    oracle, rng = Oracle(problem), np.random.default_rng(0)
    plain = Regulariser.ridge_only(0.1, problem.no_weights())
    for scale in (0.01, 0.1, 1):
        other = random_weights(problem, rng, scale)
        near = Weights(solution.weights.unary + other.unary, solution.weights.pair + other.pair)
        assert structured_hinge(oracle, near) + plain.value(near) >= solution.primal - solution.gap


@given(SEEDS)
@settings(max_examples=20)
def test_no_pass_lowers_the_dual_and_it_stays_below_the_primal(seed):
    problem = random_problem(seed, rows=20, labels=4)
    state, oracle = FrankWolfe(problem, np.random.default_rng(seed), batch_size=4, kept=3), Oracle(problem)
    rng = np.random.default_rng(seed)
    regulariser = Regulariser(0.05, 0.1, 0.5 * rng.normal(size=problem.no_weights().pair.shape))
    values = [state.dual(regulariser)]
    for _ in range(6):
        solution = state.solve(oracle, regulariser, passes=1, tolerance=1e-9)
        values.append(state.dual(regulariser))
        assert values[-1] <= solution.primal + 1e-9
    assert (np.diff(values) >= -1e-12).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_planted_tree_is_found(seed):
    truth = [(0, 1), (0, 2), (1, 3), (2, 4), (2, 5)]
    problem = problem_of(*labels_over_a_tree(5000, truth, [1.0, -1.0, 1.0, 1.0, -1.0], seed))
    fit = fit_crank(problem, LearningSettings(ridge=0.01, tol=0.05, seed=seed), CrankSettings())
    found = {tuple(edge) for edge in problem.edges[fit.tree].tolist()}
    assert len(found & set(truth)) >= 4
    assert crank_penalty(fit.weights, 6, problem.edges) == 0


def test_subgradient_steps_never_raise_the_kept_objective_and_near_the_dual_solution():
    problem = random_problem(8, rows=60, labels=4)
    direction = np.zeros_like(problem.no_weights().pair)
    regulariser = Regulariser(0.1, 0.05, direction)
    descent = proximal_subgradient(problem, regulariser, 150, np.random.default_rng(0))
    assert (np.diff(descent.objective) <= 0).all()
    reached = structured_hinge(Oracle(problem), descent.weights) + regulariser.value(descent.weights)
    assert descent.objective[-1] == pytest.approx(reached)
    state = FrankWolfe(problem, np.random.default_rng(0))
    solution = state.solve(Oracle(problem), regulariser, passes=500, tolerance=1e-3)
    assert solution.primal - solution.gap <= reached <= 1.03 * solution.primal
    assert (descent.weights.group_norms() == 0).any()
    assert (solution.weights.group_norms() == 0).any()


def test_a_full_graph_counts_only_edges_with_weight():
    problem = random_problem(6, labels=5)
    oracle, nothing = Oracle(problem), problem.no_weights()
    assert oracle.kind(nothing) == "forest"
    assert oracle.kind(Weights(nothing.unary, np.ones_like(nothing.pair))) == "enumeration"
    chain = np.array([edge[1] == edge[0] + 1 for edge in complete_edges(5)], float)
    assert oracle.kind(Weights(nothing.unary, chain[None, :, None])) == "forest"
    narrow = replace(problem, edges=problem.edges[chain > 0])
    weights = random_weights(problem, np.random.default_rng(0))
    on_chain = Weights(weights.unary, weights.pair * chain[None, :, None])
    alone = Weights(weights.unary, weights.pair[:, chain > 0])
    assert structured_hinge(oracle, on_chain) == pytest.approx(structured_hinge(Oracle(narrow), alone))
