"""MMR and the determinantal point process against brute force."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.base_rankers import AsLogged, Linear
from ranking.click_models import Cascade, DiverseClicks
from ranking.lists import RankingLists
from ranking.metrics import evaluate_lists, intra_list_distance
from ranking.rivals import DPP, MMR
from ranking.rivals.diversity import median_distances, unit_range
from ranking.rivals.dpp import dpp_order
from ranking.rivals.mmr import mmr_order, similarities
from seriatim_errors import ConfigError, DataError, TrainingError
from tests.ranking.generated_lists import learnable_lists, lists_of, ranking_lists

KINDS = ("linear", "gaussian", "near")


def drawn(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Relevance `[3, size]` and a Gaussian similarity `[3, size, size]`."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(3, size, 3))
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    return rng.random((3, size)), similarities(distances, "gaussian")


def mmr_by_hand(relevance: np.ndarray, similarity: np.ndarray, trade_off: float, steps: int) -> list[int]:
    placed: list[int] = []
    while len(placed) < steps:
        waiting = [item for item in range(len(relevance)) if item not in placed]
        placed.append(
            max(
                waiting,
                key=lambda item: (
                    trade_off * relevance[item]
                    - (1 - trade_off) * max((similarity[item, other] for other in placed), default=0.0)
                ),
            )
        )
    return placed


def dpp_by_hand(relevance: np.ndarray, similarity: np.ndarray, trade_off: float, steps: int) -> list[int]:
    weight = np.exp(trade_off * relevance)
    kernel = weight[:, None] * similarity * weight
    placed: list[int] = []
    for _ in range(steps):
        waiting = [item for item in range(len(relevance)) if item not in placed]
        placed.append(max(waiting, key=lambda item: np.linalg.det(kernel[np.ix_([*placed, item], [*placed, item])])))
    return placed


def lists_of_kinds(count: int, seed: int) -> RankingLists:
    """Lists of twelve items of four kinds in the order of a noisy ranker; a second item of a kind is not clicked."""
    rng = np.random.default_rng(seed)
    lists = lists_of([12] * count, features=2)
    kind = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])[rng.integers(0, 4, 12 * count)]
    quality = rng.normal(size=12 * count)
    relevant = quality + 0.5 * rng.normal(size=len(quality)) > 0.3
    features = (kind + 0.1 * rng.normal(size=kind.shape)).astype(np.float32)
    lists = replace(lists, features=features, clicks=relevant.astype(np.float32), positions=None).reordered(quality)
    assert lists.clicks is not None
    return lists.with_clicks(DiverseClicks(Cascade(), 0.3).clicks(lists, lists.clicks, rng))


def in_order(*grades: float) -> RankingLists:
    lists = lists_of([len(grades)], features=2)
    return replace(lists, grades=np.array(grades, np.float32))


@given(st.integers(0, 1000), st.integers(1, 7), st.floats(0, 1), st.integers(1, 8))
def test_mmr_takes_what_brute_force_takes_and_appends_the_rest_by_relevance(
    seed: int, size: int, trade_off: float, slate: int
) -> None:
    relevance, similarity = drawn(seed, size)
    steps = min(slate, size)
    order = mmr_order(relevance, similarity, trade_off, slate)
    for row, (one, alike) in enumerate(zip(relevance, similarity, strict=True)):
        assert order[row, :steps].tolist() == mmr_by_hand(one, alike, trade_off, steps)
        rest = order[row, steps:]
        assert sorted(order[row]) == list(range(size))
        assert (np.diff(one[rest]) <= 0).all()


@given(st.integers(0, 1000), st.integers(1, 6), st.sampled_from([0.1, 0.7, 1.0, 3.0]), st.integers(1, 4))
def test_the_process_takes_what_brute_force_over_determinants_takes(
    seed: int, size: int, trade_off: float, slate: int
) -> None:
    relevance, similarity = drawn(seed, size)
    steps = min(slate, size)
    order = dpp_order(relevance, similarity, trade_off, slate)
    for row, (one, alike) in enumerate(zip(relevance, similarity, strict=True)):
        assert order[row, :steps].tolist() == dpp_by_hand(one, alike, trade_off, steps)
        assert sorted(order[row]) == list(range(size))
        assert (np.diff(one[order[row, steps:]]) <= 0).all()


@given(ranking_lists())
@pytest.mark.parametrize(
    "plan", [MMR(trade_offs=(1.0,)), MMR(trade_offs=(1.0,), slate_size=2), DPP(trade_offs=(100.0,))]
)
def test_relevance_alone_keeps_the_base_order(plan: MMR | DPP, lists: RankingLists) -> None:
    fitted = plan.fit(lists_of([4, 4], features=3))
    assert lists.descending_order(fitted.score(lists)).tolist() == list(range(len(lists.item_ids)))


@pytest.mark.parametrize("kind", KINDS)
def test_similarity_falls_with_distance_from_one(kind: str) -> None:
    points = np.random.default_rng(0).normal(size=(2, 6, 2))
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    similarity = similarities(distances, kind)
    assert (similarity[:, range(6), range(6)] == 1).all()
    assert ((similarity >= 0) & (similarity <= 1)).all()
    for one, other in itertools.product(range(36), repeat=2):
        left, right = (distances.reshape(2, 36)[:, index] for index in (one, other))
        nearer = left < right
        assert (similarity.reshape(2, 36)[nearer, one] >= similarity.reshape(2, 36)[nearer, other]).all()


def test_half_of_the_pairs_are_near() -> None:
    points = np.random.default_rng(0).normal(size=(4, 9, 2))
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    assert (similarities(distances, "near").sum(axis=(1, 2)) - 9 == 36).all()
    assert (median_distances(np.zeros((2, 3, 3))) == 1).all()
    assert (median_distances(np.zeros((2, 1, 1))) == 1).all()


def test_relevance_is_stretched_to_the_unit_range_in_each_list() -> None:
    values = unit_range(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]]))
    assert values.tolist() == [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("plan", [MMR(similarity="near"), MMR(), MMR(similarity="gaussian"), DPP()])
def test_where_users_want_variety_it_beats_its_base_order_and_spreads_the_top(plan: MMR | DPP) -> None:
    train, held_out, test = (lists_of_kinds(300, seed) for seed in range(3))
    fitted = plan.fit(train, held_out)
    scores, base = fitted.score(test), AsLogged().score(test)
    gain, loss = (evaluate_lists(test, given, test.clicks)["ndcg_at_5"] for given in (scores, base))
    assert np.nanmean(gain) > np.nanmean(loss) + 0.01
    first = [test.reordered(given).top(4) for given in (scores, base)]
    spread = [intra_list_distance(lists.features.reshape(300, 4, 2), 4).mean() for lists in first]
    assert spread[0] > spread[1]


def test_the_trade_off_is_chosen_where_it_ranks_best() -> None:
    lists = learnable_lists(80, seed=0)
    ranker = Linear(label="grade", l2=0.01).fit(lists)
    values = (1.0, 0.7, 0.4, 0.1)
    means = []
    for value in values:
        scores = MMR(relevance=ranker, label="grade", trade_offs=(value,)).fit(lists).score(lists)
        means.append(np.nanmean(evaluate_lists(lists, scores, lists.grades)["ndcg_at_10"]))
    chosen = MMR(relevance=ranker, label="grade", trade_offs=values).fit(lists).trade_off
    assert chosen == values[int(np.argmax(means))]


def test_distances_are_over_the_chosen_columns_in_their_deviations() -> None:
    features = np.array([[0, 0], [0, 900], [1, 0], [1, 900]], np.float32)
    lists = replace(in_order(1, 0, 0, 0), features=features)
    by_first = MMR(label="grade", columns=("feature_0",), trade_offs=(0.3,), slate_size=2).fit(lists)
    assert lists.descending_order(by_first.score(lists)).tolist()[:2] == [0, 2]
    by_second = MMR(label="grade", columns=("feature_1",), trade_offs=(0.3,), slate_size=2).fit(lists)
    assert lists.descending_order(by_second.score(lists)).tolist()[:2] == [0, 1]


@pytest.mark.parametrize("plan", [MMR(label="grade"), DPP(label="grade")])
def test_equal_items_single_items_and_empty_lists_have_finite_places(plan: MMR | DPP) -> None:
    lists = lists_of([4, 1, 0, 2], features=2)
    equal = lists.with_features(np.ones_like(lists.features))
    for scored in (lists, equal):
        scores = plan.fit(equal).score(scored)
        assert np.isfinite(scores).all()
        assert sorted(scores[:4]) == [-3.0, -2.0, -1.0, 0.0]
        assert scores[4] == 0
    assert plan.fit(equal).score(equal).tolist()[:4] == [0.0, -1.0, -2.0, -3.0]
    restored = pickle.loads(pickle.dumps(plan.fit(lists)))
    assert restored.score(lists).tolist() == plan.fit(lists).score(lists).tolist()


@pytest.mark.parametrize("plan", [MMR(label="grade"), DPP(label="grade")])
def test_what_it_cannot_use_is_refused_by_name(plan: MMR | DPP) -> None:
    lists = in_order(1, 0, 2)
    with pytest.raises(DataError, match="columns: 'colour' is no feature; choose of feature_0, feature_1"):
        replace(plan, columns=("colour",)).fit(lists)
    with pytest.raises(DataError, match="no feature measures distance"):
        replace(plan, columns=()).fit(lists)
    with pytest.raises(DataError, match="label 'grade': the data hold no such column"):
        plan.fit(replace(lists, grades=None))
    with pytest.raises(TrainingError, match="no relevant item in the 1 validation lists"):
        plan.fit(lists, in_order(0, 0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMR(trade_offs=(0.5, 1.1)), r"MMR trade_offs: \(0.5, 1.1\); give at least one, each in \[0, 1\]"),
        (lambda: MMR(trade_offs=()), "MMR trade_offs"),
        (lambda: MMR(slate_size=0), "MMR slate_size: 0; give 1 or more"),
        (lambda: MMR(similarity="cosine"), "MMR similarity: 'cosine'; choose one of linear, gaussian, near"),
        (lambda: DPP(trade_offs=(101.0,)), r"DPP trade_offs: .* each in \[0, 100\]"),
        (lambda: DPP(slate_size=0), "DPP slate_size: 0"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()
