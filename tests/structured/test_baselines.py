"""What CRANK is compared with: Chow-Liu trees, chains, random trees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from seriatim_errors import StructureError, TrainingError
from structured import ClassifierChainEnsemble, GivenGraph, RandomTreeEnsemble
from structured.baselines.chow_liu import chow_liu_edges, mutual_information
from structured.graphs import complete_edges, maximum_spanning_forest
from tests.structured.random_problems import labels_over_a_tree


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_smoothed_mutual_information_is_never_negative(seed, rows):
    rng = np.random.default_rng(seed)
    states = np.array([2, 3, 2, 4])
    labels = np.stack([rng.integers(count, size=rows) for count in states], axis=1)
    information = mutual_information(labels, rng.random(labels.shape) < 0.8, states)
    assert information.shape == (6,)
    assert np.isfinite(information).all()
    assert (information >= 0).all()


def test_the_chow_liu_tree_spans_with_the_greatest_empirical_information():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(20_000, 5))
    for child, parent, agreement in ((1, 0, 0.9), (2, 1, 0.8), (3, 1, 0.85), (4, 3, 0.7)):
        labels[:, child] = np.where(rng.random(20_000) < agreement, labels[:, parent], 1 - labels[:, parent])
    known, states = np.ones(labels.shape, bool), np.full(5, 2)
    edges = complete_edges(5)
    information = np.array([mutual_info_score(labels[:, low], labels[:, high]) for low, high in edges])
    assert mutual_information(labels, known, states) == pytest.approx(information, abs=1e-3)
    found = chow_liu_edges(labels, known, states)
    assert found.tolist() == edges[maximum_spanning_forest(edges, information, 5)].tolist()
    assert found.tolist() == [[0, 1], [1, 2], [1, 3], [3, 4]]


def test_labels_without_information_still_get_a_tree():
    labels = np.zeros((10, 4), int)
    assert chow_liu_edges(labels, np.ones(labels.shape, bool), np.full(4, 2)).shape == (3, 2)


def test_chains_need_every_tag_and_at_least_one_chain():
    features, labels = labels_over_a_tree(60, [(0, 1)], [1.0], seed=0)
    with pytest.raises(TrainingError, match="every tag as 0 or 1"):
        ClassifierChainEnsemble().fit(features, labels - 1)
    with pytest.raises(TrainingError, match="n_estimators is 0"):
        ClassifierChainEnsemble(n_estimators=0).fit(features, labels)
    chance = ClassifierChainEnsemble(n_estimators=2).fit(features, labels).predict_proba(features)
    assert ((chance > 0) & (chance < 1)).all()


def test_random_trees_span_and_their_number_is_checked():
    features, labels = labels_over_a_tree(60, [(0, 1), (1, 2)], [1.0, 1.0], seed=1)
    ensemble = RandomTreeEnsemble(ridge=0.05, n_estimators=4).fit(features, labels)
    assert [member.edges_.shape for member in ensemble.members_] == [(2, 2)] * 4
    assert len({str(member.edges_.tolist()) for member in ensemble.members_}) > 1
    with pytest.raises(TrainingError, match="n_estimators is 0"):
        RandomTreeEnsemble(n_estimators=0).fit(features, labels)


def test_given_edges_are_checked():
    features, labels = labels_over_a_tree(60, [(0, 1)], [1.0], seed=2)
    with pytest.raises(StructureError, match=r"\(0, 2\) with 2 labels"):
        GivenGraph([(0, 2)]).fit(features, labels)
