"""Whole numbers to bytes and back by a range coder, with a table's row for each of them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_compression_ops as coder
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.entropy_tables import EntropyTable

# Beyond this the latents are those of no sensible network, and the coder's 32 bits are near.
LARGEST_SYMBOL = 2**24
# The coder fills a stream up with zeros, and reads an endless number from zeros behind an escape symbol. Behind the 4
# bytes of its window, which a sound stream may need as zeros, come ones: with these every number ends.
WINDOW, ONES_PER_SYMBOL = 4, 3


def encode_symbols(symbols: NDArray[np.int32], rows: NDArray[np.int32], table: EntropyTable) -> bytes:
    """The bytes of whole numbers, each coded with its row of the table.

    Args:
        symbols: int32, any shape; those that a row does not reach cost an escape.
        rows: int32, the same shape, of the table.

    Raises:
        DataError: a number is beyond 2^24.
    """
    largest = int(np.abs(symbols, dtype=np.int64).max(initial=0))
    if largest > LARGEST_SYMBOL:
        raise DataError(f"a latent of {largest}, beyond {LARGEST_SYMBOL}; the codec is broken, train another")
    handle = coder.create_range_encoder([], table.lookup)
    values = (symbols - table.lowest[rows]).astype(np.int32)
    handle = coder.entropy_encode_index(handle, rows.astype(np.int32).ravel(), values.ravel())
    return bytes(coder.entropy_encode_finalize(handle).numpy())


def decode_symbols(content: bytes, rows: NDArray[np.int32], table: EntropyTable) -> NDArray[np.int32]:
    """The whole numbers that `encode_symbols` made `content` of, in the shape of `rows`.

    Any bytes give some numbers, in bounded time: whether they are right only a checksum of the numbers tells.
    """
    padded = content + bytes(WINDOW) + b"\xff" * (ONES_PER_SYMBOL * rows.size + WINDOW)
    handle = coder.create_range_decoder(tf.constant(padded), table.lookup)
    flat = rows.astype(np.int32).ravel()
    _, values = coder.entropy_decode_index(handle, flat, flat.shape, tf.int32)
    return (values.numpy().reshape(rows.shape) + table.lowest[rows]).astype(np.int32)
