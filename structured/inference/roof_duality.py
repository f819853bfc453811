"""The LP relaxation of labels with two states, solved exactly by one minimum cut an input.

Boros and Hammer, "Pseudo-Boolean optimization" (2002), roof duality: the relaxation's value is a maximum flow in a
graph of all literals, and the labels that the cut decides keep their state in some best labeling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from seriatim_errors import StructureError
from structured.inference.local_polytope import RelaxedLabeling, best_pairs
from structured.inference.potentials import Potentials

# Flows are integers; the sum of all capacities stays under 2**31 for rounding either way.
CAPACITY = 2.0**30


def roof_duality(potentials: Potentials) -> tuple[RelaxedLabeling, NDArray[np.float64]]:
    """Solve the relaxation of a model whose labels all have two states; any graph, one input after another.

    Returns:
        A best point of the local polytope, of zeros, halves and ones, and a bound on its value, `[B]`, from
        above: larger than it by what rounding to integer capacities may hide, about 1e-6 of the scores' sum.

    Raises:
        StructureError: a label has more than two states, or one only.
    """
    if potentials.unary.shape[2] != 2 or not np.isfinite(potentials.unary).all():
        raise StructureError("roof duality: a label has not exactly two states; use dual_bound")
    batch = len(potentials.unary)
    pair = (
        potentials.pair
        if potentials.pair.ndim == 4
        else np.broadcast_to(potentials.pair, (batch, *potentials.pair.shape))
    )
    first, second = potentials.edges.T
    both = pair[..., 1, 1] + pair[..., 0, 0] - pair[..., 0, 1] - pair[..., 1, 0]
    alone = potentials.unary[..., 1] - potentials.unary[..., 0]
    np.add.at(alone.T, first, (pair[..., 1, 0] - pair[..., 0, 0]).T)
    np.add.at(alone.T, second, (pair[..., 0, 1] - pair[..., 0, 0]).T)
    on = np.stack([_cut(alone[row], both[row], first, second) for row in range(batch)]) if batch else alone
    relaxed = best_pairs(potentials, on)
    rounding = (len(first) + alone.shape[1]) / CAPACITY
    size = np.abs(alone).sum(axis=1) + 2 * np.abs(both).sum(axis=1)
    return relaxed, relaxed.value + rounding * size


def _cut(
    alone: NDArray[np.float64], both: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Maximise `alone x + sum both_ij x_i x_j` over the relaxation: 0, 1/2 or 1 a label, `[n]`.

    The costs are written over literals, x or not-x: an attraction costs where `x_i` and not-`x_j`, a repulsion
    where `x_i` and `x_j`. A cost of literals u and v is an arc from u to not-v and one from v to not-u; a cost of
    u alone, one from u to the sink and one from the source to not-u. Literals: `x_i` is i, not-`x_i` is n + i.
    """
    labels = len(alone)
    cost = -alone
    np.add.at(cost, first, -np.maximum(both, 0))
    total = np.abs(cost).sum() + np.abs(both).sum()
    scale = CAPACITY / total if total > 0 else 1.0
    pair_capacity = np.rint(np.abs(both) * scale).astype(np.int32)
    own_capacity = np.rint(np.abs(cost) * scale).astype(np.int32)
    attract, nodes = both > 0, np.arange(labels)
    source, sink = 2 * labels, 2 * labels + 1
    start = np.concatenate(
        [
            first,
            np.where(attract, labels + second, second),
            np.where(cost > 0, nodes, labels + nodes),
            np.full(labels, source),
        ]
    )
    end = np.concatenate(
        [
            np.where(attract, second, labels + second),
            labels + first,
            np.full(labels, sink),
            np.where(cost > 0, labels + nodes, nodes),
        ]
    )
    capacity = np.concatenate([pair_capacity, pair_capacity, own_capacity, own_capacity])
    graph = csr_array((capacity, (start.astype(np.int32), end.astype(np.int32))), shape=(sink + 1, sink + 1))
    left = graph - maximum_flow(graph, source, sink).flow
    left.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    true, false = reached[:labels], reached[labels : 2 * labels]
    return np.where(true == false, 0.5, true.astype(float))
