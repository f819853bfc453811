"""Folds that keep the rows of a request together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import TrainingError


def request_folds(request_index: NDArray[np.integer], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every row, int64 `[rows]` in [0, folds); rows of one request share theirs.

    Args:
        request_index: int `[rows]`, equal for rows of one request.
        folds: number of folds, whose counts of requests differ by at most one.
        seed: fixes which request falls into which fold.

    Raises:
        TrainingError: fewer than two folds, or fewer requests than folds.
    """
    requests, request = np.unique(request_index, return_inverse=True)
    if folds < 2 or len(requests) < folds:
        raise TrainingError(f"folds: {folds} for {len(requests)} requests; use at least 2 and no more than requests")
    return (np.random.default_rng(seed).permutation(len(requests)) % folds)[request]
