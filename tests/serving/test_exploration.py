"""Exploration: who explores, and with which exact probability."""

from itertools import permutations

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.config import ExplorationConfig
from serving.exploration import explored
from serving.proto.seriatim.v1 import ranking_pb2_grpc
from serving.runtime import Decoding
from serving.runtime.epsilon_slates import drawn_slate, step_probabilities
from tests.serving.ranking_messages import message_of
from tests.serving.running import RunningServer
from tests.serving.small_bundles import make_query


@pytest.mark.parametrize(("candidates", "places"), [(1, 1), (3, 2), (4, 4), (5, 3)])
@pytest.mark.parametrize("epsilon", [0.05, 0.5, 1.0])
def test_propensities_of_all_slates_sum_to_one_and_are_the_formula(candidates, places, epsilon):
    greedy = np.arange(places)
    slates = [np.array(slate) for slate in permutations(range(candidates), places)]
    found = [np.prod(step_probabilities(slate, greedy, candidates, epsilon)) for slate in slates]
    assert sum(found) == pytest.approx(1)
    for slate, propensity in zip(slates, found, strict=True):
        expected = (1 - epsilon) * bool((slate == greedy).all()) + epsilon / len(slates)
        assert propensity == pytest.approx(expected)


@given(
    candidates=st.integers(1, 1000),
    data=st.data(),
    epsilon=st.floats(1e-6, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_drawn_slate_has_probabilities_between_0_and_1(candidates, data, epsilon, seed):
    greedy = np.random.default_rng(seed).permutation(candidates)[: data.draw(st.integers(1, candidates))]
    slate = drawn_slate(greedy, candidates, epsilon, np.random.default_rng(seed))
    steps = step_probabilities(slate, greedy, candidates, epsilon)
    assert len(set(slate.tolist())) == len(slate) == len(greedy)
    assert ((steps > 0) & (steps <= 1 + 1e-12)).all()


def test_slates_are_drawn_as_often_as_their_propensity_says(ranker):
    counts, propensity, draws = {}, {}, 4000
    for draw in range(draws):
        slate = ranker.rank(make_query(4, 11, slate_size=2, epsilon=0.4, request_id=f"draw-{draw}"))
        counts[slate.order] = counts.get(slate.order, 0) + 1
        propensity[slate.order] = slate.propensity
        assert slate.propensity == pytest.approx(np.prod(slate.probabilities))
        assert slate.policy == "epsilon"
    assert sum(propensity.values()) == pytest.approx(1)
    for order, expected in propensity.items():
        assert counts[order] / draws == pytest.approx(expected, abs=4.5 * np.sqrt(expected / draws))


@pytest.mark.parametrize("decoding", list(Decoding))
def test_only_candidates_that_pass_the_gate_are_drawn(ranker, decoding):
    for seed in range(30):
        query = make_query(12, seed, slate_size=12, epsilon=1.0)
        slate, best = ranker.rank(query, decoding), ranker.rank(make_query(12, seed, slate_size=12), decoding)
        passing = int(slate.passed.sum())
        assert slate.passed[list(slate.order[:passing])].all()
        assert slate.order[passing:] == best.order[passing:]
        assert np.isnan(slate.probabilities[passing:]).all()
        assert sorted(slate.ranks) == list(range(12))
        assert [int(slate.ranks[row]) for row in slate.order] == list(range(12))


def test_a_share_of_the_requests_explores_and_always_the_same():
    config = ExplorationConfig(policy="epsilon", share=0.25, epsilon=0.3)
    queries = [make_query(3, request_id=f"r{number}") for number in range(4000)]
    exploring = [explored(query, config).epsilon == 0.3 for query in queries]
    assert sum(exploring) == pytest.approx(1000, abs=120)
    assert exploring == [explored(query, config).epsilon == 0.3 for query in queries]


def test_a_request_that_explores_by_itself_keeps_its_temperature():
    query = make_query(3, explore=True, temperature=0.5)
    assert explored(query, ExplorationConfig(policy="epsilon", share=1)) is query
    assert explored(make_query(3), ExplorationConfig(policy="none", share=1)).policy == "greedy"
    warm = explored(make_query(3), ExplorationConfig(policy="temperature", share=1, temperature=2))
    assert (warm.policy, warm.temperature) == ("temperature", 2)


@pytest.mark.parametrize("policy", ["temperature", "epsilon"])
def test_the_answer_names_the_policy_and_carries_the_propensity(ranker, policy):
    running = RunningServer(ranker, exploration=ExplorationConfig(policy=policy, share=1))
    try:
        with grpc.insecure_channel(running.target) as channel:
            answer = ranking_pb2_grpc.RankingServiceStub(channel).RankSlate(message_of(make_query(8)), timeout=10)
    finally:
        running.stop()
    assert answer.policy == policy
    placed = [item.probability for item in answer.items if item.HasField("probability")]
    assert answer.propensity == pytest.approx(np.prod(placed))
