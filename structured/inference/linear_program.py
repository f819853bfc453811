"""The LP relaxation over the local polytope, by a general solver: the reference for everything faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from seriatim_errors import StructureError
from structured.inference.local_polytope import RelaxedLabeling
from structured.inference.potentials import Potentials

# HiGHS's own feasibility tolerance lies below.
INTEGRAL = 1e-6


def solve_relaxation(potentials: Potentials) -> RelaxedLabeling:
    """Maximise the score over locally consistent marginals, one input after another; any graph.

    The value is at least the best labeling's score, equal to it on forests and wherever the marginals are 0
    and 1.

    Raises:
        StructureError: the solver fails, as for scores of very different size.
    """
    batch, labels, states = potentials.unary.shape
    edges = len(potentials.edges)
    result = RelaxedLabeling.empty(batch, labels, edges, states)
    constraints, right = _consistency(potentials.edges, labels, states)
    for row in range(batch):
        pair = potentials.pair if potentials.pair.ndim == 3 else potentials.pair[row]
        finite = np.isfinite(potentials.unary[row])
        scores = np.concatenate([np.where(finite, potentials.unary[row], 0).ravel(), pair.ravel()])
        upper = np.concatenate([finite.ravel().astype(float), np.ones(pair.size)])
        bounds = np.stack([np.zeros(len(upper)), upper], axis=1)
        solved = linprog(-scores, A_eq=constraints, b_eq=right, bounds=bounds, method="highs")
        if not solved.success:
            raise StructureError(f"relaxation of input {row}: {solved.message} Scale the scores")
        result.unary[row] = solved.x[: labels * states].reshape(labels, states)
        result.pair[row] = solved.x[labels * states :].reshape(edges, states, states)
        result.value[row] = -solved.fun
    return result


def integral(relaxed: RelaxedLabeling) -> NDArray[np.bool_]:
    """Which inputs' marginals are 0 and 1, so that they are a best labeling: bool `[B]`."""
    return np.asarray((np.minimum(relaxed.unary, 1 - relaxed.unary) < INTEGRAL).all(axis=(1, 2)))


def _consistency(edges: NDArray[np.int64], labels: int, states: int) -> tuple[csr_array, NDArray[np.float64]]:
    """The polytope's equations: labels' marginals sum to 1, each edge's table to both its labels' marginals."""
    own = np.arange(labels * states).reshape(labels, states)
    tables = labels * states + np.arange(len(edges) * states**2).reshape(len(edges), states, states)
    rows, columns, values = [np.repeat(np.arange(labels), states)], [own.ravel()], [np.ones(labels * states)]
    following = labels
    for end, cells in ((0, tables), (1, tables.transpose(0, 2, 1))):
        equations = following + np.arange(len(edges) * states)
        rows += [np.repeat(equations, states), equations]
        columns += [cells.ravel(), own[edges[:, end]].ravel()]
        values += [np.ones(cells.size), -np.ones(len(equations))]
        following += len(equations)
    shape = (following, labels * states + tables.size)
    matrix = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    return matrix.tocsr(), np.concatenate([np.ones(labels), np.zeros(following - labels)])
