"""Pairwise models drawn at random."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from structured.graphs import complete_edges, maximum_spanning_forest
from structured.inference import Potentials


@st.composite
def models(draw, most_labels: int = 6, most_states: int = 3, forest: bool = True, binary: bool = False):
    """Potentials over a forest or any graph: labels of differing numbers of states, ties in half of them."""
    labels = draw(st.integers(1, most_labels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch = draw(st.integers(1, 3))
    every = complete_edges(labels)
    if forest:
        every = every[maximum_spanning_forest(every, rng.random(len(every)), labels)]
    edges = every[rng.random(len(every)) < draw(st.sampled_from([0.5, 0.8, 1.0]))]
    width = 2 if binary else draw(st.integers(2, most_states))
    states = np.full(labels, 2) if binary else rng.integers(1, width + 1, size=labels)
    tied, by_input = draw(st.booleans()), draw(st.booleans())

    def scores(*shape):
        return rng.integers(-2, 3, size=shape).astype(float) if tied else rng.normal(size=shape)

    unary = np.where(np.arange(width) < states[:, None], scores(batch, labels, width), -np.inf)
    tables = (len(edges), width, width)
    return Potentials(unary, edges, scores(batch, *tables) if by_input else scores(*tables))
