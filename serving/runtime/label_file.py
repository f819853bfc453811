"""The labeller's file: a forest of labels with its scores, every key checked before anything is used."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError

FORMAT = "seriatim-labeller-1"
KEYS = (
    "format", "feature_names", "label_names", "state_names", "states",
    "unary_weights", "unary_bias", "edges", "pair_tables", "temperature",
)  # fmt: skip
PAIR_KEYS = ("pair_columns", "pair_weights")
# The runtime keeps a state in a byte.
MAX_STATES = 255


@dataclass(frozen=True)
class LabelFile:
    """`n` labels of up to `K` states over `d` features, joined by `E` edges that form a forest.

    Attributes:
        feature_names: `d` different names.
        label_names: `n` different names.
        state_names: the names of each label's states.
        unary_weights, unary_bias: float64 `[d, n, K]` and `[n, K]`; `x @ unary_weights + unary_bias` scores
            every state; -inf in the bias of the states that a label does not have.
        edges: int64 `[E, 2]`, the smaller label first.
        pair_tables: float64 `[E, K, K]`; `[e, a, b]` scores state `a` of the first label with `b` of the second.
        pair_columns: int64 `[f]`, the features that the tables depend on.
        pair_weights: float64 `[f, E, K, K]`, times those features they add to the tables.
        temperature: marginals are those of `exp(score / temperature)`; nan where none was fitted.
    """

    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    state_names: tuple[tuple[str, ...], ...]
    unary_weights: NDArray[np.float64]
    unary_bias: NDArray[np.float64]
    edges: NDArray[np.int64]
    pair_tables: NDArray[np.float64]
    pair_columns: NDArray[np.int64]
    pair_weights: NDArray[np.float64]
    temperature: float

    @property
    def states(self) -> NDArray[np.int64]:
        """Number of states of each label, int64 `[n]`, 2 to `K`."""
        return np.array([len(names) for names in self.state_names], np.int64)


def read_label_file(path: Path, features: Sequence[str]) -> LabelFile:
    """Read the `.npz` file in `path`.

    Args:
        path: the file.
        features: names of the features that the manifest gives; the file may read some of them.

    Raises:
        BundleError: the file cannot be read, or a key is missing, unknown, of another type or shape, or holds
            a value that it must not; the message names the file, the key, the value and the way out.
    """
    arrays = _Arrays(path, _load(path))
    written = str(arrays.get("format", "U", ()))
    if written != FORMAT:
        raise arrays.wrong("format", f"is {written!r}, this release reads {FORMAT!r}")
    feature_names = arrays.names("feature_names")
    for name in feature_names:
        if name not in features:
            raise arrays.wrong("feature_names", f"names {name!r}, which is not among the manifest's features")
    label_names = arrays.names("label_names")
    if not label_names:
        raise arrays.wrong("label_names", "is empty, expected at least one label")
    labels, width = len(label_names), len(feature_names)
    states, state_names = _states(arrays, label_names)
    most = arrays.values["state_names"].shape[1]
    weights = arrays.finite("unary_weights", (width, labels, most))
    bias = _bias(arrays, states, most)
    edges = _edges(arrays, label_names)
    tables = arrays.finite("pair_tables", (len(edges), most, most))
    columns, pair_weights = np.zeros(0, np.int64), np.zeros((0, len(edges), most, most))
    if PAIR_KEYS[0] in arrays.values:
        columns = arrays.get("pair_columns", "i8", (None,))
        for column in columns[(columns < 0) | (columns >= width)]:
            raise arrays.wrong("pair_columns", f"holds {column}, expected columns 0 to {width - 1}")
        pair_weights = arrays.finite("pair_weights", (len(columns), len(edges), most, most))
    temperature = float(arrays.get("temperature", "f8", ()))
    if not (np.isnan(temperature) or 0 < temperature < np.inf):
        raise arrays.wrong(
            "temperature", f"is {temperature:g}, expected a positive number, or nan where none was fitted"
        )
    return LabelFile(
        feature_names, label_names, state_names, weights, bias, edges, tables, columns, pair_weights, temperature
    )


class _Arrays:
    """The keys of one file, each given out with the type and the shape that were asked for."""

    def __init__(self, path: Path, values: Mapping[str, NDArray[Any]]) -> None:
        self.path, self.values = path, values
        expected = KEYS + PAIR_KEYS if set(PAIR_KEYS) & set(values) else KEYS
        for key in expected:
            if key not in values:
                raise BundleError(f"{path}: key {key} is missing; use another version")
        for key in values:
            if key not in expected:
                raise BundleError(
                    f"{path}: unknown key {key}, known are {', '.join(KEYS + PAIR_KEYS)}; use another version"
                )

    def wrong(self, key: str, what: str) -> BundleError:
        """The error that says what is wrong with `key`."""
        return BundleError(f"{self.path}: {key} {what}; use another version")

    def get(self, key: str, kind: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """The array under `key`, of the type `kind` ("U" is text of any length); None is any size."""
        array = self.values[key]
        if array.dtype.kind != "U" if kind == "U" else array.dtype != np.dtype(kind):
            expected = "text" if kind == "U" else np.dtype(kind).name
            raise self.wrong(key, f"is of type {array.dtype}, expected {expected}")
        if len(array.shape) != len(shape) or any(
            size not in (None, given) for size, given in zip(shape, array.shape, strict=True)
        ):
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.wrong(key, f"has the shape {list(array.shape)}, expected [{sizes}]")
        return array

    def names(self, key: str) -> tuple[str, ...]:
        """Text `[any]` without an empty or a repeated name."""
        names = tuple(self.get(key, "U", (None,)).tolist())
        for place, name in enumerate(names):
            if not name or name in names[:place]:
                raise self.wrong(key, f"holds {name!r} at place {place}, expected different names that are not empty")
        return names

    def finite(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Numbers of that shape."""
        array = self.get(key, "f8", shape)
        for place in np.argwhere(~np.isfinite(array)):
            raise self.wrong(key, f"holds {array[tuple(place)]} at {place.tolist()}, expected finite numbers")
        return array


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"{path} is no .npz of a label forest: {error}; use another version") from None


