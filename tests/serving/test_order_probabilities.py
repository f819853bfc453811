"""The probability of a given order under a bundle, which judging it on another policy's log needs."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from serving.runtime import SlateRanker
from serving.runtime.query import InvalidRequestError
from tests.serving.small_bundles import make_bundle, make_query


@pytest.mark.parametrize("candidates", [1, 3, 8, 12])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_sampled_slate_has_the_probabilities_that_it_was_answered_with(ranker, candidates, temperature):
    for seed in range(5):
        query = make_query(candidates, seed, slate_size=candidates, explore=True, temperature=temperature)
        slate = ranker.rank(query)
        given = ranker.order_probabilities(replace(query, explore=False), slate.order)
        # Places that the model does not choose are certain.
        answered = np.where(np.isnan(slate.probabilities), 1.0, slate.probabilities)
        assert given == pytest.approx(answered, rel=1e-5)


@pytest.mark.parametrize("kinds", [("base_ranker", "gate", "seq2slate"), ("base_ranker", "seq2slate"), ("gate",)])
def test_bundles_of_other_stages_and_one_step_decoding_answer_alike(tmp_path, kinds):
    ranker = SlateRanker(make_bundle(tmp_path, kinds=kinds, decoding="one_step"))
    for seed in range(10):
        query = make_query(7, seed, slate_size=7, explore=True, temperature=0.8)
        slate = ranker.rank(query)
        answered = np.where(np.isnan(slate.probabilities), 1.0, slate.probabilities)
        assert ranker.order_probabilities(query, slate.order) == pytest.approx(answered, rel=1e-5)
        assert ranker.order_probabilities(query, slate.order[::-1])[-1] < 1


def test_probabilities_of_all_orders_add_to_one(ranker):
    query = make_query(4, 11, slate_size=3)
    total = sum(np.prod(ranker.order_probabilities(query, order)) for order in permutations(range(4), 3))
    assert total == pytest.approx(1.0, abs=1e-5)


def test_what_the_gate_holds_back_is_never_placed_before_what_passes(ranker):
    for seed in range(20):
        query = make_query(8, seed, slate_size=8)
        slate = ranker.rank(query)
        passing = int(slate.passed.sum())
        if 0 < passing < 8:
            order = [slate.order[-1], *slate.order[:-1]]
            assert not ranker.order_probabilities(query, order).any()
            return
    pytest.fail("no request of these has items on both sides of the gate")


def test_a_query_that_does_not_fit_is_refused(ranker):
    with pytest.raises(InvalidRequestError, match="slate_size"):
        ranker.order_probabilities(make_query(3, slate_size=9), (0, 1))
