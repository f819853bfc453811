"""Tables of whole-number probabilities, made once and kept with a codec: the same at encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_compression_ops
from numpy.typing import NDArray
from scipy import special

from vision_components.codec.density import SCALES, FactorisedDensity

PRECISION = 16
# What a row leaves to the escape symbol, after which a value of any size follows in an Elias gamma code.
TAIL = 2.0**-10
MOST_POINTS = 4096


@dataclass(frozen=True)
class EntropyTable:
    """Cumulative distributions that a range coder reads.

    Attributes:
        lookup: int32 `[numbers]`, the rows one after another: minus the precision, which allows escapes, then the
            cumulative counts from 0 to 2^16; the last symbol of a row is the escape.
        lowest: int32 `[rows]`, the value that a row's first symbol stands for.
    """

    lookup: NDArray[np.int32]
    lowest: NDArray[np.int32]


def normal_table() -> EntropyTable:
    """A row for every standard deviation of `SCALES`: distances from the mean, rounded."""
    rows, lowest = [], []
    for scale in SCALES:
        most = int(np.ceil(-special.ndtri(TAIL / 2) * scale - 0.5))
        edges = (np.arange(-most, most + 2) - 0.5) / scale
        # The two halves are mirror images; from the lower one nothing near 1 is subtracted from 1.
        half = np.diff(special.ndtr(edges[: most + 2]))
        rows.append(np.concatenate([half, half[-2::-1]]))
        lowest.append(-most)
    return _table(rows, lowest)


def density_table(density: FactorisedDensity, channels: int) -> EntropyTable:
    """A row for every channel of a learned density."""
    reach, logits = 32, np.zeros((channels, 0))
    while True:
        points = np.arange(-reach, reach + 2, dtype=np.float32) - 0.5
        logits = density.cumulative_logits(tf.tile(points[np.newaxis], (channels, 1))).numpy().astype(np.float64)
        inside = (special.expit(logits[:, 0]) < TAIL / 2) & (special.expit(-logits[:, -1]) < TAIL / 2)
        if inside.all() or 2 * reach >= MOST_POINTS:
            break
        reach *= 2
    rows, lowest = [], []
    for row in logits:
        below, above = special.expit(row), special.expit(-row)
        mass = np.where(row[1:] < 0, np.diff(below), -np.diff(above))
        first = min(int(np.argmax(below[1:] > TAIL / 2)), len(mass) - 1)
        last = max(len(mass) - 1 - int(np.argmax(above[:-1][::-1] > TAIL / 2)), first)
        rows.append(np.maximum(mass[first : last + 1], 0.0))
        lowest.append(first - reach)
    return _table(rows, lowest)


def _table(rows: Sequence[NDArray[np.float64]], lowest: Sequence[int]) -> EntropyTable:
    parts = []
    for row in rows:
        masses = np.append(row, max(0.0, 1 - row.sum()))
        cumulative = tensorflow_compression_ops.pmf_to_quantized_cdf(
            tf.constant(masses / masses.sum(), tf.float32), precision=PRECISION
        )
        parts += [np.array([-PRECISION]), cumulative.numpy()]
    return EntropyTable(np.concatenate(parts).astype(np.int32), np.array(lowest, np.int32))
