"""What neighbourhoods read when there are no images: noise, of unit variance or with the teacher's own moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.distillation.split import Split
from vision_components.model_graph import Call, ModelGraph

Layers = tf.keras.layers


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel of an activation, float32 `[channels]`."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def measured_moments(split: Split, images: NDArray[np.generic], batch_size: int = 64) -> list[Moments]:
    """Moments of what every neighbourhood reads, over a few images, which need not be kept.

    Args:
        split: of the teacher.
        images: `[rows, height, width, channels]`, one or more.
        batch_size: for the teacher.
    """
    totals: list[NDArray[np.float64]] = []
    count = np.zeros(len(split.neighbourhoods))
    for start in range(0, len(images), batch_size):
        batch = tf.cast(images[start : start + batch_size], tf.float32)
        outputs = split.activations(batch, training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        for place, values in enumerate([batch, *outputs[:-1]]):
            rows = tf.cast(tf.reshape(values, [-1, values.shape[-1]]), tf.float64)
            sums = tf.stack([tf.reduce_sum(rows, 0), tf.reduce_sum(rows**2, 0)]).numpy()
            count[place] += len(rows)
            if len(totals) == place:
                totals.append(np.zeros_like(sums))
            totals[place] += sums
    return [_moments(*(total / number)) for total, number in zip(totals, count, strict=True)]


def moments_from_normalisation(split: Split) -> list[Moments]:
    """Moments of what every neighbourhood reads, from the teacher's weights alone.

    Batch normalisation states the mean and deviation of what it gives: its offset and scale. From there on moments go
    through additions, as if the terms were independent, and through rectifiers, as if they were normal. Pixels count
    as uniform from 0 to 255.

    Raises:
        DataError: a layer of another kind lies between a boundary and the normalisation before it.
    """
    graph = ModelGraph(split.teacher)
    boundaries = [Call(part.name) for part in split.neighbourhoods[:-1]]
    start = next(call for call in graph.order if not graph.reads[call])
    return [_traced(graph, call) for call in (start, *boundaries)]


def noise(moments: Moments | None, shape: tuple[int | None, ...], rows: int, seed: tf.Tensor) -> tf.Tensor:
    """Normal noise float32 `[rows, *shape]`, of unit variance or of each channel's moments.

    Raises:
        DataError: the shape is open.
    """
    if None in shape:
        raise DataError(f"noise of the open shape {shape}; build the teacher for one image size")
    values = tf.random.stateless_normal((rows, *shape), seed)
    return values if moments is None else values * moments.deviation + moments.mean


def _traced(graph: ModelGraph, call: Call) -> Moments:
    layer = graph.model.get_layer(call.layer)
    if isinstance(layer, Layers.InputLayer):
        channels = layer.output.shape[-1]
        return Moments(np.full(channels, 127.5, np.float32), np.full(channels, 255 / math.sqrt(12), np.float32))
    if isinstance(layer, Layers.BatchNormalization):
        channels = int(layer.moving_mean.shape[0])
        mean = layer.beta.numpy() if layer.center else np.zeros(channels, np.float32)
        scale = np.abs(layer.gamma.numpy()) if layer.scale else np.ones(channels, np.float32)
        return Moments(mean, scale)
    read = [_traced(graph, one) for one in graph.reads[call]]
    if isinstance(layer, Layers.Add):
        mean = np.sum([one.mean for one in read], axis=0)
        return Moments(mean, np.sqrt(np.sum([one.deviation**2 for one in read], axis=0)))
    if isinstance(layer, Layers.Rescaling):
        return Moments(read[0].mean * layer.scale + layer.offset, read[0].deviation * abs(layer.scale))
    activation = layer.get_config().get("activation", "relu" if isinstance(layer, Layers.ReLU) else None)
    if isinstance(layer, (Layers.ReLU, Layers.Activation)) and activation == "linear":
        return read[0]
    if isinstance(layer, (Layers.ReLU, Layers.Activation)) and activation in ("relu", "relu6"):
        return _rectified(read[0])
    raise DataError(
        f"layer {layer.name} ({type(layer).__name__}) has no known moments; give images to measured_moments instead"
    )


def _rectified(moments: Moments) -> Moments:
    """Moments of `max(x, 0)` of a normal x."""
    mean, deviation = (np.asarray(one, np.float64) for one in (moments.mean, moments.deviation))
    safe = np.maximum(deviation, 1e-12)
    at = mean / safe
    density = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in at])
    first = mean * below + safe * density
    second = (mean**2 + safe**2) * below + mean * safe * density
    return _moments(first, second)


def _moments(first: NDArray[np.float64], second: NDArray[np.float64]) -> Moments:
    deviation = np.sqrt(np.maximum(second - first**2, 0))
    return Moments(first.astype(np.float32), deviation.astype(np.float32))
