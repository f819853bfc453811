"""Beam search against enumeration and greedy decoding."""

import numpy as np
import pytest

from ranking.seq2slate import SlateConstraints, beam_search, decode, greedy_choice
from tests.ranking.tiny_seq2slate import (
    ARCHITECTURES,
    all_slates,
    decoded_along,
    random_items,
    slate_probabilities,
    tiny_model,
)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("steps", [2, 4])
def test_a_beam_as_wide_as_all_slates_finds_the_most_probable_ones_in_order(architecture, steps):
    model = tiny_model(**architecture._asdict())
    items, slates = random_items(1, 4), all_slates(4, steps)
    probabilities = slate_probabilities(decoded_along(model, items, slates))
    beams = beam_search(model, items, np.ones((1, 4), bool), steps, 24)
    best = np.argsort(-probabilities)
    np.testing.assert_array_equal(beams.order.numpy()[0, : len(slates)], slates[best])
    np.testing.assert_allclose(np.exp(beams.log_probabilities.numpy()[0, : len(slates)]), probabilities[best])
    assert (beams.log_probabilities.numpy()[0, len(slates) :] == -np.inf).all()
    assert (beams.order.numpy()[0, len(slates) :] == -1).all()


def test_a_beam_of_one_is_greedy_decoding_for_lists_of_any_size():
    model, items = tiny_model(), random_items(4, 6)
    mask = np.arange(6)[None, :] < np.array([6, 3, 1, 0])[:, None]
    beams, greedy = beam_search(model, items, mask, 5, 1), decode(model, items, mask, 5, greedy_choice())
    np.testing.assert_array_equal(beams.order.numpy()[:, 0], greedy.order.numpy())
    np.testing.assert_allclose(beams.log_probabilities.numpy()[:, 0], greedy.log_probabilities.numpy().sum(axis=1))


def test_a_wider_beam_finds_a_slate_that_greedy_misses():
    found = []
    for seed in range(12):
        model, items, mask = tiny_model(seed), random_items(8, 5, seed), np.ones((8, 5), bool)
        greedy = decode(model, items, mask, 5, greedy_choice()).log_probabilities.numpy().sum(axis=1)
        found.append(beam_search(model, items, mask, 5, 120).log_probabilities.numpy()[:, 0] - greedy)
    assert np.min(found) > -1e-9
    assert np.max(found) > 1e-3


def test_beams_obey_constraints_and_hold_the_constrained_probabilities():
    model, items, mask = tiny_model(), random_items(1, 4), np.ones((1, 4), bool)
    constraints = SlateConstraints(
        mask, pinned=np.array([[0, 0, 0, 2]]), categories=np.array([[0, 0, 1, -1]]), max_per_category=1
    )
    beams = beam_search(model, items, mask, 3, 8, constraints)
    live = np.isfinite(beams.log_probabilities.numpy()[0])
    # Position 2 is the pin's; positions 1 and 3 hold one of category 0 and the one of category 1, in any order.
    assert {tuple(order) for order in beams.order.numpy()[0, live]} == {(0, 3, 2), (1, 3, 2), (2, 3, 0), (2, 3, 1)}
    assert np.exp(beams.log_probabilities.numpy()[0, live]).sum() == pytest.approx(1)
