"""Label graphs: spanning forests, circuit rank, roots, matchings, the circuit-rank regulariser."""

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriatim_errors import StructureError
from structured.graphs import (
    RootedForest,
    checked_edges,
    circuit_rank,
    complete_edges,
    edge_matchings,
    maximum_spanning_forest,
)
from structured.learning.objective import crank_penalty
from structured.learning.weights import Weights


@st.composite
def graphs(draw):
    labels = draw(st.integers(1, 9))
    every = complete_edges(labels)
    chosen = draw(st.lists(st.booleans(), min_size=len(every), max_size=len(every)))
    return labels, every[np.array(chosen, bool)]


def networkx_graph(labels, edges):
    graph = networkx.Graph()
    graph.add_nodes_from(range(labels))
    graph.add_edges_from(edges.tolist())
    return graph


@given(graphs())
def test_the_circuit_rank_is_the_number_of_independent_circles(graph):
    labels, edges = graph
    assert circuit_rank(edges, labels) == len(networkx.cycle_basis(networkx_graph(labels, edges)))


@given(graphs(), st.integers(0, 2**32 - 1), st.booleans())
def test_spanning_forests_have_the_greatest_weight(graph, seed, tied):
    labels, edges = graph
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 3, size=len(edges)).astype(float) if tied else rng.random(len(edges))
    chosen = maximum_spanning_forest(edges, weights, labels)
    weighted = networkx_graph(labels, edges)
    for (low, high), weight in zip(edges.tolist(), weights, strict=True):
        weighted[low][high]["weight"] = weight
    best = sum(data["weight"] for _, _, data in networkx.maximum_spanning_edges(weighted))
    assert weights[chosen].sum() == pytest.approx(best)
    assert circuit_rank(edges[chosen], labels) == 0
    assert len(chosen) == labels - networkx.number_connected_components(weighted)


def test_ties_keep_the_forest_from_before_and_then_the_first_edges():
    edges = complete_edges(4)
    weights = np.ones(6)
    assert maximum_spanning_forest(edges, weights, 4).tolist() == [0, 1, 2]
    preferred = np.isin(np.arange(6), (0, 3, 5))
    assert maximum_spanning_forest(edges, weights, 4, preferred).tolist() == [0, 3, 5]


def test_edges_of_weight_zero_still_span():
    assert maximum_spanning_forest(complete_edges(3), np.zeros(3), 3).tolist() == [0, 1]


@given(graphs(), st.integers(0, 2**32 - 1))
def test_the_regulariser_is_zero_exactly_for_forests_and_never_negative(graph, seed):
    labels, edges = graph
    every = complete_edges(labels)
    used = np.array([edge in edges.tolist() for edge in every.tolist()], bool)
    pair = np.where(used[None, :, None], np.random.default_rng(seed).uniform(0.1, 1, size=(1, len(every), 1)), 0)
    weights = Weights(np.zeros((1, labels, 1)), pair)
    penalty = crank_penalty(weights, labels, every)
    assert penalty >= 0
    assert (penalty > 0) == (circuit_rank(edges, labels) > 0)


@given(graphs())
def test_the_regulariser_of_indicators_is_the_circuit_rank(graph):
    labels, edges = graph
    every = complete_edges(labels)
    used = np.array([edge in edges.tolist() for edge in every.tolist()], float)
    weights = Weights(np.zeros((1, labels, 1)), used[None, :, None])
    assert crank_penalty(weights, labels, every) == pytest.approx(circuit_rank(edges, labels))


@given(graphs())
def test_forests_are_rooted_at_their_centres_and_circles_refused(graph):
    labels, edges = graph
    if circuit_rank(edges, labels):
        with pytest.raises(StructureError, match="circles"):
            RootedForest.from_edges(edges, labels)
        return
    forest = RootedForest.from_edges(edges, labels)
    whole = networkx_graph(labels, edges)
    parts = [whole.subgraph(part) for part in networkx.connected_components(whole)]
    assert len(forest.levels) == 1 + max(networkx.radius(part) for part in parts)
    assert sorted(np.concatenate(forest.levels).tolist()) == list(range(labels))
    for depth, level in enumerate(forest.levels):
        for node in level:
            if depth == 0:
                assert forest.parent[node] == forest.edge[node] == -1
            else:
                assert forest.parent[node] in forest.levels[depth - 1]
                assert sorted((node, forest.parent[node])) == edges[forest.edge[node]].tolist()


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_random_forests_are_rooted_at_their_centres_of_smallest_number(labels, seed):
    rng = np.random.default_rng(seed)
    every = complete_edges(labels)
    edges = every[maximum_spanning_forest(every, rng.random(len(every)), labels)]
    edges = edges[rng.random(len(edges)) < 0.8]
    whole = networkx_graph(labels, edges)
    centres = [min(networkx.center(whole.subgraph(part))) for part in networkx.connected_components(whole)]
    forest = RootedForest.from_edges(edges, labels)
    assert forest.levels[0].tolist() == sorted(centres)
    for level in forest.levels[1:]:
        # Children of one parent lie together.
        parents = forest.parent[level].tolist()
        assert parents == sorted(parents, key=parents.index)


def test_of_two_middle_labels_the_smaller_is_the_root():
    edges = checked_edges([(0, 3), (3, 2), (2, 1)], 4)
    assert RootedForest.from_edges(edges, 4).levels[0].tolist() == [2]
    star = checked_edges([(0, 3), (1, 3), (2, 3)], 4)
    assert RootedForest.from_edges(star, 4).levels[0].tolist() == [3]


@pytest.mark.parametrize("labels", range(1, 10))
def test_a_complete_graph_takes_as_few_matchings_as_can_be(labels):
    edges = complete_edges(labels)
    matchings = edge_matchings(edges, labels)
    assert len(matchings) == (0 if labels == 1 else labels - 1 if labels % 2 == 0 else labels)
    assert all(len(set(edges[one].ravel().tolist())) == 2 * len(one) for one in matchings)


@given(graphs())
def test_matchings_hold_every_edge_once_and_share_no_label(graph):
    labels, edges = graph
    matchings = edge_matchings(edges, labels)
    assert sorted(np.concatenate([*matchings, np.zeros(0, int)]).tolist()) == list(range(len(edges)))
    assert len(matchings) <= labels
    for matching in matchings:
        ends = edges[matching].ravel()
        assert len(set(ends.tolist())) == len(ends)


def test_edges_are_ordered_and_mistakes_are_named():
    assert checked_edges([(2, 0), (0, 1)], 3).tolist() == [[0, 1], [0, 2]]
    assert checked_edges((), 3).shape == (0, 2)
    assert checked_edges((), 3).dtype == checked_edges(np.array([[0, 1]], np.int32), 3).dtype == np.int64
    for edges, message in (
        ([(0, 3)], r"\(0, 3\) with 3 labels"),
        ([(1, 1)], r"\(1, 1\) with 3 labels"),
        ([(0, 1), (1, 0)], "1 stand twice"),
        ([(0, 1), (0, 1), (1, 0)], "2 stand twice"),
        ([(-1, 1)], r"\(-1, 1\) with 3 labels"),
        ([0, 1], "give pairs"),
        ([(0, 1, 2)], "give pairs"),
        ([(0.0, 1.0)], "give pairs"),
    ):
        with pytest.raises(StructureError, match=message):
            checked_edges(edges, 3)
