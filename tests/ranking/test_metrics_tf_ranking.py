"""Ranking metrics agree with TF-Ranking where that defines them, with weights an item and a list too."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_ranking as tfr

from ranking.lists import RankingLists
from ranking.metrics import (
    EvaluationStream,
    alpha_discounted_cumulative_gain,
    average_precision,
    bootstrap_interval,
    discounted_cumulative_gain,
    evaluate_lists,
    list_weights,
    metric_weights,
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


def theirs(metric, labels, scores, mask, weights=None):
    """TF-Ranking marks padding by negative labels; its metrics add up calls until they are reset."""
    metric.reset_state()
    weights = None if weights is None else tf.constant(weights, tf.float32)
    values = metric(tf.constant(np.where(mask, labels, -1), tf.float32), tf.constant(scores, tf.float32), weights)
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


def items_of(labels, scores, mask, weights):
    """The same lists, flat."""
    sizes = mask.sum(axis=1)
    lists = RankingLists(
        request_ids=np.array([f"r{i}" for i in range(LISTS)], object),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        item_ids=np.array([f"i{i}" for i in range(sizes.sum())], object),
        features=np.zeros((sizes.sum(), 1), np.float32),
        feature_names=("nothing",),
    )
    return lists, scores[mask], labels[mask], weights[mask]


WEIGHTED = {
    "ndcg": tfr.keras.metrics.NDCGMetric(),
    "ndcg_at_3": tfr.keras.metrics.NDCGMetric(topn=3),
    "map": tfr.keras.metrics.MeanAveragePrecisionMetric(),
    "mrr": tfr.keras.metrics.MRRMetric(),
    "recall_at_3": tfr.keras.metrics.RecallMetric(topn=3),
    "hit_at_3": tfr.keras.metrics.HitsMetric(topn=3),
    # As above: every list has two items, though not every list has two of some weight.
    "precision_at_2": tfr.keras.metrics.PrecisionMetric(topn=2),
}


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("kind", ["items", "some items without", "lists"])
@pytest.mark.parametrize("silent_lists", [False, True])
def test_weighted_means_agree(ragged, name, kind, silent_lists):
    labels, scores, mask = ragged
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.1, 3, mask.shape) if kind != "lists" else np.repeat(rng.uniform(0, 3, (LISTS, 1)), 12, 1)
    if kind == "some items without" and name != "precision_at_2":
        # Padding has no weight either: TF-Ranking looks for weight there before it leaves a list out.
        weights *= mask & (rng.random(mask.shape) < 0.6)
    if silent_lists:
        labels = labels * (np.arange(LISTS) % 5 > 0)[:, None]
    lists, *flat = items_of(labels, scores, mask, weights)
    # TF-Ranking gives a list without a relevant item the value 0 and the mean weight of the others.
    values = evaluate_lists(lists, flat[0], flat[1], (2, 3), no_relevant="zero", weights=flat[2])
    of_lists = metric_weights(lists, flat[1], flat[2], [name])
    ours = bootstrap_interval(values[name], weights=of_lists[name], samples=10).value
    assert ours == pytest.approx(theirs(WEIGHTED[name], labels, scores, mask, weights), abs=1e-6)


def test_a_stream_agrees_with_metrics_that_add_up_batches(ragged):
    labels, scores, mask = ragged
    weights = np.random.default_rng(4).uniform(0.1, 3, mask.shape)
    lists, flat_scores, flat_labels, flat_weights = items_of(labels, scores, mask, weights)
    stream = EvaluationStream(cutoffs=(2, 3), max_grade=3, samples=5)
    for metric in WEIGHTED.values():
        metric.reset_state()
    for start in range(0, LISTS, 24):
        batch = slice(start, start + 24)
        rows = slice(lists.offsets[start], lists.offsets[min(start + 24, LISTS)])
        part = lists.select(np.arange(LISTS)[batch])
        stream.add(part, {"model": flat_scores[rows]}, flat_labels[rows], flat_weights[rows])
        padded = np.where(mask, labels, -1)
        for metric in WEIGHTED.values():
            metric.update_state(*(tf.constant(each[batch], tf.float32) for each in (padded, scores, weights)))
    found = stream.intervals().policies["model"]
    for name, metric in WEIGHTED.items():
        assert found[name].value == pytest.approx(float(metric.result()), abs=1e-6)


def test_weighted_dcg_agrees(ragged):
    labels, scores, mask = ragged
    weights = np.random.default_rng(2).uniform(0.1, 3, mask.shape)
    values = discounted_cumulative_gain(
        ranked_labels(labels, scores, mask), 5, weights=ranked_labels(weights, scores, mask)
    )
    of_lists = list_weights(labels, weights, mask, relevance="exponential")
    metric = tfr.keras.metrics.DCGMetric(topn=5)
    assert np.average(values, weights=of_lists) == pytest.approx(theirs(metric, *ragged, weights), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_alpha_dcg_agrees(ragged, alpha):
    _, scores, mask = ragged
    subtopics = (np.random.default_rng(3).random((*mask.shape, 4)) < 0.3).astype(float)
    order = np.argsort(np.where(mask, -scores, np.inf), axis=1)
    ranked = np.take_along_axis(subtopics, order[..., None], 1)
    ours = alpha_discounted_cumulative_gain(ranked, 5, alpha, np.take_along_axis(mask, order, 1))
    padded = tf.constant(np.where(mask[..., None], subtopics, -1), tf.float32)
    metric = tfr.keras.metrics.AlphaDCGMetric(topn=5, alpha=alpha)
    assert ours.mean() == pytest.approx(float(metric(padded, tf.constant(scores, tf.float32))), rel=1e-6)
