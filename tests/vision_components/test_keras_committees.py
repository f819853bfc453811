"""Ensembles and cascades of Keras models: what runs everything, what runs the necessary, and the definition agree."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import CLASSES, images, network
from vision_components.backbones import resnet
from vision_components.committees import NEVER, confidence_of, route
from vision_components.committees.cascade import Cascade
from vision_components.committees.cells import CellCascade
from vision_components.committees.ensemble import Ensemble
from vision_components.committees.members import CascadeStage
from vision_components.committees.self_cascade import SelfCascade
from vision_components.committees.tensor_confidence import tensor_confidence
from vision_components.multiply_adds import count_macs

KINDS = ("max_probability", "margin", "entropy")


@pytest.fixture(scope="module")
def models():
    return [network(seed, width=4 + 2 * seed) for seed in range(3)]


def probabilities(models, pixels):
    return np.stack([tf.nn.softmax(model(pixels, training=False)).numpy() for model in models])


def between(models, pixels, combine="mean", confidence="max_probability", share=0.5):
    """Thresholds that send about a share of the rows on at every stage, each halfway between two rows."""
    predictions, thresholds = probabilities(models, pixels), []
    for stage in range(len(models) - 1):
        answers = predictions[: stage + 1].mean(axis=0) if combine == "mean" else predictions[stage]
        sure = np.sort(confidence_of(answers, confidence))
        place = int(share * len(sure))
        thresholds.append(float(sure[place - 1 : place + 1].mean()))
    return thresholds


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_and_arrays_are_as_sure(kind, models):
    rows = probabilities(models, images(20))[0]
    np.testing.assert_allclose(tensor_confidence(tf.constant(rows), kind), confidence_of(rows, kind), atol=1e-6)


@pytest.mark.parametrize("combine", ["mean", "last"])
@pytest.mark.parametrize("confidence", KINDS)
def test_masked_compacted_and_defined_answers_are_the_same(models, combine, confidence):
    pixels = images(30)
    thresholds = between(models, pixels, combine, confidence)
    cascade = Cascade([CascadeStage(model) for model in models], thresholds, confidence, combine)
    masked, compacted = cascade(pixels), cascade.predict_adaptive(pixels, batch_size=8)
    defined = route(probabilities(models, pixels), thresholds, confidence, combine)
    assert set(defined.exit_stage) == {0, 1, 2}
    for answer in (masked["exit_stage"].numpy(), compacted.exit_stage):
        np.testing.assert_array_equal(answer, defined.exit_stage)
    for answer in (masked["probabilities"].numpy(), compacted.probabilities):
        np.testing.assert_allclose(answer, defined.probabilities, atol=1e-6)
    for answer in (masked["confidence"].numpy(), compacted.confidence):
        np.testing.assert_allclose(answer, defined.confidence, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 5, 8, 9])
@pytest.mark.parametrize("threshold", [0.0, NEVER])
def test_no_one_and_all_rows_go_on(models, rows, threshold):
    pixels = images(rows)
    cascade = Cascade([CascadeStage(model) for model in models[:2]], [threshold])
    answer = cascade.predict_adaptive(pixels, batch_size=8)
    assert answer.probabilities.shape == (rows, CLASSES)
    assert set(answer.exit_stage) <= {1 if threshold else 0}
    if rows:
        np.testing.assert_allclose(answer.probabilities, cascade(pixels)["probabilities"], atol=1e-6)


def test_some_escalated_rows_one_alone_among_them(models):
    pixels = images(12)
    sure = np.sort(confidence_of(probabilities(models, pixels)[0]))
    for escalated in (1, 11):
        # Between two rows: another batch size may round a confidence otherwise.
        threshold = float(sure[escalated - 1 : escalated + 1].mean())
        cascade = Cascade([CascadeStage(model) for model in models[:2]], [threshold])
        answer = cascade.predict_adaptive(pixels, batch_size=4)
        assert answer.exit_stage.sum() == escalated
        np.testing.assert_allclose(answer.probabilities, cascade(pixels)["probabilities"], atol=1e-6)


def test_neither_the_order_of_rows_nor_the_size_of_batches_matters(models):
    pixels = images(21)
    cascade = Cascade([CascadeStage(model) for model in models], between(models, pixels))
    order = np.random.default_rng(1).permutation(21)
    answer, shuffled = cascade.predict_adaptive(pixels, 32), cascade.predict_adaptive(pixels[order], 5)
    np.testing.assert_array_equal(answer.exit_stage[order], shuffled.exit_stage)
    np.testing.assert_allclose(answer.probabilities[order], shuffled.probabilities, atol=1e-6)


def test_a_threshold_beyond_reach_makes_the_ensemble(models):
    pixels = images(6)
    cascade = Cascade([CascadeStage(model) for model in models], [NEVER, NEVER])
    answer = cascade(pixels)
    np.testing.assert_allclose(answer["probabilities"], Ensemble(models)(pixels), atol=1e-6)
    assert set(answer["exit_stage"].numpy()) == {2}


def test_an_ensemble_averages_what_it_is_told_to(models):
    pixels = images(5)
    weighted = Ensemble(models, weights=[2, 1, 1])(pixels)
    np.testing.assert_allclose(
        weighted, np.average(probabilities(models, pixels), axis=0, weights=[2, 1, 1]), atol=1e-6
    )
    logits = np.mean([model(pixels) for model in models], axis=0)
    np.testing.assert_allclose(Ensemble(models, average="logits")(pixels), tf.nn.softmax(logits), atol=1e-6)


def test_costs_are_those_of_the_rows(models):
    pixels = images(40)
    cascade = Cascade([CascadeStage(models[0]), CascadeStage(models[1], cost=7_000_000)], between(models[:2], pixels))
    exits = cascade.predict_adaptive(pixels).exit_stage
    costs = cascade.costs(exits, (16, 16, 3))
    first = count_macs(models[0], (16, 16, 3))
    assert costs.expected == pytest.approx(np.where(exits == 0, first, first + 7_000_000).mean())
    assert (costs.best, costs.worst) == (first, first + 7_000_000)


def test_a_temperature_divides_the_logits(models):
    pixels = images(3)
    answer = Cascade([CascadeStage(models[0], temperature=2.0)], [])(pixels)["probabilities"]
    np.testing.assert_allclose(answer, tf.nn.softmax(models[0](pixels) / 2), atol=1e-6)


def test_half_precision_members_decide_in_single_precision(models):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = network(7)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    answer = Cascade([CascadeStage(half), CascadeStage(models[0])], [0.5])(images(4))
    assert answer["probabilities"].dtype == answer["confidence"].dtype == tf.float32


def test_a_self_cascade_reads_small_images_first(models):
    pixels, model = images(20, side=16), models[0]
    small = tf.image.resize(pixels, (8, 8), antialias=True)
    predictions = np.stack([tf.nn.softmax(model(small)), tf.nn.softmax(model(pixels))])
    threshold = float(np.median(confidence_of(predictions[0])))
    cascade = SelfCascade(model, [(8, 8), (16, 16)], [threshold])
    defined = route(predictions, [threshold])
    answer = cascade.predict_adaptive(pixels)
    np.testing.assert_array_equal(answer.exit_stage, defined.exit_stage)
    np.testing.assert_allclose(answer.probabilities, defined.probabilities, atol=1e-6)
    costs = cascade.costs(answer.exit_stage, (16, 16, 3))
    assert costs.best == count_macs(model, (8, 8, 3))
    assert len(cascade.trainable_weights) == len(model.trainable_weights)


@pytest.mark.parametrize("kind", ["cascade", "self_cascade", "ensemble"])
def test_committees_are_saved_and_loaded(models, kind, tmp_path):
    pixels = images(6)
    made = {
        "cascade": lambda: Cascade(
            [CascadeStage(models[0], temperature=2.0), CascadeStage(models[1])], [0.6], "margin"
        ),
        "self_cascade": lambda: SelfCascade(models[0], [(8, 8), (16, 16)], [0.6]),
        "ensemble": lambda: Ensemble(models[:2], [1, 3], "logits"),
    }[kind]()
    before = made(pixels)
    made.save(tmp_path / "committee.keras")
    after = tf.keras.models.load_model(tmp_path / "committee.keras")(pixels)
    tf.nest.map_structure(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6), before, after)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda one, two: Cascade([], []), "give one or more"),
        (lambda one, two: Cascade([CascadeStage(one), CascadeStage(two)], []), "0 thresholds for 2 stages"),
        (lambda one, two: Cascade([CascadeStage(one), CascadeStage(resnet(8, 3, width=4))], [0.5]), "classes apart"),
        (lambda one, two: Cascade([CascadeStage(one)], []).predict_adaptive(images(1), 0), "batch_size 0"),
        (lambda one, two: CascadeStage(one, temperature=0), "above 0"),
        (lambda one, two: Ensemble([one, two], [1]), r"weights \[1.0\] of 2 members"),
        (lambda one, two: Ensemble([one, two], [0, 0]), "not all 0"),
        (lambda one, two: Ensemble([one], average="votes"), "give probabilities or logits"),
        (lambda one, two: SelfCascade(one, [(16, 16), (8, 8)], [0.5]), "from small to large"),
        (lambda one, two: SelfCascade(network(9, input_shape=(16, 16, 3)), [(8, 8), (16, 16)], [0.5]), "open sizes"),
    ],
)
def test_what_no_committee_is_made_of_is_named(models, build, message):
    with pytest.raises(DataError, match=message):
        build(*models[:2])


def pixel_network(filters, reach, seed):
    """A convolutional network that answers for every pixel and sees `reach` pixels around it."""
    tf.keras.utils.set_random_seed(seed)
    image = tf.keras.Input((None, None, 3))
    hidden = tf.keras.layers.Conv2D(filters, 2 * reach + 1, padding="same", activation="relu")(image / 255)
    return tf.keras.Model(image, tf.keras.layers.Conv2D(CLASSES, 1, kernel_initializer="random_uniform")(hidden * 9))


def test_unsure_cells_are_answered_as_the_second_network_answers_the_whole_image():
    pixels = images(3, side=24)
    first, second = (CascadeStage(pixel_network(4, reach, reach)) for reach in (1, 2))
    whole = [stage.probabilities(pixels).numpy() for stage in (first, second)]
    sure = confidence_of(whole[0]).reshape(3, 3, 8, 3, 8).mean(axis=(2, 4))
    cascade = CellCascade(first, second, float(np.median(sure)), cell=8, margin=2)
    answer = cascade.predict(pixels, batch_size=4)
    np.testing.assert_allclose(answer.confidence, sure, atol=1e-6)
    assert answer.escalated.sum() == 13
    pixelwise = np.kron(answer.escalated, np.ones((1, 8, 8), bool))[..., np.newaxis]
    np.testing.assert_allclose(answer.probabilities, np.where(pixelwise, whole[1], whole[0]), atol=1e-5)


def test_a_segmentation_cascade_costs_the_first_network_and_the_cells_of_the_second():
    first, second = (CascadeStage(pixel_network(4, 1, seed)) for seed in (0, 1))
    cascade = CellCascade(first, second, NEVER, cell=8, margin=1)
    escalated = cascade.predict(images(2, side=16)).escalated
    assert escalated.all()
    crop = second.multiply_adds((10, 10, 3))
    assert cascade.expected_cost(escalated, (16, 16, 3)) == first.multiply_adds((16, 16, 3)) + 4 * crop


def test_no_unsure_cell_leaves_the_first_answer():
    pixels, first = images(2, side=8), CascadeStage(pixel_network(4, 1, 0))
    cascade = CellCascade(first, CascadeStage(pixel_network(8, 1, 1)), 0.0, cell=4)
    np.testing.assert_allclose(cascade.predict(pixels).probabilities, first.probabilities(pixels), atol=1e-6)


def test_images_that_cells_do_not_tile_are_refused(models):
    stage = CascadeStage(pixel_network(4, 1, 0))
    with pytest.raises(DataError, match="multiples of the cell, 5"):
        CellCascade(stage, stage, 0.5, cell=5).predict(images(1, side=16))
    with pytest.raises(DataError, match="margin of 0 or more"):
        CellCascade(stage, stage, 0.5, cell=5, margin=-1)
    small = tf.keras.Sequential([tf.keras.Input((None, None, 3)), tf.keras.layers.Conv2D(CLASSES, 3)])
    with pytest.raises(DataError, match="answers for every pixel"):
        CellCascade(CascadeStage(small), stage, 0.5, cell=4).predict(images(1, side=16))
