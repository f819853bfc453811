"""Every ranker that is a neural network: what the shared training loop promises, network by network."""

from __future__ import annotations

import functools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ranking.base_rankers import FittedRanker, NetworkRanker, TFRanking, TrainedNetwork
from ranking.base_rankers.network_scoring import ITEMS_A_BATCH, built
from ranking.lists import RankingLists
from ranking.metrics import evaluate_lists
from ranking.rivals import DLCM, OneShotTransformer
from seriatim_errors import ConfigError, DataError, TrainingError
from tests.ranking.generated_lists import learnable_lists, lists_of

PLANS = {
    "softmax": TFRanking(hidden_sizes=(16,)),
    "approx_ndcg": TFRanking(hidden_sizes=(16,), loss="approx_ndcg"),
    "gumbel_approx_ndcg": TFRanking(hidden_sizes=(16,), loss="gumbel_approx_ndcg"),
    "transformer": OneShotTransformer(hidden_size=16, layers=1, heads=2, positions=8),
    "set transformer": OneShotTransformer(hidden_size=16, layers=1, heads=2, positions=0),
    "dlcm": DLCM(hidden_size=16, heads=3),
}
of_every_kind = pytest.mark.parametrize("kind", PLANS)
of_every_network = pytest.mark.parametrize("kind", ["softmax", "transformer", "dlcm"])
LISTS = learnable_lists(16, seed=0)
READS_RANKS = ("transformer", "dlcm")


def grades_of(lists: RankingLists) -> np.ndarray:
    assert lists.grades is not None
    return lists.grades


def ndcg(lists: RankingLists, scores: np.ndarray) -> float:
    return float(np.nanmean(evaluate_lists(lists, scores, grades_of(lists))["ndcg_at_10"]))


def few_epochs(plan: NetworkRanker, **changes: object) -> NetworkRanker:
    return replace(plan, label="grade", epochs=2, **changes)


@functools.cache
def trained(kind: str) -> TrainedNetwork:
    """What two epochs on `LISTS` make; compiling takes most of the time, so tests share it."""
    return few_epochs(PLANS[kind]).fit(LISTS)


@of_every_kind
def test_every_network_overfits_sixteen_lists_without_validation(kind: str) -> None:
    plan = replace(PLANS[kind], label="grade", epochs=150, learning_rate=0.02, dropout=0.0, batch_size=8)
    approximate = kind.endswith("approx_ndcg")
    if approximate:
        # Their gradient vanishes between items of very different scores; L2 keeps those near one another.
        plan = replace(plan, hidden_sizes=(64,), l2=1e-3 if kind == "approx_ndcg" else 0.0)
    ranker = plan.fit(LISTS)
    assert ndcg(LISTS, ranker.score(LISTS)) > (0.97 if approximate else 0.99)
    assert [row["step"] for row in ranker.history] == list(range(1, 151))
    assert set(ranker.history[0]) == {"step", "loss"}


@of_every_kind
def test_one_seed_gives_the_same_scores_and_another_seed_others(kind: str) -> None:
    first = trained(kind).score(LISTS).tolist()
    again, other = (few_epochs(PLANS[kind], seed=seed).fit(LISTS).score(LISTS).tolist() for seed in (0, 1))
    assert first == again
    assert first != other


@of_every_kind
def test_scores_depend_on_no_padding_and_no_batch_mates(kind: str) -> None:
    lists = lists_of([5, 1, 12, 3, 0, 7], features=4)
    ranker = trained(kind)
    together = ranker.score(lists)
    alone = np.concatenate([ranker.score(lists.select([index])) for index in range(len(lists))])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    assert together.shape == (28,)
    assert together.dtype == np.float64


@of_every_kind
def test_what_stands_in_padding_changes_nothing(kind: str) -> None:
    network = built(PLANS[kind].network(), 4)
    items = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    mask = np.arange(6) < np.array([[6], [4]])
    filled = np.where(mask[:, :, None], items, 1e3).astype(np.float32)
    left, right = (network(tf.constant(x), tf.constant(mask)).numpy() for x in (items, filled))
    np.testing.assert_allclose(left[mask], right[mask], rtol=0, atol=1e-5)


@of_every_kind
def test_only_networks_that_read_the_base_order_notice_when_it_changes(kind: str) -> None:
    lists = lists_of([8], features=4)
    turned = lists.reordered(np.arange(8))
    ranker = trained(kind)
    change = np.abs(ranker.score(lists)[::-1] - ranker.score(turned)).max()
    assert (change > 1e-3) == (kind in READS_RANKS)


@of_every_network
def test_the_epoch_with_the_best_validation_ndcg_is_kept(kind: str) -> None:
    held_out = learnable_lists(32, seed=1)
    ranker = replace(PLANS[kind], label="grade", epochs=8, learning_rate=0.05).fit(LISTS, held_out)
    best = max(row["ndcg_at_10"] for row in ranker.history)
    assert ndcg(held_out, ranker.score(held_out)) == pytest.approx(best, abs=1e-9)


def test_training_stops_after_epochs_without_gain() -> None:
    # With hardly any learning rate nothing changes after the first epoch.
    plan = replace(PLANS["softmax"], label="grade", learning_rate=1e-12, patience=3)
    assert len(plan.fit(LISTS, LISTS).history) == 4


