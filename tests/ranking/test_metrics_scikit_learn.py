"""Means over many lists agree with scikit-learn's within 1e-6 where the definitions coincide."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_score,
    recall_score,
)

from ranking.metrics import bootstrap_interval, evaluate_lists
from tests.ranking.generated_lists import lists_of

LISTS, LIST_SIZE, CUTOFFS = 300, 12, (1, 4, 12)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grades with a relevant item in each list, distinct scores, and a weight a list."""
    rng = np.random.default_rng(0)
    grades = np.maximum(rng.integers(-3, 4, (LISTS, LIST_SIZE)), 0).astype(np.float64)
    grades[:, 5] = np.maximum(grades[:, 5], 1)
    return grades, rng.permutation(LISTS * LIST_SIZE).reshape(grades.shape).astype(float), rng.uniform(0.5, 3, LISTS)


@pytest.fixture(scope="module")
def values(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    grades, scores, _ = data
    return evaluate_lists(lists_of([LIST_SIZE] * LISTS), scores.ravel(), grades.ravel(), CUTOFFS)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_ndcg_and_average_precision_are_scikit_learns(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], values: dict[str, np.ndarray], weighted: bool
) -> None:
    grades, scores, weights = data
    shares = weights if weighted else None
    expected = {
        f"ndcg_at_{k}": ndcg_score(2**grades - 1, scores, k=k, sample_weight=shares, ignore_ties=True) for k in CUTOFFS
    }
    expected["ndcg"] = ndcg_score(2**grades - 1, scores, sample_weight=shares)
    # The mean over relevant labels of the precision at each one's rank: without ties it is average precision.
    expected["map"] = label_ranking_average_precision_score(grades > 0, scores, sample_weight=shares)
    for name, value in expected.items():
        assert bootstrap_interval(values[name], samples=2, weights=shares).value == pytest.approx(value, abs=1e-6)


def test_average_precision_is_scikit_learns_mean_over_samples(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], values: dict[str, np.ndarray]
) -> None:
    grades, scores, _ = data
    expected = average_precision_score(grades > 0, scores, average="samples")
    assert values["map"].mean() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_precision_and_recall_are_those_of_the_first_ranks_as_predicted_labels(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], values: dict[str, np.ndarray], cutoff: int
) -> None:
    grades, scores, _ = data
    predicted = scores >= -np.sort(-scores, axis=1)[:, cutoff - 1 : cutoff]
    for name, score in (("precision", precision_score), ("recall", recall_score)):
        expected = score(grades > 0, predicted, average="samples")
        assert values[f"{name}_at_{cutoff}"].mean() == pytest.approx(expected, abs=1e-6)
