"""The re-ranker's answers to many variants of a list: how probable a choice is, and where an item lands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.explanations.variants import Lists, Same
from serving.runtime.seq2slate import Followed, Seq2Slate

# Larger batches are no faster, and hold more memory.
MOST_LISTS, MOST_VALUES = 128, 1 << 22


class Choices:
    """Asks `model` about variants of a list, in few runs of the graph.

    Args:
        model: the re-ranker.
        one_step: whether the slate is the order of the first logits: then no choice depends on those above it.
        temperature: divides the logits.
    """

    def __init__(self, model: Seq2Slate, one_step: bool, temperature: float) -> None:
        self._model, self.one_step, self._temperature = model, one_step, temperature

    def along(self, lists: Lists, paths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probability of every choice along a path, given those above it.

        Args:
            lists: variants.
            paths: int64 `[variants, placed]`; one ends at its first -1, or after the re-ranker's steps.

        Returns:
            float64 `[variants, placed]`; arbitrary behind a path's end.
        """
        if self.one_step:
            followed = self._followed(lists, np.full((len(lists), self._model.slate_size), -1))
            logits = followed.first_logits.astype(np.float64) / self._temperature
            return np.take_along_axis(_log_softmax(logits), np.maximum(paths, 0), axis=1)
        forced = np.full((len(lists), self._model.slate_size), -1)
        forced[:, : paths.shape[1]] = paths
        return self._followed(lists, forced).log_probabilities

    def best(self, lists: Lists) -> NDArray[np.int64]:
        """The best slate of each list, int64 `[variants, places]`, -1 behind its end."""
        followed = self._followed(lists, np.full((len(lists), self._model.slate_size), -1))
        return np.argsort(-followed.first_logits, axis=1, kind="stable") if self.one_step else followed.order

    def distribution(self, features: NDArray[np.float32], above: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probability of every item to come next after those `above`, float64 `[list_size]`; -inf for those."""
        everyone = np.arange(len(features))
        if self.one_step:
            return self.along(Same(features, 1), everyone[np.newaxis])[0]
        left = np.setdiff1d(everyone, above)
        paths = np.column_stack([np.tile(above, (len(left), 1)), left])
        logs = np.full(len(features), -np.inf)
        logs[left] = self.along(Same(features, len(left)), paths)[:, len(above)]
        return logs

    def _followed(self, lists: Lists, paths: NDArray[np.int64]) -> Followed:
        at_once = max(1, min(MOST_LISTS, MOST_VALUES // lists[:1].size))
        parts = [
            self._model.follow(lists[start : start + at_once], paths[start : start + at_once], self._temperature)
            for start in range(0, len(lists), at_once)
        ]
        return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[Followed]) -> Followed:
    return Followed(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    above = logits - logits.max(axis=1, keepdims=True)
    return above - np.log(np.exp(above).sum(axis=1, keepdims=True))
