"""The re-ranker's answers to many variants of a list: how probable a choice is, and where an item lands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.runtime.seq2slate import Followed, Seq2Slate

# Larger batches are no faster, and hold more memory.
BATCH = 128


@dataclass(frozen=True)
class Asked:
    """Variants of a list, each decoded along its path and once more freely.

    Attributes:
        log_probabilities: float64 `[variants, steps]` along the path; in one-step decoding `[variants, list_size]`, of
            every item at the first step.
        orders: int64 `[variants, places]`, the best slate of each.
        one_step: which of the two it is.
    """

    log_probabilities: NDArray[np.float64]
    orders: NDArray[np.int64]
    one_step: bool

    def log_probability(self, variant: int, item: int, step: int) -> float:
        """Of choosing `item`, which the variant's path places at `step`."""
        return float(self.log_probabilities[variant, item if self.one_step else step])

    def place(self, variant: int, item: int) -> int | None:
        """1-based place of `item` in the variant's best slate; None where it is not in it."""
        found = np.flatnonzero(self.orders[variant] == item)
        return int(found[0]) + 1 if len(found) else None


class Choices:
    """Asks `model` about variants of a list, in few runs of the graph.

    Args:
        model: the re-ranker.
        one_step: whether the slate is the order of the first logits.
        temperature: divides the logits.
    """

    def __init__(self, model: Seq2Slate, one_step: bool, temperature: float) -> None:
        self._model, self.one_step, self._temperature = model, one_step, temperature

    def along(self, lists: NDArray[np.float32], paths: NDArray[np.int64]) -> Asked:
        """Answers for lists float32 `[variants, list_size, features]` and paths int64 `[variants, placed]`.

        A path ends at its first -1; what it places beyond the re-ranker's steps is left out.
        """
        free = np.full((len(lists), self._model.slate_size), -1)
        freely = self._followed(lists, free)
        if self.one_step:
            logits = freely.first_logits.astype(np.float64) / self._temperature
            return Asked(_log_softmax(logits), np.argsort(-logits, axis=1, kind="stable"), True)
        forced = free.copy()
        width = min(paths.shape[1], self._model.slate_size)
        forced[:, :width] = paths[:, :width]
        return Asked(self._followed(lists, forced).log_probabilities, freely.order, False)

    def distribution(self, features: NDArray[np.float32], above: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probability of every item to come next after those `above`, float64 `[list_size]`; -inf for those."""
        count = len(features)
        if self.one_step:
            return self.along(features[np.newaxis], above[np.newaxis]).log_probabilities[0]
        left = np.setdiff1d(np.arange(count), above)
        paths = np.full((len(left), self._model.slate_size), -1)
        paths[:, : len(above)] = above
        paths[:, len(above)] = left
        lists = np.broadcast_to(features, (len(left), *features.shape))
        logs = np.full(count, -np.inf)
        logs[left] = self._followed(lists, paths).log_probabilities[:, len(above)]
        return logs

    def _followed(self, lists: NDArray[np.float32], paths: NDArray[np.int64]) -> Followed:
        starts = range(0, len(lists), BATCH) or [0]
        parts = [
            self._model.follow(
                np.ascontiguousarray(lists[start : start + BATCH]), paths[start : start + BATCH], self._temperature
            )
            for start in starts
        ]
        return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[Followed]) -> Followed:
    return Followed(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    above = logits - logits.max(axis=1, keepdims=True)
    return above - np.log(np.exp(above).sum(axis=1, keepdims=True))