def _states(arrays: _Arrays, label_names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[tuple[str, ...], ...]]:
    """Number and names of each label's states."""
    padded = arrays.get("state_names", "U", (len(label_names), None))
    most = padded.shape[1]
    if not 2 <= most <= MAX_STATES:
        raise arrays.wrong("state_names", f"has room for {most} states, expected 2 to {MAX_STATES}")
    states = arrays.get("states", "i8", (len(label_names),))
    names = []
    for label, count, row in zip(label_names, states.tolist(), padded.tolist(), strict=True):
        if not 2 <= count <= most:
            raise arrays.wrong("states", f"gives label {label!r} {count} states, expected 2 to {most}")
        if "" in row[:count] or len(set(row[:count])) != count or any(row[count:]):
            raise arrays.wrong(
                "state_names", f"gives label {label!r} {row}, expected {count} different names, then empty ones"
            )
        names.append(tuple(row[:count]))
    return states, tuple(names)


def _bias(arrays: _Arrays, states: NDArray[np.int64], most: int) -> NDArray[np.float64]:
    """Finite for the states that a label has, -inf for the others."""
    bias = arrays.get("unary_bias", "f8", (len(states), most))
    absent = np.arange(most) >= states[:, np.newaxis]
    for label, state in np.argwhere(np.where(absent, bias != -np.inf, ~np.isfinite(bias))):
        expected = "-inf, for the label has no such state" if absent[label, state] else "a finite number"
        raise arrays.wrong(
            "unary_bias", f"holds {bias[label, state]} at {[int(label), int(state)]}, expected {expected}"
        )
    return bias


def _edges(arrays: _Arrays, label_names: tuple[str, ...]) -> NDArray[np.int64]:
    """Pairs of labels that form a forest."""
    edges = arrays.get("edges", "i8", (None, 2))
    component = list(range(len(label_names)))
    before = (-1, -1)
    for place, (low, high) in enumerate(edges.tolist()):
        if not 0 <= low < high < len(label_names):
            raise arrays.wrong(
                "edges", f"holds {[low, high]} at place {place}, expected two labels of 0 to {len(label_names) - 1} "
                "with the smaller first"
            )  # fmt: skip
        if (low, high) <= before:
            raise arrays.wrong(
                "edges", f"holds {[low, high]} after {list(before)}, expected rising order, each edge once"
            )
        before = (low, high)
        for end in (low, high):
            while component[end] != component[component[end]]:
                component[end] = component[component[end]]
        if component[low] == component[high]:
            raise arrays.wrong(
                "edges", f"close a circle with {[low, high]}, {label_names[low]!r} and {label_names[high]!r}, "
                "expected a forest"
            )  # fmt: skip
        component[component[high]] = component[low]
    return edges
