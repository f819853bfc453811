"""Neighbourhood distillation: students learn apart, the teacher stays as it is, and all ways of learning agree."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import CLASSES, images, network
from vision_components.distillation import (
    DistillationTimes,
    NeighbourhoodDistiller,
    fine_tune,
    measured_moments,
    moments_from_normalisation,
    residual_student,
    split,
    swap_one_report,
)
from vision_components.distillation.report import accuracy_of
from vision_components.multiply_adds import count_macs

SHAPE = (16, 16, 3)


def teacher(seed=0, depth=8):
    """A network with statistics of its own in the normalisation layers, as after training."""
    model = network(seed, depth=depth, input_shape=SHAPE)
    for _ in range(4):
        model(images(32, seed=seed), training=True)
    return model


def copies(parts):
    """Students that are copies of their neighbourhoods."""
    students = {}
    for part in parts.neighbourhoods:
        students[part.name] = tf.keras.models.clone_model(part.model)
        students[part.name].set_weights(part.model.get_weights())
    return students


def thin(parts, seed=5, middle=0.5):
    """Thin students of the blocks, the same ones for one seed."""
    tf.keras.utils.set_random_seed(seed)
    return {part.name: residual_student(part, middle) for part in parts.neighbourhoods if part.name != "stem"}


def slow_descent():
    return tf.keras.optimizers.SGD(0.01)


def weights(students):
    return {name: student.get_weights() for name, student in students.items()}


def assert_alike(one, other, tolerance):
    assert one.keys() == other.keys()
    for name in one:
        for left, right in zip(one[name], other[name], strict=True):
            np.testing.assert_allclose(left, right, atol=tolerance, rtol=tolerance)


def test_copies_of_the_parts_have_no_error_and_make_the_teacher():
    whole = teacher()
    parts = split(whole)
    students = copies(parts)
    pixels = images(16)
    activations = [pixels, *parts.activations(pixels)]
    for part, before, after in zip(parts.neighbourhoods, activations, activations[1:], strict=False):
        np.testing.assert_allclose(students[part.name](before), after, atol=1e-5)
    np.testing.assert_allclose(parts.compose(students)(pixels), whole(pixels), atol=1e-5)


def test_the_teacher_is_bit_identical_after_training():
    whole = teacher()
    before = [weight.copy() for weight in whole.get_weights()]
    parts = split(whole)
    distiller = NeighbourhoodDistiller(parts, thin(parts))
    distiller.fit(images(32), epochs=2, batch_size=16)
    fine_tune(parts.compose(thin(parts)), images(16), 1, teacher=whole, batch_size=16)
    for old, new in zip(before, whole.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_students_learn_and_no_error_reaches_another_student():
    parts = split(teacher())
    students = thin(parts)
    distiller = NeighbourhoodDistiller(parts, students, lambda: tf.keras.optimizers.Adam(0.01))
    first = distiller.fit(images(64), epochs=1, batch_size=16)
    later = distiller.fit(images(64), epochs=10, batch_size=16)
    assert all(later.relative_error[name] < first.relative_error[name] for name in students)
    alone = thin(parts)
    name = "block_2"
    NeighbourhoodDistiller(parts, {name: alone[name]}, slow_descent).fit(images(32), 1, 16)
    together = thin(parts)
    NeighbourhoodDistiller(parts, together, slow_descent).fit(images(32), 1, 16)
    assert_alike(weights({name: alone[name]}), weights({name: together[name]}), 1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_schedules_learn_the_same(optimizer, tmp_path):
    make = slow_descent if optimizer == "sgd" else lambda: tf.keras.optimizers.Adam(1e-3, epsilon=1e-3)
    learned, parts = {}, split(teacher())
    for schedule in ("one_pass", "separate", "cached"):
        students = thin(parts)
        NeighbourhoodDistiller(parts, students, make, seed=3).fit(images(40), 2, 16, schedule, tmp_path)
        learned[schedule] = weights(students)
    assert_alike(learned["one_pass"], learned["separate"], 1e-4)
    assert_alike(learned["cached"], learned["separate"], 1e-4)
    assert not list(tmp_path.iterdir())


def test_the_order_of_learning_does_not_matter():
    parts = split(teacher())
    forward, backward = thin(parts), thin(parts)
    for order, students in ((list(forward), forward), (list(reversed(backward)), backward)):
        for name in order:
            NeighbourhoodDistiller(parts, {name: students[name]}, slow_descent).fit(images(32), 1, 16)
    assert_alike(weights(forward), weights(backward), 1e-6)


def linear_teacher(width=6):
    rng = np.random.default_rng(0)
    model = tf.keras.Sequential(
        [tf.keras.Input((width,)), tf.keras.layers.Dense(width, name="first"), tf.keras.layers.Dense(3, name="last")]
    )
    model.get_layer("first").set_weights([rng.normal(size=(width, width)), rng.normal(size=width)])
    return model


def white_rows(width=6, rows=256):
    """Rows of which the second moments are exactly the unit matrix, and the mean is nothing."""
    half = np.linalg.qr(np.random.default_rng(1).normal(size=(rows // 2, width)))[0] * np.sqrt(rows // 2)
    return np.concatenate([half, -half]).astype(np.float32)


@pytest.mark.parametrize("rank", [2, 4, 6])
def test_a_linear_student_comes_as_near_as_the_singular_values_say(rank):
    parts, rows = split(linear_teacher(), ["first"]), white_rows()
    tf.keras.utils.set_random_seed(2)
    student = tf.keras.Sequential(
        [tf.keras.Input((6,)), tf.keras.layers.Dense(rank, use_bias=False), tf.keras.layers.Dense(6)]
    )
    distiller = NeighbourhoodDistiller(parts, {"first": student}, lambda: tf.keras.optimizers.Adam(0.02))
    distiller.fit(rows, epochs=600, batch_size=256)
    kernel = parts.teacher.get_layer("first").kernel.numpy()
    left = (np.linalg.svd(kernel, compute_uv=False)[rank:] ** 2).sum()
    error = float(np.sum((student(rows) - parts.activations(rows)) ** 2)) / len(rows)
    assert error == pytest.approx(left, rel=0.01, abs=1e-3)


def test_masks_are_exact_after_training():
    parts = split(teacher())
    students = {name: copy for name, copy in copies(parts).items() if name != "stem"}
    distiller = NeighbourhoodDistiller(parts, students, sparsity=0.8)
    learned = distiller.fit(images(64), epochs=3, batch_size=16)
    for student in learned.students.values():
        for weight in student.trainable_weights:
            if weight.shape.rank >= 2:
                zeros = int(np.sum(weight.numpy() == 0))
                assert zeros == round(0.8 * int(tf.size(weight)))


def test_seconds_on_several_workers_are_those_of_the_busiest():
    times = DistillationTimes({"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0})
    assert (times.wall(1), times.wall(2), times.wall(4), times.wall(9)) == (8, 4, 3, 3)
    assert times.total == 8
    with pytest.raises(ValueError, match="give 1 or more"):
        times.wall(0)


def test_seconds_are_told_for_every_student_that_learned_alone():
    parts = split(teacher())
    times = NeighbourhoodDistiller(parts, thin(parts)).fit(images(16), 1, 16, "separate").times
    assert set(times.seconds) == {"block_1", "block_2", "block_3"}
    assert 0 < times.wall(3) < times.total


def test_no_fine_tuning_changes_nothing_and_some_brings_the_teacher_nearer():
    whole = teacher()
    parts, pixels = split(whole), images(64)
    model = parts.compose(thin(parts))
    before = model.get_weights()
    assert np.isnan(fine_tune(model, pixels, 0, teacher=whole))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    first = fine_tune(model, pixels, 1, teacher=whole, batch_size=16)
    labels = whole(pixels).numpy().argmax(axis=1)
    assert fine_tune(model, pixels, 6, teacher=whole, labels=labels, batch_size=16) != first
    assert fine_tune(model, pixels, 1, teacher=whole, batch_size=16) < first


def test_swapping_one_student_replaces_that_part_alone():
    whole = teacher()
    parts, pixels = split(whole), images(32)
    labels = whole(pixels).numpy().argmax(axis=1)
    students = {**thin(parts), **{"block_1": copies(parts)["block_1"]}}
    report = {row.neighbourhood: row for row in swap_one_report(parts, students, pixels, labels)}
    assert report["block_1"].accuracy == 1
    assert list(report) == ["block_1", "block_2", "block_3"]
    for name, row in report.items():
        assert row.accuracy == accuracy_of(parts.compose({name: students[name]}), pixels, labels)
    sides = {"block_1": (16, 16, 4), "block_2": (16, 16, 4), "block_3": (8, 8, 8)}
    for part in parts.neighbourhoods[1:]:
        assert report[part.name].teacher_cost == count_macs(part.model, sides[part.name])
        assert report[part.name].cost == count_macs(students[part.name], sides[part.name])


@pytest.mark.parametrize("kind", ["gaussian", "matched_gaussian"])
def test_students_learn_from_noise(kind):
    parts, pixels = split(teacher()), images(64)
    moments = measured_moments(parts, pixels) if kind == "matched_gaussian" else None
    students = thin(parts)
    distiller = NeighbourhoodDistiller(
        parts, students, lambda: tf.keras.optimizers.Adam(0.01), inputs=kind, moments=moments
    )
    first = distiller.fit(np.zeros_like(pixels), 1, 16)
    later = distiller.fit(np.zeros_like(pixels), 12, 16)
    assert all(later.relative_error[name] < first.relative_error[name] for name in students)


def test_measured_moments_are_those_of_the_activations():
    parts, pixels = split(teacher()), images(40)
    moments = measured_moments(parts, pixels, batch_size=16)
    activations = [pixels, *parts.activations(pixels)]
    for values, one in zip(activations, moments, strict=False):
        np.testing.assert_allclose(one.mean, np.mean(values, axis=(0, 1, 2)), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(one.deviation, np.std(values, axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)


def test_moments_from_normalisation_are_near_those_of_simulated_activations():
    """Independent normal channels through the same additions and rectifiers."""
    parts = split(teacher())
    rng = np.random.default_rng(0)
    for layer in parts.teacher.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
            layer.beta.assign(rng.normal(size=shape))
    moments = moments_from_normalisation(parts)
    norm = {layer.name: layer for layer in parts.teacher.layers}

    def drawn(name):
        return rng.normal(norm[name].beta, norm[name].gamma, size=(200_000, norm[name].beta.shape[0]))

    stem = np.maximum(drawn("stem_norm"), 0)
    block = np.maximum(stem + drawn("block_1_second_norm"), 0)
    np.testing.assert_allclose(moments[1].mean, stem.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(moments[1].deviation, stem.std(axis=0), atol=0.02)
    # The sum of a rectified and a normal variable is not normal, so only near.
    np.testing.assert_allclose(moments[2].mean, block.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(moments[2].deviation, block.std(axis=0), atol=0.1)


def test_moments_of_other_layers_are_refused_by_name():
    image = tf.keras.Input(SHAPE)
    shrunk = tf.keras.layers.MaxPooling2D(name="pool")(tf.keras.layers.Conv2D(4, 3, name="conv")(image))
    again = tf.keras.layers.Conv2D(CLASSES, 1, name="again")(shrunk)
    model = tf.keras.Model(image, tf.keras.layers.Conv2D(CLASSES, 1, name="last")(again))
    with pytest.raises(DataError, match=r"layer conv \(Conv2D\) has no known moments"):
        moments_from_normalisation(split(model, ["pool", "again"]))


def test_a_dead_channel_shows_in_the_errors_of_channels():
    parts = split(teacher())
    students = thin(parts)
    learned = NeighbourhoodDistiller(parts, students).fit(images(32), 1, 16)
    for part in parts.neighbourhoods[1:]:
        assert learned.channel_error[part.name].shape == (part.output_shape[-1],)
        assert learned.channel_error[part.name].max() >= learned.relative_error[part.name] * 0.99


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"students": {}}, "no students"),
        ({"inputs": "photographs"}, "give teacher, gaussian"),
        ({"inputs": "matched_gaussian"}, "without moments"),
        ({"sparsity": 1.0}, "sparsity 1.0"),
        ({"students": {"block_9": None}}, "the neighbourhoods are stem"),
    ],
)
def test_what_cannot_be_learned_is_named(settings, message):
    parts = split(teacher())
    with pytest.raises(DataError, match=message):
        NeighbourhoodDistiller(parts, **{"students": thin(parts), **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"epochs": 0}, "epochs 0"), ({"batch_size": 99}, "batch_size 99"), ({"schedule": "lazy"}, "give one_pass")],
)
def test_what_no_training_is_is_named(settings, message):
    parts = split(teacher())
    with pytest.raises(DataError, match=message):
        NeighbourhoodDistiller(parts, thin(parts)).fit(images(16), **{"epochs": 1, "batch_size": 8, **settings})


def test_fine_tuning_needs_something_to_learn_from():
    whole = teacher()
    with pytest.raises(DataError, match="neither labels nor teacher"):
        fine_tune(whole, images(4), 1)
    with pytest.raises(DataError, match="3 labels of 4 images"):
        fine_tune(whole, images(4), 1, labels=np.zeros(3, np.int64))


def test_candidates_of_separable_convolutions_are_cheaper():
    parts = split(teacher())
    for part, side in zip(parts.neighbourhoods[1:], (16, 16, 8), strict=True):
        shape = (side, side, part.input_shape[-1])
        full, half, light = (residual_student(part, *arguments) for arguments in ((1.0,), (0.5,), (1.0, True)))
        costs = [count_macs(model, shape) for model in (full, half, light)]
        assert costs[0] > costs[1] > 0
        assert costs[0] > costs[2]
        assert costs[0] == count_macs(part.model, shape)
    with pytest.raises(DataError, match="middle 0"):
        residual_student(parts.neighbourhoods[1], 0)
    assert len({student.name for student in itertools.chain(thin(parts).values())}) == 3
