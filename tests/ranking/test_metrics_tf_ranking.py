"""Ranking metrics agree with TF-Ranking where that defines them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_ranking as tfr

from ranking.metrics import (
    average_precision,
    normalised_discounted_cumulative_gain,
    precision_at,
    ranked_labels,
    reciprocal_rank,
)

LISTS, LIST_SIZE = 64, 12


@pytest.fixture(scope="module")
def ragged():
    """Labels, scores and mask of lists of different length, each with a relevant item."""
    rng = np.random.default_rng(0)
    mask = np.arange(LIST_SIZE)[None, :] < rng.integers(2, LIST_SIZE + 1, size=LISTS)[:, None]
    labels = np.where(mask, rng.integers(0, 4, size=mask.shape), 0).astype(np.float64)
    labels[:, 0] = np.maximum(labels[:, 0], 1)
    return labels, rng.normal(size=mask.shape), mask


def theirs(metric, labels, scores, mask):
    """TF-Ranking marks padding by negative labels."""
    values = metric(tf.constant(np.where(mask, labels, -1), tf.float32), tf.constant(scores, tf.float32))
    return float(values.numpy())


@pytest.mark.parametrize("cutoff", [3, 5, 10])
def test_ndcg_agrees(ragged, cutoff):
    labels, scores, mask = ragged
    ours = normalised_discounted_cumulative_gain(ranked_labels(labels, scores, mask), cutoff)
    assert ours.mean() == pytest.approx(theirs(tfr.keras.metrics.NDCGMetric(topn=cutoff), *ragged), abs=1e-6)


@pytest.mark.parametrize(
    ("ours", "metric"),
    [
        (average_precision, tfr.keras.metrics.MeanAveragePrecisionMetric()),
        (reciprocal_rank, tfr.keras.metrics.MRRMetric()),
        # TF-Ranking divides by the items there are, we divide by k: equal where every list has k items.
        (lambda ranked: precision_at(ranked, 2), tfr.keras.metrics.PrecisionMetric(topn=2)),
    ],
    ids=["map", "mrr", "precision"],
)
def test_binary_metrics_agree(ragged, ours, metric):
    labels, scores, mask = ragged
    binary = (labels >= 1).astype(np.float64)
    values = ours(ranked_labels(binary, scores, mask))
    assert np.nanmean(values) == pytest.approx(theirs(metric, binary, scores, mask), abs=1e-6)
