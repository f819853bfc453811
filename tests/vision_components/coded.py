"""A tiny codec with random weights, and pictures, for the tests of the image codec."""

import functools

import numpy as np
import tensorflow as tf

from vision_components.codec.design import CodecDesign
from vision_components.codec.training import TrainableCodec

TINY = CodecDesign((6, 5, 4), 7, (5, 6, 4), (5, 6), (6, 5, 4))
SPREAD = 8.0


@functools.cache
def tiny_codec(seed=0, design=TINY):
    """A codec whose latents are spread over many symbols, as a trained one's are."""
    tf.keras.utils.set_random_seed(seed)
    untrained = TrainableCodec(design)
    rng = np.random.default_rng(seed)
    for network, name in ((untrained.analysis, "latents"), (untrained.hyper_analysis, "hyper_latents")):
        layer = network.get_layer(name)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * SPREAD, bias])
    for layer in untrained.hyper_synthesis.layers[1:]:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, rng.normal(0, 0.3, bias.shape)])
    return untrained.frozen({"steps": 0})


def picture(height=70, width=50, seed=0):
    """Uint8 `[height, width, 3]`: smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 40.0
    waves = [np.sin(rows * a + columns * b + c) for a, b, c in rng.uniform(0.3, 2, (3, 3))]
    return np.clip(128 + 90 * np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