def test_a_list_counts_as_much_as_its_relevant_items_weigh() -> None:
    lists = learnable_lists(60, seed=0)
    misled = lists.list_index < 30
    grades = np.where(misled, 2 - grades_of(lists), grades_of(lists)).astype(np.float32)
    weights = np.where(misled, 1e-3, 1).astype(np.float32)
    unseen, plan = learnable_lists(60, seed=1), replace(PLANS["softmax"], label="grade", epochs=20, learning_rate=0.02)
    confused = replace(lists, grades=grades)
    by_weight = ndcg(unseen, plan.fit(replace(confused, weights=weights)).score(unseen))
    assert by_weight > ndcg(unseen, plan.fit(confused).score(unseen)) + 0.05


@of_every_network
def test_constant_features_and_single_items_are_scored_without_nan(kind: str) -> None:
    constant = LISTS.with_features(np.full_like(LISTS.features, 7.0))
    assert np.isfinite(few_epochs(PLANS[kind]).fit(constant).score(constant)).all()
    ranker: FittedRanker = trained(kind)
    assert np.isfinite(ranker.score(lists_of([1, 1], features=4))).all()
    assert len(ranker.score(lists_of([], features=4))) == 0


@of_every_kind
def test_a_trained_network_survives_pickling(kind: str) -> None:
    expected = trained(kind).score(LISTS)
    assert pickle.loads(pickle.dumps(trained(kind))).score(LISTS).tolist() == expected.tolist()


def test_lists_longer_than_a_batch_are_scored_alone() -> None:
    ranker = trained("softmax")
    lists = lists_of([3, ITEMS_A_BATCH + 5, 2, 4000, 4001, 4002], features=4)
    first = ranker.score(lists)[:3]
    np.testing.assert_allclose(first, ranker.score(lists.select([0])), rtol=0, atol=1e-5)
    assert np.isfinite(ranker.score(lists)).all()


def test_heavy_tails_are_compressed_on_request() -> None:
    heavy = LISTS.with_features(np.sinh(4 * LISTS.features))
    plain, compressed = (few_epochs(PLANS["softmax"], log1p=log1p).fit(heavy) for log1p in (False, True))
    assert compressed.standardisation.log1p
    assert not plain.standardisation.log1p
    assert np.abs(plain.score(heavy)).max() > np.abs(compressed.score(heavy)).max()


@of_every_network
def test_what_cannot_be_trained_on_is_refused_by_name(kind: str) -> None:
    lists, plan = learnable_lists(8, seed=0), few_epochs(PLANS[kind])
    without = replace(lists, grades=None)
    silent = replace(lists, grades=np.zeros_like(grades_of(lists)))
    other = lists_of([4, 4], features=3)
    with pytest.raises(DataError, match="label 'grade': the data hold no such column"):
        plan.fit(without)
    with pytest.raises(TrainingError, match="in each of the 8 lists all items with weight have the same label"):
        plan.fit(silent)
    with pytest.raises(TrainingError, match="no relevant item in the 8 validation lists"):
        plan.fit(lists, silent)
    with pytest.raises(DataError, match="validation lists feature_0, feature_1, feature_2; give both the same"):
        plan.fit(lists, other)
    with pytest.raises(DataError, match="was trained on feature_0, feature_1, feature_2, feature_3"):
        trained(kind).score(other)
    with pytest.raises(DataError, match="no feature to learn from"):
        plan.fit(replace(lists, features=lists.features[:, :0], feature_names=()))
    with pytest.raises(TrainingError, match=r"lower learning_rate \(it is 1e\+38\)"):
        replace(plan, learning_rate=1e38).fit(lists)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TFRanking(loss="hinge"), "TFRanking loss: 'hinge'; choose one of softmax, approx_ndcg"),
        (lambda: TFRanking(hidden_sizes=(8, 0)), r"TFRanking hidden_sizes: \(8, 0\)"),
        (lambda: DLCM(label="click"), "DLCM label: 'click'; choose one of clicked, grade"),
        (lambda: DLCM(heads=0), "DLCM heads: 0; give 1 or more"),
        (lambda: DLCM(epochs=0), "DLCM epochs: 0; give 1 or more"),
        (lambda: OneShotTransformer(hidden_size=30), "hidden_size: 30 is no multiple of heads"),
        (lambda: OneShotTransformer(positions=-1), "OneShotTransformer positions: -1; give 0 or more"),
        (lambda: OneShotTransformer(dropout=1.0), "dropout: 1.0; give a number in"),
        (lambda: OneShotTransformer(learning_rate=float("nan")), "learning_rate: nan"),
        (lambda: OneShotTransformer(weight_averaging=1.0), "weight_averaging: 1.0; give a number in"),
        (lambda: OneShotTransformer(l2=-1.0), r"l2: -1\.0"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_transformer_starts_with_ranks_that_resemble_their_neighbours_and_shares_the_last() -> None:
    network = built(OneShotTransformer(hidden_size=16, layers=1, heads=2, positions=6).network(), 4)
    ranks = network.ranks.numpy()
    assert np.linalg.norm(np.diff(ranks, axis=0), axis=1).max() < np.linalg.norm(ranks[5] - ranks[0])
    item = np.tile(np.random.default_rng(0).normal(size=4).astype(np.float32), (1, 9, 1))
    scores = network(tf.constant(item), tf.ones([1, 9], tf.bool)).numpy()[0]
    np.testing.assert_allclose(scores[5:], scores[5], rtol=0, atol=1e-6)
    assert np.abs(np.diff(scores[:6])).min() > 1e-4
