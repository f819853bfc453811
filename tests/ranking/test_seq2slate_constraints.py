"""Constrained decoding: every slate obeys the rules, and step probabilities are exact."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.seq2slate import SlateConstraints, decode, greedy_choice, sampled_choice
from seriatim_errors import DataError
from tests.ranking.tiny_seq2slate import all_slates, decoded_along, random_items, slate_probabilities, tiny_model

MODEL = tiny_model()


def constraints_of(list_size, pinned=None, categories=None, cap=None, pairs=()):
    neighbours = np.zeros((1, list_size, list_size), bool)
    for first, second in pairs:
        neighbours[0, first, second] = neighbours[0, second, first] = True
    return SlateConstraints(
        np.ones((1, list_size), bool),
        pinned=None if pinned is None else np.array([pinned]),
        categories=None if categories is None else np.array([categories]),
        max_per_category=cap,
        forbidden_neighbours=neighbours if len(pairs) else None,
    )


def obeys(slate, pinned, categories, cap, pairs):
    """Whether a full slate of rows keeps every rule."""
    pins_hold = all((pinned[row] or place) == place for place, row in enumerate(slate, 1))
    pins_hold &= all(position == 0 or slate[position - 1] == row for row, position in enumerate(pinned))
    counts = np.bincount([categories[row] for row in slate if categories[row] >= 0], minlength=1)
    beside = {frozenset(pair) for pair in itertools.pairwise(slate)}
    return bool(pins_hold) and counts.max() <= cap and not beside & {frozenset(pair) for pair in pairs}


RULES = {
    "pin": ([0, 1, 0, 0, 0], [-1] * 5, 5, []),
    "two pins": ([3, 0, 0, 1, 0], [-1] * 5, 5, []),
    "cap": ([0] * 5, [0, 0, 1, 1, 2], 1, []),
    "cap with a pin": ([0, 3, 0, 0, 0], [0, 0, 1, -1, 2], 1, []),
    "neighbours": ([0] * 5, [-1] * 5, 5, [(0, 1)]),
    "neighbour of a pin": ([0, 2, 0, 0, 0], [-1] * 5, 5, [(0, 1), (1, 3)]),
    "all": ([0, 3, 0, 0, 0], [0, 0, 1, -1, 2], 1, [(2, 4)]),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_exactly_the_slates_that_obey_have_probability_and_together_they_have_all_of_it(rules):
    pinned, categories, cap, pairs = rules
    constraints = constraints_of(5, pinned, categories, cap, pairs)
    slates = all_slates(5, 3)
    allowed = np.array([obeys(slate, pinned, categories, cap, pairs) for slate in slates])
    probabilities = slate_probabilities(decoded_along(MODEL, random_items(1, 5), slates, constraints=constraints))
    assert (probabilities[~allowed] == 0).all()
    assert (probabilities[allowed] > 0).all()
    assert 0 < allowed.sum() < len(slates)
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)


def test_a_step_probability_is_the_models_own_renormalised_over_the_eligible_items():
    items, slate = random_items(1, 4), np.array([[2, 0, 3]])
    free = decoded_along(MODEL, items, slate)
    held = decoded_along(MODEL, items, slate, constraints=constraints_of(4, categories=[0, 0, 1, 2], cap=1))
    # After row 0 its category is full: row 1 may not follow, row 3 is certain.
    np.testing.assert_allclose(held.log_probabilities.numpy()[0, :2], free.log_probabilities.numpy()[0, :2], atol=1e-12)
    assert held.log_probabilities.numpy()[0, 2] == pytest.approx(0, abs=1e-12)


@given(
    list_size=st.integers(2, 6),
    steps=st.integers(1, 6),
    cap=st.integers(1, 2),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=30, deadline=None)
def test_every_decoded_slate_obeys_its_constraints(list_size, steps, cap, seed):
    rng = np.random.default_rng(seed)
    batch = 16
    mask = np.arange(list_size)[None, :] < rng.integers(1, list_size + 1, batch)[:, None]
    categories = rng.integers(-1, 2, (batch, list_size))
    neighbours = rng.random((batch, list_size, list_size)) < 0.2
    neighbours |= neighbours.transpose(0, 2, 1)
    pinned = np.zeros((batch, list_size), int)
    sizes = mask.sum(axis=1)
    rows = np.arange(batch)
    pinned[rows, rng.integers(0, sizes)] = rng.integers(1, sizes + 1)
    constraints = SlateConstraints(mask, pinned, categories, cap, neighbours)
    for choose in (greedy_choice(), sampled_choice(tf.constant([seed, 1]))):
        order = decode(
            MODEL, random_items(batch, list_size, seed), mask, steps, choose, constraints=constraints
        ).order.numpy()
        for row, slate in enumerate(order):
            placed = slate[slate >= 0]
            assert len(set(placed)) == len(placed)
            assert mask[row, placed].all()
            chosen = categories[row, placed]
            assert (np.bincount(chosen[chosen >= 0], minlength=1) <= cap).all()
            both = (slate[:-1] >= 0) & (slate[1:] >= 0)
            assert not neighbours[row, slate[:-1][both], slate[1:][both]].any()
            item = int(pinned[row].argmax())
            position = pinned[row, item]
            assert position > steps or slate[position - 1] == item
            assert (position > steps) <= (item not in placed)


def test_a_slate_ends_where_nothing_is_eligible_and_a_pin_still_takes_its_place():
    constraints = constraints_of(4, pinned=[0, 0, 0, 4], categories=[0, 0, 0, -1], cap=1)
    decoded = decode(MODEL, random_items(1, 4), np.ones((1, 4), bool), 4, greedy_choice(), constraints=constraints)
    order = decoded.order.numpy()[0]
    assert order[0] in (0, 1, 2)
    assert order[1:].tolist() == [-1, -1, 3]
    assert decoded.log_probabilities.numpy()[0, 1:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("given_rules", "message"),
    [
        ({"pinned": [2, 2, 0]}, "pins 2 items to position 2"),
        ({"pinned": [-1, 0, 0]}, "pinned: -1; give 1-based positions"),
        ({"pinned": [0, 1]}, r"pinned: shape \(1, 2\)"),
        ({"categories": [0, 0, 1]}, "belong together"),
        ({"categories": [0, 0, 1], "cap": 0}, "max_per_category: 0"),
        ({"pinned": [1, 3, 0], "categories": [5, 5, 1], "cap": 1}, "pins 2 items of category 5"),
        ({"pinned": [1, 2, 0], "pairs": [(0, 1)]}, "forbidden neighbours beside each other"),
    ],
)
def test_rules_that_contradict_are_refused_by_name(given_rules, message):
    with pytest.raises(DataError, match=message):
        constraints_of(3, **given_rules)


def test_a_pin_on_padding_and_one_sided_neighbours_are_refused():
    mask = np.array([[True, False]])
    with pytest.raises(DataError, match="its row 1, which is padding"):
        SlateConstraints(mask, pinned=np.array([[0, 1]]))
    with pytest.raises(DataError, match="not symmetric"):
        SlateConstraints(mask, forbidden_neighbours=np.array([[[False, True], [False, False]]]))
