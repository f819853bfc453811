"""Golden requests: inputs with the answers that the models gave when the bundle was made."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError, DataError

if TYPE_CHECKING:
    from serving.runtime.ranker import SlateRanker

SCORE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class GoldenRequests:
    """A few requests, stored flat: request `i` owns the rows `offsets[i]:offsets[i + 1]`.

    Attributes:
        offsets: int64 `[requests + 1]`.
        item_ids: str `[items]`.
        context: float32 `[requests, context features]`.
        features: float32 `[items, item features]`.
        slate_sizes: int64 `[requests]`.
        slates: int64 `[requests, longest slate]`, rows within the request, -1 after the slate's end.
        base_scores: float32 `[items]`.
        labels: int64 `[requests, longest slate, labels]`, the states of the slates' items, -1 after the
            slate's end; None for a bundle without a labeller.
    """

    offsets: NDArray[np.int64]
    item_ids: NDArray[np.str_]
    context: NDArray[np.float32]
    features: NDArray[np.float32]
    slate_sizes: NDArray[np.int64]
    slates: NDArray[np.int64]
    base_scores: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.slate_sizes)

    def save(self, path: Path) -> None:
        """Write to an `.npz` file."""
        np.savez(path, **{name: values for name, values in self.__dict__.items() if values is not None})

    @classmethod
    def load(cls, path: Path) -> GoldenRequests:
        """Read an `.npz` file.

        Raises:
            BundleError: the file is missing, is no `.npz` file or holds other arrays.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                golden = cls(**{name: arrays[name] for name in arrays.files})
        except (OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path} holds no golden requests: {error}; restore the bundle") from None
        if golden.labels is not None and golden.labels.shape[:2] != golden.slates.shape:
            raise BundleError(
                f"{path}: labels has the shape {list(golden.labels.shape)}, expected {list(golden.slates.shape)} "
                "and the number of labels; restore the bundle"
            )
        return golden


def self_test(ranker: SlateRanker, golden: GoldenRequests) -> None:
    """Rank the golden requests and compare.

    Raises:
        BundleError: a slate, a label or a base score differs from what the bundle promises, or a golden request
            is not one that this bundle can rank. Labels without a labeller, or the reverse, differ too.
    """
    for index in range(len(golden)):
        query = ranker.golden_query(golden, index)
        try:
            slate = ranker.rank(query)
        except DataError as error:
            raise BundleError(f"bundle {ranker.version}: golden request {index}: {error}; do not serve it") from None
        rows = slice(golden.offsets[index], golden.offsets[index + 1])
        expected = golden.slates[index]
        if list(slate.order) != expected[expected >= 0].tolist():
            raise BundleError(
                f"bundle {ranker.version}: golden request {index} gives slate {list(slate.order)}, "
                f"expected {expected.tolist()}; the bundle or the runtime changed, do not serve it"
            )
        labels = _listed(slate.labels)
        promised = _listed(None if golden.labels is None else golden.labels[index, : len(slate.order)])
        if labels != promised:
            raise BundleError(
                f"bundle {ranker.version}: golden request {index} gives labels {labels}, expected {promised}; "
                "the bundle or the runtime changed, do not serve it"
            )
        difference = np.abs(slate.base_scores - golden.base_scores[rows]).max(initial=0)
        if difference > SCORE_TOLERANCE:
            raise BundleError(
                f"bundle {ranker.version}: golden request {index}: base scores are off by {difference:.1e}; "
                "the bundle or the runtime changed, do not serve it"
            )


def _listed(labels: NDArray[np.int64] | None) -> list[list[int]] | None:
    return None if labels is None else labels.tolist()
