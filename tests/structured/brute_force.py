"""Answers by trying every labeling."""

from __future__ import annotations

from itertools import product

import numpy as np

from structured.inference import Potentials


def labelings(potentials: Potentials) -> np.ndarray:
    """All labelings whose states exist, int `[S, n]`, in lexicographic order."""
    states = np.isfinite(potentials.unary).any(axis=0)
    return np.array(list(product(*(np.flatnonzero(exists) for exists in states))), np.int64)


def scores(potentials: Potentials) -> np.ndarray:
    """Score of each labeling for each input, float `[B, S]`, one term after another."""
    every = labelings(potentials)
    result = np.zeros((len(potentials.unary), len(every)))
    for row in range(len(result)):
        pair = potentials.pair if potentials.pair.ndim == 3 else potentials.pair[row]
        for column, labels in enumerate(every):
            total = sum(potentials.unary[row, label, state] for label, state in enumerate(labels))
            for table, (first, second) in zip(pair, potentials.edges, strict=True):
                total += table[labels[first], labels[second]]
            result[row, column] = total
    return result
