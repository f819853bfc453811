"""Multiply-adds against the formulas of the layers, and against published counts."""

import keras
import pytest
import tensorflow as tf
from keras import layers

from seriatim_errors import DataError
from vision_components.multiply_adds import count_macs


def model_of(*stack, shape=(8, 6, 4)):
    inputs = x = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (layers.Conv2D(5, 3, padding="same"), 8 * 6 * 5 * 3 * 3 * 4),
        (layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False), 4 * 3 * 5 * 3 * 3 * 4),
        (layers.Conv2D(6, 3, padding="same", groups=2), 8 * 6 * 6 * 3 * 3 * 2),
        (layers.Conv2D(5, 3, padding="same", dilation_rate=2), 8 * 6 * 5 * 3 * 3 * 4),
        (layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), 8 * 6 * 8 * 3 * 3),
        (layers.SeparableConv2D(5, 3, padding="same"), 8 * 6 * (4 * 3 * 3 + 4 * 5)),
        (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 8 * 6 * 4 * 3 * 3 * 5),
        (layers.Dense(7), 8 * 6 * 4 * 7),
        (layers.BatchNormalization(), 0),
        (layers.MaxPool2D(), 0),
        (layers.Activation("relu"), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_a_layer_costs_what_its_formula_says(layer, macs):
    assert count_macs(model_of(layer)) == macs


def test_attention_counts_its_products():
    inputs = keras.Input((10, 16))
    outputs = layers.Attention()([inputs, inputs])
    assert count_macs(keras.Model(inputs, outputs)) == 2 * 10 * 10 * 16


def test_every_use_of_a_layer_counts_and_so_does_a_nested_model():
    once = layers.Conv2D(4, 3, padding="same")
    alone = count_macs(model_of(once))
    assert count_macs(model_of(once, once)) == 2 * alone
    inner = model_of(layers.Conv2D(4, 3, padding="same"))
    assert count_macs(model_of(inner, layers.ReLU(), inner)) == 2 * alone


def test_a_layer_of_one_s_own_counts_by_what_it_does():
    class Projection(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3))

        def call(self, x):
            return tf.linalg.matmul(tf.reshape(x, (-1, 4)), self.kernel)

    assert count_macs(model_of(Projection())) == 8 * 6 * 4 * 3


def test_another_size_of_the_input_costs_in_proportion():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, padding="same")])
    assert count_macs(model, (16, 16, 3)) == 4 * count_macs(model, (8, 8, 3))
    with pytest.raises(DataError, match="open axis"):
        count_macs(model)


def test_a_loop_is_refused():
    inputs = keras.Input((5, 3))
    with pytest.raises(DataError, match="depends on its data"):
        count_macs(keras.Model(inputs, layers.SimpleRNN(2)(inputs)))


def test_a_published_network_costs_what_was_published():
    """300 million multiply-adds: Sandler et al., MobileNetV2, table 4."""
    model = keras.applications.MobileNetV2(weights=None)
    assert count_macs(model) == pytest.approx(300e6, rel=0.01)
