"""How far the scores of recent requests are from those of the evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW_SCORES = 100_000
# Shares below it are taken for it: an empty bin would make the index infinite.
LEAST_SHARE = 1e-4


class ScoreDrift:
    """Population stability index of the last scores against a reference.

    With reference shares q and recent shares p of the bins between the reference's deciles, the index is
    sum (p - q) ln(p / q): under 0.1 is taken for stable, over 0.25 for another population.

    Args:
        deciles: nine numbers, not decreasing, that part the reference's scores into tenths; the tenths of equal ones
            share a bin.
        window: scores that count, at least the newest batch.
    """

    def __init__(self, deciles: Sequence[float], window: int = WINDOW_SCORES) -> None:
        self._edges, places = np.unique(np.asarray(deciles, np.float32), return_inverse=True)
        bins = len(self._edges) + 1
        # Up to an edge, and from the edge before, lies a tenth for every decile at it; the last tenth lies above all.
        self._expected = np.bincount(np.append(places, bins - 1), minlength=bins) / (len(deciles) + 1)
        self._window, self._size = window, 0
        self._batches: deque[NDArray[np.int64]] = deque()
        self._counts = np.zeros(bins, np.int64)
        self._untold = np.zeros(bins, np.int64)

    @property
    def index(self) -> float:
        """The index of the window's scores; 0 before the first."""
        total = int(self._counts.sum())
        return 0.0 if total == 0 else stability_index(self._counts / total, self._expected)

    def observe(self, scores: Sequence[NDArray[np.float32]]) -> None:
        """Count the scores, float32 `[candidates]`, of each request."""
        together = scores[0] if len(scores) == 1 else np.concatenate(scores)
        # A score that equals an edge belongs under it, as the share of scores up to a quantile includes it.
        counts = np.bincount(np.searchsorted(self._edges, together, side="left"), minlength=len(self._counts))
        self._batches.append(counts)
        self._counts += counts
        self._untold += counts
        self._size += len(together)
        while len(self._batches) > 1 and self._size > self._window:
            oldest = self._batches.popleft()
            self._counts -= oldest
            self._size -= int(oldest.sum())

    def news(self) -> list[int]:
        """Scores in each bin since this was asked last."""
        untold = self._untold.tolist()
        self._untold[:] = 0
        return untold


def stability_index(recent: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """sum (p - q) ln(p / q) of two distributions `[bins]`, each share at least `LEAST_SHARE`."""
    p, q = np.maximum(recent, LEAST_SHARE), np.maximum(reference, LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())
