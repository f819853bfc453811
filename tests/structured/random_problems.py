"""Small learning problems, drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structured.graphs import complete_edges
from structured.learning.design_matrix import DesignMatrix
from structured.learning.label_space import LabelSpace
from structured.learning.problem import LabelingProblem
from structured.learning.weights import Weights


def labels_over_a_tree(
    rows: int, edges: list[tuple[int, int]], couplings: list[float], seed: int, width: int = 4, noise: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features and tags: fields linear in the features, a coupling an edge, drawn parent first."""
    rng = np.random.default_rng(seed)
    count = max(max(edge) for edge in edges) + 1 if edges else 1
    by_feature = rng.normal(scale=noise, size=(width, count)) / np.sqrt(width)
    features = rng.normal(size=(rows, width))
    fields = features @ by_feature
    signs = np.zeros((rows, count))
    parents = {child: (parent, coupling) for (parent, child), coupling in zip(edges, couplings, strict=True)}
    for label in range(count):
        logit = 2 * fields[:, label]
        if label in parents:
            parent, coupling = parents[label]
            logit = logit + 2 * coupling * signs[:, parent]
        signs[:, label] = np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), 1, -1)
    return features, (signs > 0).astype(np.int64)


def problem_of(
    features: NDArray[np.float64], labels: NDArray[np.int64], states: list[int] | None = None
) -> LabelingProblem:
    """The learning problem over all pairs of labels."""
    rows, count = labels.shape
    return LabelingProblem(
        design=DesignMatrix.of(features),
        labels=labels,
        known=np.ones(labels.shape, bool),
        space=LabelSpace.of(np.full(count, 2) if states is None else np.array(states)),
        edges=complete_edges(count),
        pair_features=np.ones((rows, 1)),
    )


def random_problem(seed: int, rows: int = 30, labels: int = 5, states: int = 2, width: int = 3) -> LabelingProblem:
    """Features and labels without any relation but that of a few labels among themselves."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width))
    drawn = rng.integers(states, size=(rows, labels))
    if labels > 1:
        drawn[:, 1] = np.where(rng.random(rows) < 0.8, drawn[:, 0], drawn[:, 1])
    return problem_of(features, drawn, [states] * labels)


def random_weights(problem: LabelingProblem, rng: np.random.Generator, scale: float = 1.0) -> Weights:
    """Weights of the problem's shape, some pair groups exactly 0."""
    nothing = problem.no_weights()
    pair = rng.normal(scale=scale, size=nothing.pair.shape)
    pair[:, rng.random(pair.shape[1]) < 0.3] = 0
    return Weights(rng.normal(scale=scale, size=nothing.unary.shape), pair)
