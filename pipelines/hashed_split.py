"""Splits that depend on an identifier and a seed alone: requests and items stay on their side in every run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray


def identifier_hash(identifiers: NDArray[np.object_], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for every identifier (object (str) `[n]`), the same wherever it stands; float64 `[n]`."""
    # The hash takes a key of 16 characters.
    key = f"{seed % 10**16:016d}"
    return pd.util.hash_array(identifiers, hash_key=key, categorize=True) / 2.0**64


def column_hash(identifiers: pa.ChunkedArray, seed: int) -> NDArray[np.float64]:
    """`identifier_hash` of a column of strings; float64 `[n]`."""
    if len(identifiers) == 0:
        return np.zeros(0)
    encoded = identifiers.combine_chunks().dictionary_encode()
    # Each identifier is hashed once, however many rows it has.
    return identifier_hash(encoded.dictionary.to_pandas().to_numpy(object), seed)[encoded.indices.to_numpy()]
