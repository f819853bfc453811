"""Where the students' inputs and targets come from: the running teacher, noise, or activations on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.distillation.inputs import Moments, noise
from vision_components.distillation.split import Split

# Rows of the images and number of the step -> for each student the activation before and behind its neighbourhood.
Pairs = list[tuple[tf.Tensor, tf.Tensor]]
Feed = Callable[[NDArray[np.int64], int], Pairs]
SPARE_BYTES = 2**30


def teacher_feed(split: Split, places: Sequence[int], images: NDArray[np.generic]) -> Feed:
    """The teacher runs on every batch, as far as the last of some neighbourhoods, once for all of them."""
    run = tf.function(_activations_until(split, max(places)), reduce_retracing=True)

    def feed(rows: NDArray[np.int64], number: int) -> Pairs:
        values = run(tf.cast(images[rows], tf.float32))
        return [(values[place], values[place + 1]) for place in places]

    return feed


def noise_feed(
    split: Split, places: Sequence[int], moments: Sequence[Moments] | None, shape: tuple[int, ...], seed: int
) -> Feed:
    """Noise before every neighbourhood, and what the neighbourhood makes of it; fresh in every step."""
    parts = [split.neighbourhoods[place].model for place in places]
    shapes = _shapes(split, shape)

    @tf.function(reduce_retracing=True)
    def drawn(rows: int, number: tf.Tensor) -> Pairs:
        pairs = []
        for place, part in zip(places, parts, strict=True):
            own = None if moments is None else moments[place]
            before = noise(own, shapes[place], rows, tf.stack([seed * 4099 + place, number]))
            pairs.append((before, part(before, training=False)))
        return pairs

    return lambda rows, number: drawn(len(rows), tf.constant(number))


def cached_feed(split: Split, place: int, images: NDArray[np.generic], folder: Path, batch_size: int) -> Feed:
    """The teacher has run on all images before: activations of one neighbourhood are read from files in a folder.

    Raises:
        DataError: the disk has no room for them.
    """
    run = tf.function(_activations_until(split, place), reduce_retracing=True)
    shapes = _shapes(split, images.shape[1:])[place : place + 2]
    needed = sum(4 * len(images) * int(np.prod(shape)) for shape in shapes)
    if needed > shutil.disk_usage(folder).free - SPARE_BYTES:
        raise DataError(f"activations of {len(images)} images take {needed >> 20} MiB; free {folder}, or use one_pass")
    files = [
        np.lib.format.open_memmap(folder / f"activation_{place}_{end}.npy", "w+", np.float32, (len(images), *shape))
        for end, shape in enumerate(shapes)
    ]
    for start in range(0, len(images), batch_size):
        values = run(tf.cast(images[start : start + batch_size], tf.float32))[place : place + 2]
        for file, value in zip(files, values, strict=True):
            file[start : start + batch_size] = value
    return lambda rows, number: [(tf.constant(files[0][rows]), tf.constant(files[1][rows]))]


def _activations_until(split: Split, place: int) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Images to `a_0, ..., a_(place + 1)`; a_0 are the images."""
    outputs = [split.teacher.get_layer(part.name).output for part in split.neighbourhoods[: place + 1]]
    model = tf.keras.Model(split.teacher.input, outputs)

    def activations(images: tf.Tensor) -> list[tf.Tensor]:
        values = model(images, training=False)
        return [images, *(values if isinstance(values, (list, tuple)) else [values])]

    return activations


def _shapes(split: Split, image: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of `a_0` to `a_n` for images of a shape."""
    shapes = [tuple(image)]
    for part in split.neighbourhoods:
        shapes.append(tuple(part.model.compute_output_shape((1, *shapes[-1]))[1:]))
    return shapes
