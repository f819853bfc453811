"""What the rate constraints refuse by name, so that nothing undefined trains, passes or promises."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.lists import RankingLists
from ranking.rate_constraints import (
    FitSettings,
    GateSettings,
    QuantileEstimator,
    RateObjective,
    exact_threshold,
    fit_scorer,
    interval_weights,
    kernel_weights,
    point_weights,
    realised_rate,
    subset_quantile,
    train_gate,
)
from ranking.rate_constraints.classifier import RateConstrainedClassifier
from ranking.rate_constraints.listwise import precision_at_k_in_lists
from seriatim_errors import DataError, TrainingError

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 2)).astype(np.float32)
LABELS = (FEATURES[:, 0] > 0).astype(np.float32)
LISTS = RankingLists(
    request_ids=np.array([f"r{i}" for i in range(20)], object),
    offsets=3 * np.arange(21),
    item_ids=np.array([f"i{i}" for i in range(60)], object),
    features=FEATURES,
    feature_names=("a", "b"),
)
OBJECTIVE = RateObjective.precision_at_recall(0.9)


def with_value(values, row, value):
    changed = np.array(values)
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (with_value(LABELS, 7, np.nan), "label 7 is nan; give 0 or 1"),
        (with_value(LABELS, 3, 2), "label 3 is 2.0; give 0 or 1"),
        (LABELS[:5], r"labels have shape \(5,\) for 60"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(TrainingError, match=message):
        train_gate(LISTS, labels, GateSettings(epochs=1, folds=2))
    with pytest.raises(TrainingError, match=message):
        fit_scorer(FEATURES, labels, OBJECTIVE, FitSettings(epochs=1))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"l2": -1.0}, "l2 is -1.0"),
        ({"hidden_sizes": (0,)}, r"hidden_sizes is \(0,\)"),
    ],
)
@pytest.mark.parametrize("settings", [GateSettings, FitSettings])
def test_settings_out_of_range_are_refused(settings, setting, message):
    with pytest.raises(TrainingError, match=message):
        settings(**setting)


def test_one_fold_sets_no_threshold_on_unseen_requests():
    with pytest.raises(TrainingError, match="folds is 1; give 2 or more"):
        GateSettings(folds=1)


def test_a_gate_refuses_features_that_it_cannot_judge():
    gate = train_gate(LISTS, LABELS, GateSettings(epochs=2, folds=2))
    with pytest.raises(DataError, match="column 1 of item 4 is nan"):
        gate.passes(with_value(FEATURES, (4, 1), np.nan))
    with pytest.raises(DataError, match=r"trained on \[items, 2\]"):
        gate.passes(FEATURES[:, :1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [([np.nan, 1], "weight 0 is nan"), ([1, -1], "weight 1 is -1"), ([1.0], r"shape \(1,\) for 2 scores")],
)
def test_weights_that_do_not_weigh_are_refused(weights, message):
    with pytest.raises(TrainingError, match=message):
        exact_threshold(np.array([1.0, 2.0]), 0.5, np.array(weights))
    with pytest.raises(TrainingError, match=message):
        realised_rate(np.array([1.0, 2.0]), 0.5, np.array(weights))


def test_no_rate_is_told_of_scores_that_are_none():
    with pytest.raises(TrainingError, match="a score is NaN"):
        realised_rate(np.array([np.nan, 1.0]), 0.5)


def test_levels_and_bandwidths_that_are_none_are_refused():
    with pytest.raises(TrainingError, match="the level is nan"):
        point_weights(3, float("nan"))
    with pytest.raises(TrainingError, match="the bandwidth is nan"):
        kernel_weights(3, 0.5, float("nan"))
    with pytest.raises(TrainingError, match="the bandwidth is nan"):
        interval_weights(3, 0.5, float("nan"))


@pytest.mark.parametrize(("scores", "level"), [([np.nan, 1.0], 0.5), ([2.0, 1.0], np.nan)])
def test_a_quantile_of_nothing_defined_is_refused_eagerly_and_in_a_graph(scores, level):
    def quantile(values):
        return subset_quantile(values, tf.ones_like(values), tf.constant(level, values.dtype), QuantileEstimator())

    with pytest.raises(TrainingError, match="a score or a level is NaN"):
        quantile(tf.constant(scores))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a score or a level is NaN"):
        tf.function(quantile)(tf.constant(scores))


def test_a_score_without_weight_may_be_nan():
    found = subset_quantile(tf.constant([np.nan, 3.0]), tf.constant([0.0, 1.0]), tf.constant(0.5), QuantileEstimator())
    assert found.numpy() == 3.0


def test_precision_at_k_needs_a_k_and_scores():
    labels, mask = tf.constant([[1.0, 0.0]]), tf.constant([[True, True]])
    with pytest.raises(TrainingError, match="k is 0"):
        precision_at_k_in_lists(tf.constant([[1.0, 2.0]]), labels, mask, 0)
    with pytest.raises(TrainingError, match="is NaN"):
        precision_at_k_in_lists(tf.constant([[np.nan, 2.0]]), labels, mask, 1)


def test_the_classifier_refuses_what_overflows_and_clusters_of_other_rows():
    classifier = RateConstrainedClassifier(epochs=2, folds=2)
    with pytest.raises(ValueError, match=r"clusters: shape \(2,\) for 60 rows"):
        classifier.fit(FEATURES, LABELS, clusters=[0, 1])
    with pytest.raises(ValueError, match="row 1 lies so far"):
        classifier.fit(FEATURES, LABELS).decision_function([[0.0, 0.0], [1e300, 0.0]])
