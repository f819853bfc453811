"""Statistics of batch normalisation measured anew, after channels were cut or masked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError


def measure_statistics(model: tf.keras.Model, inputs: Iterable[Any], batches: int = 50) -> None:
    """Replace the moving means and variances by the plain means over batches.

    A search trains with channels that come and go, which the moving statistics have averaged; those of the channels
    that stay are others.

    Args:
        model: whose normalisation layers are set, those of nested models too.
        inputs: batches of what the model reads.
        batches: how many are read at most.

    Raises:
        DataError: there is no batch.
    """
    layers = [one for one in model._flatten_layers() if isinstance(one, tf.keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    read = 0
    try:
        for batch in inputs:
            if read == batches:
                break
            # The mean of n + 1 batches from that of n.
            for layer in layers:
                layer.momentum = read / (read + 1)
            model(batch, training=True)
            read += 1
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    if not read:
        raise DataError(f"no images to measure the statistics of {model.name} on; give one batch or more")
