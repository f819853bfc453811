"""The moving average of the weights."""

import numpy as np
import pytest
import tensorflow as tf

from ranking.seq2slate.averaging import WeightAverage


def model_with(weight):
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False)])
    model.build((None, 1))
    model.set_weights([np.array([[weight]])])
    return model


def averaged(decay, values):
    model = model_with(values[0])
    average = WeightAverage(model, decay)
    for value in values[1:]:
        model.set_weights([np.array([[value]])])
        average.update()
    with average.in_place():
        held = float(model.get_weights()[0][0, 0])
    return held, float(model.get_weights()[0][0, 0])


def test_the_average_follows_its_recursion_and_the_weights_come_back():
    values, expected = [1.0, 2.0, 4.0, 3.0], 1.0
    for step, value in enumerate(values[1:], start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    held, after = averaged(0.5, values)
    assert held == pytest.approx(expected, rel=1e-6)
    assert after == 3.0


def test_without_decay_the_average_is_the_weights_themselves():
    assert averaged(0.0, [1.0, 5.0, 2.0]) == (2.0, 2.0)


def test_the_weights_come_back_after_a_failure():
    model = model_with(1.0)
    average = WeightAverage(model, 0.9)
    model.set_weights([np.array([[7.0]])])
    with pytest.raises(RuntimeError), average.in_place():
        raise RuntimeError
    assert model.get_weights()[0][0, 0] == 7.0
