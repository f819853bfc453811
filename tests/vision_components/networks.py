"""Small networks and images for the tests of vision components."""

import numpy as np
import tensorflow as tf

from vision_components.backbones import resnet

CLASSES = 4


def network(seed=0, width=4, depth=8, spread=3.0, **settings):
    """A residual network whose random logits spread enough that confidences differ from row to row."""
    tf.keras.utils.set_random_seed(seed)
    model = resnet(depth, CLASSES, width=width, name=f"network_{seed}", **settings)
    logits = model.get_layer("logits")
    kernel, bias = logits.get_weights()
    logits.set_weights([kernel * spread, bias])
    return model


def images(rows=9, side=16, seed=0):
    """Float32 `[rows, side, side, 3]` of 0 to 255, each around a colour of its own."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(20, 235, size=(rows, 1, 1, 3))
    return np.clip(rng.normal(colours, 60, size=(rows, side, side, 3)), 0, 255).astype(np.float32)
