"""The linear ranker: its loss, its weights, and what it refuses."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.base_rankers import BaseRanker, Linear
from ranking.base_rankers.linear import L2_PATH, L2_UNTUNED, pairwise_logistic_loss, preference_pairs
from ranking.base_rankers.training_examples import training_examples
from ranking.lists import RankingLists
from ranking.metrics import evaluate_lists
from seriatim_errors import ConfigError, DataError, TrainingError
from tests.ranking.generated_lists import learnable_lists, lists_of
from tests.ranking.letor_lists import MQ2008, letor


def ndcg(lists: RankingLists, scores: np.ndarray) -> float:
    return float(np.nanmean(evaluate_lists(lists, scores, lists.grades)["ndcg_at_10"]))


def loss_by_hand(lists: RankingLists, weights: np.ndarray, l2: float) -> float:
    examples = training_examples(lists, "grade")
    total = 0.0
    for index in range(len(examples.lists)):
        rows = range(*examples.lists.offsets[index : index + 2])
        labels, scores = examples.labels, examples.lists.features.astype(np.float64) @ weights
        terms = [
            np.log1p(np.exp(scores[low] - scores[high]))
            for high in rows
            for low in rows
            if labels[high] > labels[low] >= 0
        ]
        total += examples.list_weights[index] * np.mean(terms)
    return total / examples.list_weights.sum() + l2 * weights @ weights


@given(st.integers(0, 100), st.floats(0, 1))
def test_the_loss_is_its_definition_and_the_gradient_its_slope(seed: int, l2: float) -> None:
    rng = np.random.default_rng(seed)
    lists = lists_of([4, 1, 5, 4, 2], seed=seed)
    lists = replace(lists, weights=rng.integers(0, 3, 16).astype(np.float32))
    lists = replace(lists, grades=np.where(np.arange(16) < 2, [1.0, 0.0] * 8, lists.grades).astype(np.float32))
    lists.weights[:2] = 1
    examples, weights = training_examples(lists, "grade"), rng.normal(size=3)
    features, pairs = examples.lists.features.astype(np.float64), preference_pairs(examples)
    loss, gradient = pairwise_logistic_loss(weights, features, pairs, l2)
    assert loss == pytest.approx(loss_by_hand(lists, weights, l2))
    for column in range(3):
        step = 1e-5 * np.eye(3)[column]
        up, down = (pairwise_logistic_loss(w, features, pairs, l2)[0] for w in (weights + step, weights - step))
        assert gradient[column] == pytest.approx((up - down) / 2e-5, abs=1e-7)


def test_extreme_scores_give_a_finite_loss_and_gradient() -> None:
    examples = training_examples(lists_of([4, 5]), "grade")
    loss, gradient = pairwise_logistic_loss(
        np.full(3, 1e6), examples.lists.features.astype(np.float64), preference_pairs(examples), 0.0
    )
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_it_finds_the_direction_that_made_the_labels_whatever_the_units() -> None:
    lists = lists_of([8] * 200, features=3)
    utility = lists.features @ np.array([2.0, -1.0, 0.0], np.float32)
    lists = replace(lists, grades=(utility > 0).astype(np.float32))
    scaled = lists.with_features(lists.features * np.array([1e3, 1e-3, 1], np.float32) + np.float32(5))
    for given_lists in (lists, scaled):
        ranker: BaseRanker = Linear(label="grade", l2=1e-4)
        assert ndcg(given_lists, ranker.fit(given_lists).score(given_lists)) > 0.99
    weights = Linear(label="grade", l2=1e-4).fit(lists).weights
    assert weights[0] > 1.7 * -weights[1] > 0
    assert abs(weights[2]) < 0.1 * weights[0]


def test_it_overfits_sixteen_lists_that_a_line_can_order() -> None:
    lists = lists_of([8] * 16, features=3)
    grades = 1.0 * (lists.features[:, 0] > -0.5) + (lists.features[:, 0] > 0.5)
    lists = replace(lists, grades=grades.astype(np.float32))
    assert ndcg(lists, Linear(label="grade", l2=0.0).fit(lists).score(lists)) > 0.999


def test_validation_lists_choose_the_l2_of_the_path_that_ranks_them_best() -> None:
    train, held_out = learnable_lists(12, seed=0, noise=2.0), learnable_lists(60, seed=1)
    chosen = Linear(label="grade").fit(train, held_out)
    each = [ndcg(held_out, Linear(label="grade", l2=l2).fit(train).score(held_out)) for l2 in L2_PATH]
    assert max(each) > min(each)
    assert ndcg(held_out, chosen.score(held_out)) == pytest.approx(max(each), abs=5e-3)
    untuned = Linear(label="grade").fit(train).weights
    assert untuned.tolist() == Linear(label="grade", l2=L2_UNTUNED).fit(train, held_out).weights.tolist()


def test_items_of_weight_zero_are_in_no_pair() -> None:
    lists = learnable_lists(16, seed=0)
    silent = np.arange(len(lists.item_ids)) % 5 == 0
    weighted = replace(lists, weights=(~silent).astype(np.float32))
    assert lists.grades is not None
    mislabelled = replace(weighted, grades=np.where(silent, 2 - lists.grades, lists.grades).astype(np.float32))
    plan = Linear(label="grade", l2=0.01)
    assert plan.fit(weighted).weights.tolist() == plan.fit(mislabelled).weights.tolist()
    assert plan.fit(weighted).weights.tolist() != plan.fit(lists).weights.tolist()


def test_constant_features_and_single_items_are_scored_without_nan() -> None:
    lists = learnable_lists(16, seed=0)
    constant = lists.with_features(np.ones_like(lists.features))
    assert (Linear().fit(constant).score(constant) == 0).all()
    fitted = Linear().fit(lists)
    assert np.isfinite(fitted.score(lists_of([1], features=4))).all()
    assert len(fitted.score(lists_of([], features=4))) == 0
    assert pickle.loads(pickle.dumps(fitted)).score(lists).tolist() == fitted.score(lists).tolist()


def test_what_cannot_be_trained_on_is_refused_by_name() -> None:
    lists = learnable_lists(8, seed=0)
    silent = lists.with_clicks(np.zeros(len(lists.item_ids), np.float32))
    other = lists_of([4, 4], features=3)
    with pytest.raises(DataError, match="label 'clicked': the data hold no such column"):
        Linear().fit(replace(lists, clicks=None))
    with pytest.raises(TrainingError, match="in each of the 8 lists all items with weight have the same label"):
        Linear().fit(silent)
    with pytest.raises(TrainingError, match="no relevant item in the 8 validation lists"):
        Linear().fit(lists, silent)
    with pytest.raises(DataError, match="validation lists feature_0, feature_1, feature_2; give both the same"):
        Linear().fit(lists, other)
    with pytest.raises(DataError, match="Linear was trained on feature_0, feature_1, feature_2, feature_3"):
        Linear().fit(lists).score(other)
    with pytest.raises(DataError, match="no feature to learn from"):
        Linear().fit(replace(lists, features=lists.features[:, :0], feature_names=()))
    with pytest.raises(ConfigError, match="Linear label: 'grades'; choose one of clicked, grade"):
        Linear(label="grades")
    with pytest.raises(ConfigError, match=r"Linear l2: -0.1"):
        Linear(l2=-0.1)


@pytest.mark.real_data
@pytest.mark.skipif(not MQ2008.is_dir(), reason="LETOR MQ2008 is not beside the checkout")
def test_mq2008_graded_labels_reach_an_ndcg_at_10_of_072_without_a_look_at_s4() -> None:
    train, evaluation = (letor(*parts) for parts in (("S1", "S2", "S3"), ("S4",)))
    assert ndcg(evaluation, Linear(label="grade").fit(train).score(evaluation)) >= 0.72
