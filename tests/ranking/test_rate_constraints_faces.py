"""The faces of rate constraints: a scikit-learn classifier, a Keras loss and a Keras model."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import estimator_checks_generator

from ranking.rate_constraints import RateObjective, rate_loss
from ranking.rate_constraints.classifier import RateConstrainedClassifier
from ranking.rate_constraints.keras_model import RateConstrainedLoss, RateConstrainedModel
from seriatim_errors import TrainingError

EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": "equal to float32 rounding, not to 1e-7",
}
RECALL = RateObjective.precision_at_recall(0.9)


@pytest.mark.slow
def test_the_classifier_passes_the_checks_of_scikit_learn_but_for_the_documented_exception():
    failed = {}
    for estimator, check in estimator_checks_generator(RateConstrainedClassifier(folds=0, epochs=10)):
        name = getattr(check, "func", check).__name__
        try:
            check(estimator)
        except AssertionError as error:
            failed[name] = str(error)
    assert set(failed) <= set(EXCEPTIONS), failed


def test_weights_are_repetitions_up_to_rounding():
    features, labels = digits("8")
    rows, weights = np.arange(300), np.random.default_rng(0).integers(0, 3, 300)
    classifier = RateConstrainedClassifier(folds=0, epochs=10, batch_size=4096)
    weighted = clone(classifier).fit(features[rows], labels[rows], sample_weight=weights)
    repeated = clone(classifier).fit(features[np.repeat(rows, weights)], labels[np.repeat(rows, weights)])
    expected = repeated.decision_function(features)
    np.testing.assert_allclose(weighted.decision_function(features), expected, atol=0.01)
    plain = clone(classifier).fit(features[rows], labels[rows])
    assert np.abs(plain.decision_function(features) - expected).max() > 0.1


def digits(positive):
    data = load_digits()
    return data.data, np.where(data.target == int(positive), "yes", "no")


@pytest.mark.parametrize(
    ("objective", "rate", "among"),
    [
        ("precision_at_recall", 0.9, "yes"),
        ("recall_at_false_alarms", 0.05, "no"),
        ("precision_at_top", 0.1, None),
        ("accuracy_at_top", 0.1, None),
    ],
)
def test_a_threshold_on_training_scores_keeps_each_rate_exactly(objective, rate, among):
    features, labels = digits("8")
    classifier = RateConstrainedClassifier(objective, rate, folds=0, epochs=5).fit(features, labels)
    members = np.ones(len(labels), bool) if among is None else labels == among
    passed = classifier.predict(features[members]) == "yes"
    assert rate <= passed.mean() < rate + 1 / members.sum()
    assert classifier.promise_ is None


def test_the_promise_holds_on_unseen_digits():
    features, labels = digits("8")
    train, test, train_labels, test_labels = train_test_split(features, labels, random_state=0, stratify=labels)
    classifier = RateConstrainedClassifier("recall_at_false_alarms", 0.1, folds=4).fit(train, train_labels)
    alarms = (classifier.predict(test[test_labels == "no"]) == "yes").mean()
    assert alarms == pytest.approx(0.1, abs=0.04)
    assert classifier.promise_.low <= 0.1 <= classifier.promise_.high
    assert classifier.promise_.positives == (train_labels == "no").sum()


def test_the_classifier_is_at_home_in_pipelines_and_cross_validation():
    features, labels = digits("3")
    pipeline = make_pipeline(PolynomialFeatures(1), RateConstrainedClassifier(folds=0, epochs=3))
    predicted = cross_val_predict(pipeline, features[:400], labels[:400], cv=2)
    assert set(predicted) <= {"yes", "no"}


def test_clusters_are_never_split_between_folds():
    """Copies of one example in several folds would make the promise look surer than it is."""
    features, labels = digits("8")
    copies = np.tile(np.arange(400), 5)
    widths = {}
    for name, clusters in (("apart", None), ("together", copies)):
        classifier = RateConstrainedClassifier(epochs=3, folds=3, rate=0.8)
        promise = classifier.fit(features[copies], labels[copies], clusters=clusters).promise_
        widths[name] = promise.high - promise.low
    assert widths["together"] > 1.5 * widths["apart"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "luck"}, "objective is 'luck'"),
        ({"rate": 1.5}, "the rate is 1.5"),
        ({"method": "luck"}, "method is 'luck'"),
        ({"folds": 1}, "folds is 1"),
        ({"folds": 400}, "folds is 400"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    features, labels = digits("8")
    with pytest.raises(TrainingError, match=message):
        RateConstrainedClassifier(**{"epochs": 1, **settings}).fit(features[:200], labels[:200])


def two_labels(rows, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 4)).astype(np.float32)
    noise = rng.normal(size=(rows, 2))
    return features, (features[:, :2] * 2 + noise > [1.0, 2.0]).astype(np.float32)


def test_the_keras_loss_is_the_mean_over_label_columns():
    features, labels = two_labels(200, seed=0)
    weights = np.random.default_rng(0).uniform(0, 2, 200).astype(np.float32)
    found = RateConstrainedLoss(RECALL)(labels, tf.constant(features[:, :2]), weights).numpy()
    columns = [rate_loss(RECALL, tf.constant(features[:, i]), labels[:, i], weights).loss.numpy() for i in range(2)]
    assert found == pytest.approx(np.mean(columns))


def test_the_keras_loss_takes_vectors_and_columns_alike():
    features, labels = two_labels(200, seed=0)
    loss = RateConstrainedLoss(RECALL)
    column = loss.call(labels[:, :1], tf.constant(features[:, :1])).numpy()
    assert loss(labels[:, 0], tf.constant(features[:, 0])).numpy() == column


@pytest.fixture(scope="module")
def keras_model():
    tf.keras.utils.set_random_seed(0)
    features, labels = two_labels(4000, seed=0)
    scorer = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2, use_bias=False)])
    model = RateConstrainedModel(scorer, RECALL, label_count=2)
    model.compile(tf.keras.optimizers.Adam(0.05), RateConstrainedLoss(RECALL))
    assert not model.passes(features).any()
    model.fit(features, labels, batch_size=500, epochs=5, verbose=0)
    model.calibrate(*two_labels(20_000, seed=1))
    return model


def test_a_keras_model_keeps_every_labels_recall(keras_model):
    features, labels = two_labels(20_000, seed=2)
    passed = keras_model.passes(features)
    for column in range(2):
        assert passed[labels[:, column] > 0, column].mean() == pytest.approx(0.9, abs=0.02)
    best = np.argmax(np.abs(keras_model.scorer.get_weights()[0]), axis=0)
    np.testing.assert_array_equal(best, [0, 1])


def test_thresholds_are_saved_with_the_keras_model(keras_model, tmp_path):
    features, _ = two_labels(100, seed=3)
    keras_model.save(tmp_path / "gate.keras")
    loaded = tf.keras.models.load_model(tmp_path / "gate.keras", compile=False)
    np.testing.assert_array_equal(loaded.passes(features), keras_model.passes(features))
    assert loaded.objective == RECALL


def test_a_keras_loss_is_rebuilt_from_its_settings():
    loss = RateConstrainedLoss(RateObjective.area_under_precision(0.9, points=2))
    again = RateConstrainedLoss.from_config(loss.get_config())
    assert (again.objective, again.estimator) == (loss.objective, loss.estimator)


def test_a_batch_without_a_positive_stops_keras_with_a_named_error(keras_model):
    features, labels = two_labels(64, seed=4)
    with pytest.raises(TrainingError, match="use stratified or larger batches"):
        keras_model.fit(features, np.zeros_like(labels), verbose=0)
