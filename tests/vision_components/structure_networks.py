"""Random functional networks for the tests of structure search: everything that a channel can go through."""

import numpy as np
import tensorflow as tf

from vision_components.structure import channelwise

L = tf.keras.layers
SIDE = 8


@tf.keras.saving.register_keras_serializable("tests")
class Divided(L.Layer):
    """Each channel divided by a combination of all, as generalised divisive normalisation does."""

    def build(self, shape):
        width = shape[-1]
        self.gamma = self.add_weight("gamma", (width, width), initializer=tf.keras.initializers.RandomUniform(0, 0.2))
        self.beta = self.add_weight("beta", (width,), initializer="ones")

    def call(self, inputs):
        return inputs / (tf.abs(self.beta) + tf.tensordot(tf.abs(inputs), tf.abs(self.gamma), 1))


DIVIDED = channelwise({"gamma": (0, 1), "beta": (0,)}, keeps_zero=True, macs_of="gamma")
HANDLERS = {Divided: DIVIDED}


def convolution(x, filters, size=3, **settings):
    return L.BatchNormalization()(L.Conv2D(filters, size, padding="same", use_bias=False, **settings)(x))


def residual(x, width):
    middle = L.ReLU()(convolution(x, width))
    return L.ReLU()(L.Add()([convolution(middle, x.shape[-1]), x]))


def projected(x, width):
    return L.Add()([convolution(x, width), convolution(x, width, 1), L.Conv2D(width, 1)(x)])


def concatenated(x, width):
    parts = [x, L.ReLU()(convolution(x, width)), L.Conv2D(2, 1)(x)]
    return L.Conv2D(width, 1, activation="swish")(L.Concatenate()(parts))


def depthwise(x, width):
    x = L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x))
    return L.Activation("sigmoid")(convolution(L.LeakyReLU()(x), width, 1))


def transposed(x, width):
    x = L.Conv2DTranspose(width, 3, 2, padding="same", activation="relu")(x)
    return L.MaxPooling2D()(x)


def grouped(x, width):
    x = L.PReLU(shared_axes=(1, 2))(L.Conv2D(2 * (width // 2), 1)(x))
    x = L.Conv2D(4 * width, 3, groups=2, padding="same")(x)
    return convolution(L.Conv2D(8 * width, 3, groups=4 * width, padding="same")(x), width, 1)


def shared(x, width):
    layer = L.Conv2D(x.shape[-1], 3, padding="same", activation="relu")
    normalised = L.BatchNormalization()
    once = normalised(layer(x))
    return L.Average()([normalised(layer(once)), L.Conv2D(x.shape[-1], 1)(x)])


def nested(x, width):
    inside = tf.keras.Input((None, None, x.shape[-1]))
    inner = tf.keras.Model(inside, residual(convolution(inside, width), 3))
    last = tf.keras.Sequential([tf.keras.Input((None, None, width)), L.Conv2D(width, 1, name="same_name")])
    return last(inner(x, training=False)) + inner(L.Cropping2D(1)(L.ZeroPadding2D(1)(x)))


def divided(x, width):
    return Divided()(convolution(x, width))


def excited(x, width):
    weights = L.GlobalAveragePooling2D()(x)
    weights = L.Reshape((1, 1, width))(L.Dense(width, activation="relu")(weights))
    return L.Multiply()([x, L.Conv2D(x.shape[-1], 1, activation="sigmoid")(weights)])


def separable(x, width):
    return L.UpSampling2D()(L.AveragePooling2D()(L.SeparableConv2D(width, 3, padding="same", activation="elu")(x)))


def operations(x, width):
    y = tf.nn.relu(L.Conv2D(x.shape[-1], 3, padding="same")(x)) * 0.5
    mean = tf.reduce_mean(y, axis=[1, 2], keepdims=True)
    means = tf.squeeze(mean, [1, 2])[:, None, None, :] + tf.expand_dims(tf.reduce_max(x, axis=1), 1)
    return tf.concat(
        [y - mean, tf.maximum(x, y) + 1.0, tf.pad(x[:, 1:-1] * means, [[0, 0], [1, 1], [0, 0], [0, 0]])], -1
    )


def mixing(x, width):
    """Normalised over channels: they stay."""
    return convolution(L.LayerNormalization()(L.Conv2D(4, 1)(x)), width)


BLOCKS = (
    *(residual, projected, concatenated, depthwise, transposed, grouped, shared, nested, divided),
    *(excited, separable, operations, mixing),
)


def random_network(blocks, widths, head="pooled", seed=0):
    """The blocks one after another with such widths, on pictures of 8 x 8 x 3; all weights are random."""
    tf.keras.utils.set_random_seed(seed)
    picture = tf.keras.Input((SIDE, SIDE, 3), name="picture")
    x = convolution(picture, 4)
    for block, width in zip(blocks, widths, strict=True):
        x = block(x, width)
    x = L.GlobalMaxPooling2D()(x) if head == "pooled" else L.Flatten()(L.AveragePooling2D(4)(x))
    model = tf.keras.Model(picture, L.Dense(3, name="answer")(x), name="random")
    randomise(model, seed)
    return model


def randomise(model, seed=0):
    """Biases and normalisation away from their even beginnings, where mistakes would not show."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.name.split("/")[-1].split(":")[0]
        if name in ("gamma", "beta", "bias", "moving_mean") and len(weight.shape) == 1:
            weight.assign(rng.normal(0.3, 0.5, weight.shape))
        elif name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2, weight.shape))


def random_alive(graph, share, seed=0):
    """Each channel alive with such a chance, so that some groups have none."""
    rng = np.random.default_rng(seed)
    return {name: rng.random(group.width) < share for name, group in graph.groups.items()}


def pictures(rows=2, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (rows, SIDE, SIDE, 3)).astype(np.float32)
