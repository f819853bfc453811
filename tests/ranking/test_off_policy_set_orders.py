"""Orders of the items that were shown: what a logger would have drawn, and what a policy would show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.off_policy.arrival_marginals import arrival_marginals
from ranking.off_policy.order_targets import OrderTarget, drawn_target, ordered_target
from ranking.off_policy.set_orders import MAX_DRAWN, drawn_orders


def plackett_luce_steps(weights: np.ndarray, shown: tuple[int, ...]) -> np.ndarray:
    """Probability of each choice of `shown` given those before, among all that `weights` has."""
    left = weights.sum() - np.concatenate([[0.0], np.cumsum(weights[list(shown)])[:-1]])
    return weights[list(shown)] / left


def by_enumeration(weights: np.ndarray, shown: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and marginals of `shown` given its set, from every order of it."""
    orders = list(itertools.permutations(shown))
    chance = np.array([plackett_luce_steps(weights, order).prod() for order in orders])
    chance /= chance.sum()
    steps, marginals = [], []
    for place in range(len(shown)):
        prefix = np.array([order[:place] == shown[:place] for order in orders])
        same = np.array([order[: place + 1] == shown[: place + 1] for order in orders])
        steps.append(chance[same].sum() / chance[prefix].sum())
        marginals.append(chance[[order[place] == shown[place] for order in orders]].sum())
    return np.array(steps), np.array(marginals)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_orders_of_a_set_drawn_in_proportion_to_weights_are_those_of_enumeration(
    shown_count: int, hidden: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.normal(size=shown_count + hidden))
    shown = tuple(rng.permutation(len(weights))[:shown_count].tolist())
    found = drawn_orders(plackett_luce_steps(weights, shown)[None], np.ones((1, shown_count), bool), plackett_luce=True)
    steps, marginals = by_enumeration(weights, shown)
    assert found.steps[0] == pytest.approx(steps, abs=1e-5)
    assert found.marginals[0] == pytest.approx(marginals, abs=1e-5)
    assert found.complete[0] == (hidden == 0)
    assert found.known.all()
    assert found.marginals_known.all()


def test_of_an_incomplete_slate_only_a_plackett_luce_logger_tells_other_orders() -> None:
    steps = np.array([[0.2, 0.4, 0.3], [0.2, 0.4, 1.0]])
    found = drawn_orders(steps, np.ones(steps.shape, bool))
    assert found.known.tolist() == found.complete.tolist() == [False, True]
    assert found.steps[1].tolist() == steps[1].tolist()
    assert np.isnan(found.steps[0]).all()
    assert np.isnan(found.marginals).all()


def test_items_that_the_logger_appends_in_fixed_order_stay_where_they_are() -> None:
    steps = np.array([[0.25, 0.5, 1.0, 1.0, 1.0]])
    found = drawn_orders(steps, np.ones(steps.shape, bool), plackett_luce=True)
    assert found.complete.all()
    assert found.steps[0] == pytest.approx(steps[0], abs=1e-6)
    assert found.marginals[0, 3:].tolist() == [1.0, 1.0]
    assert found.marginals[0, 0] == pytest.approx(0.25, abs=1e-6)


def test_a_deterministic_slate_has_one_order() -> None:
    found = drawn_orders(np.ones((2, 3)), np.array([[True] * 3, [True, False, False]]))
    assert found.known.all()
    assert found.marginals_known.all()
    assert found.complete.all()
    assert (found.steps == 1).all()
    assert (found.marginals == 1).all()


def test_slates_too_long_to_go_through_their_sets_are_told_only_where_they_are_complete() -> None:
    length = MAX_DRAWN + 1
    uniform = 1.0 / np.arange(length, 0, -1.0)
    steps = np.stack([uniform, uniform * 0.5])
    found = drawn_orders(steps, np.ones(steps.shape, bool), plackett_luce=True)
    assert found.known.tolist() == found.marginals_known.tolist() == [True, False]
    assert found.marginals[0] == pytest.approx(np.full(length, 1 / length), abs=1e-6)
    assert not drawn_orders(steps, np.ones(steps.shape, bool)).marginals_known.any()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.floats(0.0, 4.0), st.integers(0, 2**32 - 1))
