"""A fitted pairwise label model in plain arrays, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from seriatim_errors import DataError
from structured.inference.potentials import Potentials

FORMAT = "seriatim-labeller-1"


@dataclass(frozen=True)
class PairwiseModel:
    """Scores in raw feature units: `sum_i (x @ unary_weights + unary_bias)[i, y_i] + sum_ij table_ij(x)[y_i, y_j]`.

    Attributes:
        feature_names: `d` names.
        label_names: `n` names.
        state_names: str `[n, K]`; `""` for states a label does not have.
        states: int64 `[n]`, number of states of each label.
        unary_weights: float64 `[d, n, K]`.
        unary_bias: float64 `[n, K]`; -inf for states a label does not have.
        edges: int64 `[E, 2]`, `i < j`, in lexicographic order.
        pair_tables: float64 `[E, K, K]`.
        pair_columns: int64 `[f]`, the features that change the tables.
        pair_weights: float64 `[f, E, K, K]`, added to the tables for each unit of such a feature.
        temperature: marginals are those of `exp(score / temperature)`; NaN where none was fitted.
    """

    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    state_names: NDArray[np.str_]
    states: NDArray[np.int64]
    unary_weights: NDArray[np.float64]
    unary_bias: NDArray[np.float64]
    edges: NDArray[np.int64]
    pair_tables: NDArray[np.float64]
    pair_columns: NDArray[np.int64]
    pair_weights: NDArray[np.float64]
    temperature: float

    def potentials(self, features: NDArray[np.float64] | csr_array) -> Potentials:
        """Scores of inputs `[B, d]`.

        Raises:
            StructureError: a score is not finite.
        """
        width, labels, states = self.unary_weights.shape
        flat = np.asarray(features @ self.unary_weights.reshape(width, labels * states))
        pair = self.pair_tables
        if len(self.pair_columns):
            chosen = features[:, self.pair_columns]
            dense = chosen.toarray() if isinstance(chosen, csr_array) else chosen
            pair = pair + np.einsum("bf,fekl->bekl", dense, self.pair_weights)
        return Potentials(flat.reshape(-1, labels, states) + self.unary_bias, self.edges, pair)

    def save(self, path: Path) -> None:
        """Write one `.npz` without pickles; docs/bundle.md lists its keys."""
        inputs = (
            {"pair_columns": self.pair_columns, "pair_weights": self.pair_weights} if len(self.pair_columns) else {}
        )
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.str_(FORMAT),
                feature_names=np.array(self.feature_names, np.str_),
                label_names=np.array(self.label_names, np.str_),
                state_names=self.state_names,
                states=self.states,
                unary_weights=self.unary_weights,
                unary_bias=self.unary_bias,
                edges=self.edges,
                pair_tables=self.pair_tables,
                temperature=np.float64(self.temperature),
                **inputs,
            )


def load_labeller(path: Path) -> PairwiseModel:
    """Read what `PairwiseModel.save` wrote.

    Raises:
        DataError: the file cannot be read, or is none of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as a labeller: {error}; give a file that CRANKClassifier.save wrote"
        ) from None
    found = str(arrays.get("format", "missing"))
    if found != FORMAT:
        raise DataError(f"{path}: format is {found}, expected {FORMAT}; save it again with this release")
    edges, states = arrays["edges"], arrays["unary_bias"].shape[1]
    return PairwiseModel(
        feature_names=tuple(arrays["feature_names"].tolist()),
        label_names=tuple(arrays["label_names"].tolist()),
        state_names=arrays["state_names"],
        states=arrays["states"],
        unary_weights=arrays["unary_weights"],
        unary_bias=arrays["unary_bias"],
        edges=edges,
        pair_tables=arrays["pair_tables"],
        pair_columns=arrays.get("pair_columns", np.zeros(0, np.int64)),
        pair_weights=arrays.get("pair_weights", np.zeros((0, len(edges), states, states))),
        temperature=float(arrays["temperature"]),
    )
