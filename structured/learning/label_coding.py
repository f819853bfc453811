"""Label matrices as users give them, and as state numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

UNKNOWN = -1


@dataclass(frozen=True)
class LabelCoding:
    """Which values each label takes; state numbers follow their order.

    A matrix of 0 and 1 is an indicator: each label has both states, seen or not. Other whole numbers, and text, are
    classes, and each label has those that it was seen with. The number -1 means unknown in both.

    Attributes:
        classes: int64 or text arrays, one a label.
        indicator: whether all labels are 0 or 1.
    """

    classes: tuple[NDArray[Any], ...]
    indicator: bool

    @classmethod
    def of(cls, labels: NDArray[Any]) -> LabelCoding:
        """The coding of a checked label matrix, `[N, n]`."""
        known = known_labels(labels)
        if labels.dtype.kind == "i" and np.isin(labels[known], (0, 1)).all():
            return cls((np.array([0, 1]),) * labels.shape[1], True)
        return cls(tuple(np.unique(column[seen]) for column, seen in zip(labels.T, known.T, strict=True)), False)

    @property
    def states(self) -> NDArray[np.int64]:
        """Number of states of each label."""
        return np.array([len(classes) for classes in self.classes], np.int64)

    @property
    def names(self) -> NDArray[np.str_]:
        """Names of the states, `[n, K]`; `""` beyond a label's own."""
        table = np.full((len(self.classes), max(2, int(self.states.max()))), "", dtype=object)
        for label, classes in enumerate(self.classes):
            table[label, : len(classes)] = [str(value) for value in classes]
        return table.astype(np.str_)

    def encoded(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """State numbers of known labels; unknown ones get 0."""
        columns = [np.searchsorted(classes, column) for classes, column in zip(self.classes, labels.T, strict=True)]
        return np.where(known_labels(labels), np.stack(columns, axis=1), 0)

    def decoded(self, states: NDArray[np.int64]) -> NDArray[Any]:
        """Values of state numbers `[..., n]`."""
        columns = [classes[states[..., label]] for label, classes in enumerate(self.classes)]
        return np.stack(columns, axis=-1)


def known_labels(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a checked label matrix says what the label is, bool of its shape."""
    return labels != UNKNOWN if labels.dtype.kind == "i" else np.ones(labels.shape, bool)


def checked_labels(labels: Any, rows: int) -> NDArray[Any]:
    """A label matrix as int64 or text `[N, n]`; one label may come as `[N]`; sparse indicators become dense.

    Raises:
        ValueError: none, another shape, a number that is not whole, below -1 or not finite, or a label that is
            known nowhere; the message names row, label and value.
    """
    if labels is None:
        raise ValueError("requires y to be passed, but the target y is None; give labels [rows, labels]")
    given = np.asarray(labels.toarray() if issparse(labels) else labels)
    matrix = given[:, None] if given.ndim == 1 else given
    if matrix.ndim != 2 or len(matrix) != rows or matrix.shape[1] == 0:
        raise ValueError(f"Y: shape {given.shape} for {rows} rows of X; give [rows, labels] with at least one label")
    if matrix.dtype.kind in "US" or (matrix.dtype == object and all(isinstance(one, str) for one in matrix.flat)):
        return matrix.astype(np.str_)
    try:
        numbers = matrix.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"Y: values of type {matrix.dtype}; give whole numbers, 0 and 1 for tags, or text") from None
    with np.errstate(invalid="ignore"):
        wrong = ~np.isfinite(numbers) | (numbers != np.rint(numbers)) | (numbers < UNKNOWN)
    if wrong.any():
        row, label = np.argwhere(wrong)[0]
        # scikit-learn's own checks look for the word "continuous".
        raise ValueError(
            f"Y: row {row}, label {label} is {matrix[row, label]}, a continuous or missing value; "
            "give whole numbers from 0, or -1 where unknown"
        )
    whole = numbers.astype(np.int64)
    silent = (whole == UNKNOWN).all(axis=0)
    if silent.any():
        raise ValueError(f"Y: label {int(silent.argmax())} is unknown in every row; leave it out")
    return whole
