from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from ranking.click_models import (
    Cascade,
    ClickModel,
    DiverseClicks,
    PositionBased,
    SimilarClicks,
    clicks_on_order,
)
from ranking.click_models.similarity import pairwise_distances, similar_pairs
from ranking.lists import RankingLists
from seriatim_errors import ConfigError, DataError
from tests.ranking.generated_lists import lists_of, ranking_lists

ETAS = st.sampled_from([0.0, 0.3, 1.0])
QUANTILES = st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0])
SEEDS = st.integers(0, 1000)


def relevance_of(lists: RankingLists) -> np.ndarray:
    assert lists.grades is not None
    return lists.grades > 0


def seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(lists=ranking_lists(max_size=9), eta=ETAS, quantile=QUANTILES, seed=SEEDS)
@settings(deadline=None)
def test_diverse_clicks_are_cascade_clicks_are_relevant_and_similar_clicks_hold_them_all(
    lists: RankingLists, eta: float, quantile: float, seed: int
) -> None:
    relevant = relevance_of(lists)
    cascade = Cascade(eta).clicks(lists, relevant, seeded(seed))
    diverse = DiverseClicks(Cascade(eta), quantile).clicks(lists, relevant, seeded(seed))
    similar = SimilarClicks(Cascade(eta), quantile).clicks(lists, relevant, seeded(seed))
    assert (diverse <= cascade).all()
    assert (cascade <= relevant).all()
    assert (cascade <= similar).all()


@given(lists=ranking_lists(max_size=9), quantile=QUANTILES, seed=SEEDS)
@settings(deadline=None)
def test_diverse_clicks_follow_the_scan_written_out(lists: RankingLists, quantile: float, seed: int) -> None:
    relevant = relevance_of(lists)
    cascade = Cascade(0.3).clicks(lists, relevant, seeded(seed))
    diverse = DiverseClicks(Cascade(0.3), quantile).clicks(lists, relevant, seeded(seed))
    for start, end in zip(lists.offsets[:-1], lists.offsets[1:], strict=True):
        distances = pdist(lists.features[start:end].astype(np.float64))
        # A hair above the quantile: scipy rounds otherwise than a matrix product does.
        threshold = np.quantile(distances, quantile) * (1 + 1e-7) if len(distances) else -1.0
        square = squareform(distances) if len(distances) else np.zeros((1, 1))
        kept: list[int] = []
        for item in range(end - start):
            if cascade[start + item] and all(square[item, other] > threshold for other in kept):
                kept.append(item)
        assert np.flatnonzero(diverse[start:end]).tolist() == kept


@given(lists=ranking_lists(max_size=9), quantile=QUANTILES, seed=SEEDS)
@settings(deadline=None)
def test_similar_clicks_follow_the_scan_written_out(lists: RankingLists, quantile: float, seed: int) -> None:
    relevant = relevance_of(lists)
    examined = Cascade(0.3).examined(lists, seeded(seed))
    similar = SimilarClicks(Cascade(0.3), quantile).clicks(lists, relevant, seeded(seed))
    for start, end in zip(lists.offsets[:-1], lists.offsets[1:], strict=True):
        distances = pdist(lists.features[start:end].astype(np.float64))
        threshold = np.quantile(distances, quantile) * (1 + 1e-7) if len(distances) else -1.0
        square = squareform(distances) if len(distances) else np.zeros((1, 1))
        clicked: list[int] = []
        for item in range(end - start):
            near = any(square[item, other] <= threshold for other in clicked)
            if examined[start + item] and (relevant[start + item] or near):
                clicked.append(item)
        assert np.flatnonzero(similar[start:end]).tolist() == clicked


@given(seed=SEEDS, quantile=QUANTILES)
@settings(deadline=None)
def test_clicks_that_stand_together_are_further_apart_than_the_quantile(seed: int, quantile: float) -> None:
    lists = lists_of([12], seed=seed)
    clicks = DiverseClicks(Cascade(), quantile).clicks(lists, np.ones(12), seeded(seed))
    features = lists.features.astype(np.float64)
    between_clicks = pdist(features[clicks > 0])
    assert (between_clicks > np.quantile(pdist(features), quantile)).all()


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_the_click_rate_at_rank_i_is_one_over_i_to_the_eta(eta: float) -> None:
    lists = lists_of([6] * 20_000, features=1)
    clicks = Cascade(eta).clicks(lists, np.ones(120_000), seeded(0)).reshape(-1, 6)
    np.testing.assert_allclose(clicks.mean(axis=0), np.arange(1, 7.0) ** -eta, atol=0.012)


def test_position_based_rates_are_examination_times_relevance_and_the_last_rank_carries_on() -> None:
    lists = lists_of([4] * 20_000, features=1)
    clicks = PositionBased((0.9, 0.5)).clicks(lists, np.full(80_000, 0.4), seeded(0)).reshape(-1, 4)
    np.testing.assert_allclose(clicks.mean(axis=0), 0.4 * np.array([0.9, 0.5, 0.5, 0.5]), atol=0.012)


