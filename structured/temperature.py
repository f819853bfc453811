"""The log-linear head: how sharp the distribution over labelings is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from structured.graphs import RootedForest
from structured.inference.potentials import Potentials
from structured.inference.sum_product import log_partition

# Temperatures searched, as powers of e.
LOWEST, HIGHEST = -5.0, 5.0


def tempered(potentials: Potentials, temperature: float) -> Potentials:
    """The scores divided by a temperature."""
    return Potentials(potentials.unary / temperature, potentials.edges, potentials.pair / temperature)


def fit_temperature(potentials: Potentials, labels: NDArray[np.int64], known: NDArray[np.bool_]) -> float:
    """The temperature under which the known labels are likeliest; of scores that were not trained on these rows.

    `p(y | x) = exp(score(x, y) / temperature) / Z`; unknown labels are summed out.

    Args:
        potentials: over a forest, of `N` inputs.
        labels: states, int `[N, n]`.
        known: bool `[N, n]`.
    """
    forest = RootedForest.from_edges(potentials.edges, labels.shape[1])
    other = (np.arange(potentials.unary.shape[2]) != labels[:, :, None]) & known[:, :, None]
    seen = Potentials(np.where(other, -np.inf, potentials.unary), potentials.edges, potentials.pair)

    def cost(logarithm: float) -> float:
        scale = float(np.exp(logarithm))
        whole = log_partition(tempered(potentials, scale), forest)
        return float((whole - log_partition(tempered(seen, scale), forest)).mean())

    found = minimize_scalar(cost, bounds=(LOWEST, HIGHEST), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))
