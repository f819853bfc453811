"""The hyper-decoder in whole numbers, so that encoder and decoder always agree on means and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError, TrainingError
from vision_components.codec.density import SCALE_COUNT

# Bits behind the point of activations and of weights.
VALUE_BITS, WEIGHT_BITS = 8, 14
LARGEST_VALUE = 2**24
# Whole numbers up to here are exact in float64, whatever the order in which they are added.
EXACT = 2**53
# The network's second half gives places in the table of scales, in eighths around a deviation of about 1.
FIRST_PLACE, PLACES_PER_UNIT = 18, 8


@dataclass(frozen=True)
class SideInformation:
    """What the coder knows about latents before it reads them.

    Attributes:
        means: int32 `[height, width, latents]` in units of 1/256.
        rows: int32, the same shape: places 0 to 63 in the table of scales.
    """

    means: NDArray[np.int32]
    rows: NDArray[np.int32]

    @property
    def values(self) -> NDArray[np.float32]:
        """The means as float32, exactly."""
        return (self.means / 2**VALUE_BITS).astype(np.float32)

    def around(self, symbols: NDArray[np.int32]) -> NDArray[np.float32]:
        """Latents of which the symbols are the distances from the means."""
        return symbols.astype(np.float32) + self.values


@dataclass(frozen=True)
class FixedPointHyperDecoder:
    """Two 5x5 transposed convolutions of stride 2 and a 3x3 convolution, of whole numbers alone.

    Rounding means and scales of a floating network to a grid is not enough: a value that lies at the edge of two cells
    falls into one at the encoder and into the other at the decoder when the two machines add in another order, and
    from there on every symbol is wrong. Here weights and activations are whole numbers, and all sums stay below 2^53,
    within which float64 adds exactly in any order: every machine gets the same (as in Balle et al., Integer Networks
    for Data Compression with Latent-Variable Models, 2019, whose networks are trained in whole numbers).

    Attributes:
        kernels: whole numbers in units of 2^-14: two of `[5, 5, outputs, inputs]`, one of `[3, 3, inputs, outputs]`.
        biases: of their outputs, whole numbers in units of 2^-22.
    """

    kernels: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]

    def __post_init__(self) -> None:
        """Raise `DataError` where arrays do not fit together or sums might be inexact."""
        shapes = [kernel.shape for kernel in self.kernels]
        fits = (
            [shape[:2] for shape in shapes] == [(5, 5), (5, 5), (3, 3)]
            and shapes[0][2] == shapes[1][3]
            and shapes[1][2] == shapes[2][2]
            and shapes[2][3] % 2 == 0
            and [bias.shape for bias in self.biases] == [(shapes[0][2],), (shapes[1][2],), (shapes[2][3],)]
        )
        if not fits:
            raise DataError(f"the hyper-decoder's kernels have the shapes {shapes}, which do not follow one another")
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            if not all(np.isfinite(values).all() and (values == np.rint(values)).all() for values in (kernel, bias)):
                raise DataError("the hyper-decoder's weights are not all whole numbers; the codec's folder is damaged")
            if np.abs(kernel).sum() * LARGEST_VALUE + np.abs(bias).max() >= EXACT:
                raise DataError("the hyper-decoder's weights are too large for exact sums; train another codec")

    @classmethod
    def of(cls, network: tf.keras.Model) -> FixedPointHyperDecoder:
        """The trained network of `networks.hyper_synthesis`, rounded.

        Raises:
            TrainingError: a weight is not a number.
        """
        weights = network.get_weights()
        if not all(np.isfinite(values).all() for values in weights):
            raise TrainingError("the hyper-decoder has weights that are no numbers; train with a lower learning rate")
        kernels = [np.rint(values.astype(np.float64) * 2**WEIGHT_BITS) for values in weights[0::2]]
        biases = [np.rint(values.astype(np.float64) * 2 ** (VALUE_BITS + WEIGHT_BITS)) for values in weights[1::2]]
        return cls(tuple(kernels), tuple(biases))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> FixedPointHyperDecoder:
        """What `arrays` gave."""
        return cls(*(tuple(arrays[f"{kind}_{place}"] for place in range(3)) for kind in ("kernel", "bias")))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The whole numbers under names of their own."""
        named: dict[str, NDArray[np.float64]] = {}
        for kind, all_values in (("kernel", self.kernels), ("bias", self.biases)):
            named |= {f"{kind}_{place}": values for place, values in enumerate(all_values)}
        return named

    def __call__(self, hyper_latents: NDArray[np.int32]) -> SideInformation:
        """Hyper-latents int32 `[height, width, channels]` to what they say of latents of 4 times the sides."""
        values = hyper_latents.astype(np.float64) * 2**VALUE_BITS
        values = np.clip(values, -LARGEST_VALUE, LARGEST_VALUE)
        for kernel, bias in zip(self.kernels[:2], self.biases[:2], strict=True):
            values = np.clip(_scaled(_doubled(values, kernel) + bias), 0, LARGEST_VALUE)
        values = np.clip(_scaled(_same(values, self.kernels[2]) + self.biases[2]), -LARGEST_VALUE, LARGEST_VALUE)
        means, places = np.split(values, 2, axis=-1)
        one = 2**VALUE_BITS
        rows = np.floor((FIRST_PLACE * one + PLACES_PER_UNIT * places + one // 2) / one)
        return SideInformation(means.astype(np.int32), np.clip(rows, 0, SCALE_COUNT - 1).astype(np.int32))


def _scaled(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of products back to units of activations, halves up."""
    return np.floor((sums + 2 ** (WEIGHT_BITS - 1)) / 2**WEIGHT_BITS)


def _doubled(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transposed convolution of stride 2 as Keras pads it: every value is spread over a window of the output."""
    height, width, inputs = values.shape
    size, _, outputs, _ = kernel.shape
    products = values.reshape(-1, inputs) @ kernel.reshape(-1, inputs).T
    products = products.reshape(height, width, size, size, outputs)
    spread = np.zeros((2 * height + size - 2, 2 * width + size - 2, outputs))
    for row, column in np.ndindex(size, size):
        spread[row : row + 2 * height : 2, column : column + 2 * width : 2] += products[:, :, row, column]
    before = (size - 2) // 2
    return spread[before : before + 2 * height, before : before + 2 * width]


def _same(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolution of stride 1 with zeros around."""
    height, width, _ = values.shape
    before: Sequence[int] = [(size - 1) // 2 for size in kernel.shape[:2]]
    padded = np.pad(values, [(before[0], before[0]), (before[1], before[1]), (0, 0)])
    total = np.zeros((height, width, kernel.shape[3]))
    for row, column in np.ndindex(*kernel.shape[:2]):
        total += padded[row : row + height, column : column + width] @ kernel[row, column]
    return total