def test_positions_by_arrival_times_are_those_of_enumeration(items: int, spread: float, seed: int) -> None:
    weights = np.exp(spread * np.random.default_rng(seed).normal(size=items))
    _, marginals = by_enumeration(weights, tuple(range(items)))
    assert arrival_marginals(weights[None], items)[0] == pytest.approx(marginals, abs=1e-9)


def test_positions_of_long_lists_are_the_frequencies_of_draws_and_behind_the_asked_ones_not_told() -> None:
    rng = np.random.default_rng(4)
    logits = np.sort(rng.normal(scale=1.5, size=14))[::-1]
    drawn = np.argsort(-(logits + rng.gumbel(size=(40_000, 14))), axis=1)
    steps = plackett_luce_steps(np.exp(logits), tuple(range(14)))
    found = drawn_orders(steps[None], np.ones((1, 14), bool), plackett_luce=True, positions=3)
    shares = (drawn[:, :3] == np.arange(3)).mean(axis=0)
    assert found.marginals[0, :3] == pytest.approx(shares, abs=0.01)
    assert np.isnan(found.marginals[0, 3:]).all()


@pytest.mark.parametrize("movable", [4, 2])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_an_order_shown_with_epsilon_has_the_probabilities_of_enumeration(epsilon: float, movable: int) -> None:
    items, positions = 4, 3
    fixed = tuple(range(movable, items))
    drawn = [order + fixed for order in itertools.permutations(range(movable))]
    # The policy's own order is 0, 1, 2, 3, so that an item's number is its place there.
    own = tuple(range(items))
    chance = {
        order: (1 - epsilon) * (order == own) + epsilon * (order in drawn) / len(drawn) for order in {*drawn, own}
    }
    for order in itertools.permutations(range(items)):
        target = ordered_target(np.array([order]), np.ones((1, items), bool), positions, epsilon, np.array([movable]))
        assert target.marginals is not None
        assert target.choices is not None
        for place in range(positions):
            reached = sum(value for other, value in chance.items() if other[:place] == order[:place])
            chosen = sum(value for other, value in chance.items() if other[: place + 1] == order[: place + 1])
            there = sum(value for other, value in chance.items() if other[place] == order[place])
            assert target.marginals[0, place] == pytest.approx(there)
            assert target.choices[0, place].sum() == pytest.approx(1.0)
            if reached > 0:
                assert target.steps[0, place] == pytest.approx(chosen / reached)
                assert target.choices[0, place, place] == pytest.approx(chosen / reached)


def test_a_plackett_luce_target_has_the_steps_of_its_weights() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 5))
    target = drawn_target(logits, np.ones((1, 5), bool), 3)
    assert target.steps[0] == pytest.approx(plackett_luce_steps(np.exp(logits[0]), (0, 1, 2, 3, 4))[:3])
    assert target.choices is not None
    assert target.choices.sum(axis=2) == pytest.approx(1.0)


def test_shorter_slates_have_certain_steps_behind_their_end() -> None:
    mask = np.array([[True, True, False], [True, True, True]])
    for target in (
        ordered_target(np.array([[1, 0, 0], [0, 1, 2]]), mask, 3, 0.5),
        drawn_target(np.zeros((2, 3)), mask, 3),
    ):
        assert target.steps[0, 2] == 1.0
        assert target.choices is not None
        assert not target.choices[0, 2].any()
        assert not target.choices[0, :, 2].any()


def test_choices_add_up_by_class() -> None:
    target = OrderTarget(np.full((1, 2), 0.5), None, np.array([[[0.2, 0.3, 0.5], [0.0, 0.6, 0.4]]]))
    found = target.choices_of_classes(np.array([[1, 0, 1]]), 2)
    assert found is not None
    assert found[0].tolist() == pytest.approx(np.array([[0.3, 0.7], [0.6, 0.4]]))
    assert OrderTarget(target.steps).choices_of_classes(np.zeros((1, 3), int), 2) is None
