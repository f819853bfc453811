"""Which solver brings the structured hinge down faster: block-coordinate Frank-Wolfe or proximal subgradient steps?

The full graph's structural SVM on Mulan sets, both solvers for the same number of passes over the rows with the exact
oracle. `above best` is the objective's excess over the best value either found, `gap` what may be left.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ONE_THREAD, parse_options, report

NEEDS = {"minutes": 6, "data": ["multilabel"]}
SETS = {"flags": 0.01, "emotions": 0.01, "scene": 0.003}
PASSES = (1, 2, 5, 10, 20, 50)


def main() -> None:
    """Run both solvers on every set and report."""
    options = parse_options(
        "structured_solvers",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/multilabel"), "help": "folder of Mulan sets"}),
    )
    os.environ.update(ONE_THREAD)
    rows = [row for name in SETS for row in solved(options.extra.data, name)]
    last = [row for row in rows if row["passes"] == PASSES[-1]]
    figures = {f"{row['set']}_{row['solver'].split()[0].lower()}_above_best": row["above best"] for row in last}
    report(options, {"ridges": SETS}, figures, rows)


def solved(data: Path, name: str) -> list[dict[str, Any]]:
    """Objective and time after some passes of each solver."""
    from structured.graphs import complete_edges
    from structured.learning.design_matrix import DesignMatrix
    from structured.learning.feature_scaling import FeatureScaling
    from structured.learning.frank_wolfe import FrankWolfe
    from structured.learning.label_space import LabelSpace
    from structured.learning.oracle import Oracle
    from structured.learning.problem import LabelingProblem
    from structured.learning.proximal_subgradient import proximal_subgradient
    from structured.learning.regulariser import Regulariser
    from structured.mulan import read_mulan

    train = read_mulan(data / name / f"{name}-train.arff.gz", data / name / f"{name}.xml")
    count, on = train.labels.shape[1], train.labels.mean(axis=0)
    problem = LabelingProblem(
        design=DesignMatrix.of(FeatureScaling.of(train.features).apply(train.features)),
        labels=train.labels,
        known=np.ones(train.labels.shape, bool),
        space=LabelSpace.of(np.full(count, 2), np.stack([1 - on, on], axis=1)),
        edges=complete_edges(count),
        pair_features=np.ones((len(train.labels), 1)),
    )
    plain = Regulariser.ridge_only(SETS[name], problem.no_weights())
    rows: list[dict[str, Any]] = []
    for passes in PASSES:
        begun = time.perf_counter()
        state = FrankWolfe(problem, np.random.default_rng(0))
        solution = state.solve(Oracle(problem), plain, passes, 1e-9)
        rows.append(line(name, "Frank-Wolfe", passes, time.perf_counter() - begun, solution.primal, solution.gap))
    for passes in PASSES:
        begun = time.perf_counter()
        objective = proximal_subgradient(problem, plain, passes, np.random.default_rng(0)).objective[-1]
        rows.append(line(name, "proximal subgradient", passes, time.perf_counter() - begun, objective, None))
    best = min(row["objective"] for row in rows)
    return [{**row, "above best": row["objective"] / best - 1} for row in rows]


def line(name: str, solver: str, passes: int, seconds: float, objective: float, gap: float | None) -> dict[str, Any]:
    """A line of the table."""
    return {
        "set": name,
        "solver": solver,
        "passes": passes,
        "seconds": seconds,
        "objective": objective,
        "gap": "" if gap is None else gap,
    }


if __name__ == "__main__":
    main()