def test_a_cascade_is_the_position_based_model_with_its_rates() -> None:
    lists = lists_of([5] * 50)
    theta = tuple(np.arange(1, 6.0) ** -0.7)
    by_eta = Cascade(0.7).clicks(lists, relevance_of(lists), seeded(3))
    by_rank = PositionBased(theta).clicks(lists, relevance_of(lists), seeded(3))
    assert by_eta.tolist() == by_rank.tolist()


@given(quantile=QUANTILES, seed=SEEDS)
@settings(deadline=None)
def test_similarity_ignores_the_order_in_which_a_list_stands(quantile: float, seed: int) -> None:
    rng = seeded(seed)
    # Whole numbers make many equal distances, so that the quantile is often met exactly.
    features = rng.integers(0, 3, size=(1, 8, 2)).astype(np.float64)
    order = rng.permutation(8)
    shuffled = similar_pairs(features[:, order], quantile)
    assert shuffled.tolist() == similar_pairs(features, quantile)[:, order][:, :, order].tolist()


@given(seed=SEEDS)
@settings(deadline=None)
def test_pairwise_distances_are_scipys_even_far_from_the_origin(seed: int) -> None:
    features = seeded(seed).normal(1e4, 1.0, size=(2, 6, 3))
    ours = pairwise_distances(features)
    for index in range(2):
        np.testing.assert_allclose(ours[index], squareform(pdist(features[index])), rtol=1e-6, atol=1e-6)


def test_duplicates_are_at_distance_zero_and_suppress_each_other_at_quantile_zero() -> None:
    features = np.array([[1.1, -2.3], [0.0, 5.0], [1.1, -2.3]], np.float32)
    lists = replace(lists_of([3], features=2), features=features)
    assert pairwise_distances(features[None])[0, 0, 2] == 0.0
    clicks = DiverseClicks(Cascade(), 0.0).clicks(lists, np.ones(3), seeded(0))
    assert clicks.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "model",
    [
        Cascade(0.5),
        PositionBased((0.8, 0.4)),
        DiverseClicks(Cascade(0.1)),
        SimilarClicks(PositionBased((0.7,))),
        DiverseClicks(SimilarClicks(Cascade(0.2)), 0.1),
    ],
)
def test_every_model_is_fixed_by_its_seed_and_answers_zeros_and_ones(model: ClickModel) -> None:
    lists = lists_of([4, 1, 0, 7])
    first = model.clicks(lists, relevance_of(lists), seeded(5))
    assert first.dtype == np.float32
    assert set(first.tolist()) <= {0.0, 1.0}
    assert first.tolist() == model.clicks(lists, relevance_of(lists), seeded(5)).tolist()
    assert len(model.clicks(lists_of([]), np.zeros(0), seeded(0))) == 0


@given(lists=ranking_lists(max_size=9), seed=SEEDS)
@settings(deadline=None)
def test_clicks_on_another_order_are_those_of_the_reordered_lists(lists: RankingLists, seed: int) -> None:
    scores = seeded(seed).random(len(lists.item_ids))
    model = DiverseClicks(Cascade(0.3))
    clicks = clicks_on_order(model, lists, relevance_of(lists), scores, seeded(seed))
    shown = lists.reordered(scores)
    expected = model.clicks(shown, relevance_of(shown), seeded(seed))
    assert dict(zip(lists.item_ids, clicks, strict=True)) == dict(zip(shown.item_ids, expected, strict=True))


def test_the_order_decides_which_of_two_twins_is_clicked() -> None:
    lists = replace(lists_of([2], features=1), features=np.ones((2, 1), np.float32))
    model = DiverseClicks(Cascade(), 0.5)
    as_given = clicks_on_order(model, lists, np.ones(2), np.array([1.0, 0.0]), seeded(0))
    reversed_ = clicks_on_order(model, lists, np.ones(2), np.array([0.0, 1.0]), seeded(0))
    assert (as_given.tolist(), reversed_.tolist()) == ([1.0, 0.0], [0.0, 1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cascade(-0.1), r"eta: -0\.1"),
        (lambda: Cascade(float("nan")), "eta: nan"),
        (lambda: PositionBased(()), r"examination: \(\)"),
        (lambda: PositionBased((0.5, 1.5)), "examination: .*1.5"),
        (lambda: DiverseClicks(Cascade(), 1.2), r"quantile: 1\.2"),
        (lambda: SimilarClicks(Cascade(), -1), "quantile: -1"),
    ],
)
def test_parameters_out_of_range_are_named(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("relevance", "message"),
    [
        ([0.0, 2.0], r"relevance: item 'i1' has 2\.0; give probabilities"),
        ([0.0, np.nan], "relevance: item 'i1' has nan"),
        ([1.0], r"relevance: shape \(1,\) for 2 items"),
    ],
)
def test_relevance_that_is_no_probability_is_named(relevance: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cascade().clicks(lists_of([2]), np.array(relevance), seeded(0))
