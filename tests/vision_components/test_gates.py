"""Gates follow the Logistic-Sigmoid distribution, open exactly or smoothly, and are kept with a model."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.gates import ChannelGates, GatedChannels
from vision_components.structure.logistic_sigmoid import (
    hard,
    logistic_noise,
    relaxed,
    straight_through,
)

DRAWS = 40_000


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


@pytest.mark.parametrize("temperature", [2.0, 1.0, 0.1, 0.001])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.5])
def test_a_gate_is_above_half_as_often_as_its_logit_says_at_any_temperature(temperature, logit):
    noise = logistic_noise(DRAWS, 7, tf.constant(3))
    z = relaxed(tf.fill([DRAWS], logit), noise, temperature).numpy()
    p = float(sigmoid(logit))
    assert abs((z > 0.5).mean() - p) < 3 * np.sqrt(p * (1 - p) / DRAWS)
    np.testing.assert_array_equal(z > 0.5, hard(tf.fill([DRAWS], logit), noise).numpy() == 1)


def test_the_mean_tends_to_the_probability_as_the_temperature_falls():
    noise = logistic_noise(DRAWS, 1, tf.constant(0))
    cold = relaxed(tf.fill([DRAWS], 1.0), noise, 0.01).numpy().mean()
    assert cold == pytest.approx(float(sigmoid(1.0)), abs=0.007)


def test_noise_is_the_same_for_a_step_and_other_for_the_next():
    first, again, later = (logistic_noise(50, 5, tf.constant(step)).numpy() for step in (2, 2, 3))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - later).min() > 0
    assert np.isfinite(logistic_noise(1_000_000, 0, tf.constant(0)).numpy()).all()


def test_straight_through_gates_are_exactly_open_or_shut_with_the_relaxed_gradient():
    logits = tf.Variable(np.linspace(-4, 4, 999, dtype=np.float32))
    noise = logistic_noise(999, 0, tf.constant(0))
    with tf.GradientTape(persistent=True) as tape:
        exact, smooth = straight_through(logits, noise, 0.4), relaxed(logits, noise, 0.4)
    assert set(exact.numpy()) == {0.0, 1.0}
    np.testing.assert_array_equal(exact.numpy(), hard(logits, noise).numpy())
    np.testing.assert_array_equal(tape.gradient(exact, logits).numpy(), tape.gradient(smooth, logits).numpy())


def gated(logits, sizes, **settings):
    image = tf.keras.Input((3, 3, len(logits)))
    gates = ChannelGates(sizes, **settings)
    gates.logits.assign(logits)
    return tf.keras.Model(image, GatedChannels(range(len(logits)))([image, gates(image)]))


def test_without_training_open_gates_pass_and_shut_ones_do_not():
    model = gated([1.0, -1.0, 0.5, -0.5], [4])
    ones = np.ones((2, 3, 3, 4), np.float32)
    answer = model(ones, training=False).numpy()
    np.testing.assert_array_equal(answer, np.broadcast_to([1.0, 0.0, 1.0, 0.0], ones.shape))
    np.testing.assert_array_equal(answer, model(ones, training=False).numpy())
    soft = gated([1.0, -1.0, 0.5, -0.5], [4], soft_inference=True)(ones, training=False).numpy()
    np.testing.assert_allclose(soft[0, 0, 0], [sigmoid(1.0), 0, sigmoid(0.5), 0], atol=1e-6)


def test_one_gate_of_a_floor_stays_open_whatever_the_logits():
    model = gated([-30.0, -29.0, -29.0, -30.0, -31.0], [3, 2], floors=[0, -1])
    ones = np.ones((1, 3, 3, 5), np.float32)
    for training in (False, True):
        np.testing.assert_array_equal(model(ones, training=training).numpy()[0, 0, 0], [0, 1, 0, 0, 0])
    np.testing.assert_allclose(model.get_layer("gates").probabilities(), [0, 1, 0, 0, 0], atol=1e-6)


def test_groups_may_share_a_floor():
    gates = ChannelGates([2, 1, 2], floors=[0, 1, 0])
    gates.logits.assign([-5.0, -4.0, -9.0, -3.0, -3.0])
    np.testing.assert_array_equal(gates.kept(), [0, 0, 1, 1, 0])


def test_training_draws_anew_at_each_step_and_all_places_see_one_draw():
    image = tf.keras.Input((2, 2, 3))
    gates = ChannelGates([64], floors=[-1], initial=0.0)
    drawn = gates(image)
    wide = tf.keras.layers.Conv2D(64, 1, kernel_initializer="ones")(image)
    both = [GatedChannels(range(64))([wide, drawn]) for _ in range(2)]
    model = tf.keras.Model(image, both)
    ones = np.ones((2, 2, 2, 3), np.float32)
    first, second = (np.stack([out.numpy() for out in model(ones, training=True)]) for _ in range(2))
    np.testing.assert_array_equal(first[0], first[1])
    assert (first.reshape(-1, 64) == first.reshape(-1, 64)[0]).all()
    assert (first[0, 0, 0, 0] != second[0, 0, 0, 0]).any()


def test_channels_without_a_gate_always_pass():
    image = tf.keras.Input((2, 2, 3))
    gates = ChannelGates([1], floors=[-1], initial=-20.0)
    model = tf.keras.Model(image, GatedChannels([-1, 0, -1])([image, gates(image)]))
    np.testing.assert_array_equal(model(np.ones((1, 2, 2, 3)), training=True).numpy()[0, 0, 0], [1, 0, 1])


def test_saving_keeps_logits_and_answers(tmp_path):
    model = gated([1.0, -1.0, 0.5, -0.5], [2, 2])
    model.get_layer("gates").temperature.assign(0.05)
    model.save(tmp_path / "gated.keras")
    again = tf.keras.models.load_model(tmp_path / "gated.keras")
    pixels = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(again(pixels).numpy(), model(pixels).numpy())
    np.testing.assert_array_equal(again.get_layer("gates").logits.numpy(), model.get_layer("gates").logits.numpy())
    assert float(again.get_layer("gates").temperature) == pytest.approx(0.05)


def test_logits_and_gates_stay_float32_under_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        image = tf.keras.Input((3, 3, 2))
        gates = ChannelGates([4])
        drawn = gates(image)
        x = GatedChannels(range(4))([tf.keras.layers.Conv2D(4, 1)(image), drawn])
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert (gates.logits.dtype, drawn.dtype, x.dtype) == (tf.float32, tf.float32, tf.bfloat16)
    assert tf.keras.Model(image, x)(np.ones((1, 3, 3, 2)), training=True).dtype == tf.bfloat16


@pytest.mark.parametrize("settings", [{"sizes": []}, {"sizes": [2, 0]}, {"sizes": [2], "temperature": 0.0}])
def test_impossible_gates_are_refused(settings):
    with pytest.raises(DataError, match="give"):
        ChannelGates(**settings)
