"""How long does a forest of labels take to predict, as labels grow, and beside the full graph's relaxation?

The service's labeller on 10,000 rows (`forest`), one thread, with the unary product of 100 features; `to first` is the
time against that of 10 labels and `exponent` the slope of log time over log labels. `LP` is one row's relaxation
of the complete graph by a general LP solver, and `cut` the same by roof duality, both up to 53 labels and beside one
row's forest by itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ONE_THREAD, parse_options, report

NEEDS = {"minutes": 4}
SIZES = (10, 20, 50, 100, 200, 500, 1000)
GRAPHS = (6, 14, 45, 53)
ROWS, FEATURES, REPEATS = 10_000, 100, 5


def main() -> None:
    """Time both kinds of graph and report."""
    options = parse_options("structured_prediction", __doc__ or "")
    os.environ.update({**ONE_THREAD, "OPENBLAS_NUM_THREADS": "1"})
    rng = np.random.default_rng(0)
    forests = [forest_row(labels, rng) for labels in SIZES]
    for row in forests:
        row["to first"] = row["forest ms per 1,000 rows"] / forests[0]["forest ms per 1,000 rows"]
    slope = np.polyfit(np.log(SIZES[2:]), np.log([row["forest ms per 1,000 rows"] for row in forests[2:]]), 1)[0]
    graphs = [graph_row(labels, rng) for labels in GRAPHS]
    figures = {
        "exponent_from_50_labels": float(slope),
        "ms_per_1000_rows_at_50_labels": forests[SIZES.index(50)]["forest ms per 1,000 rows"],
        **{f"lp_over_forest_at_{row['labels']}": row["LP over forest"] for row in graphs},
        **{f"cut_over_forest_at_{row['labels']}": row["cut over forest"] for row in graphs},
    }
    blank = {"LP ms a row": "", "cut ms a row": "", "LP over forest": "", "cut over forest": ""}
    rows = [{**row, **blank} for row in forests] + [{"to first": "", **row} for row in graphs]
    names = ["labels", "forest ms per 1,000 rows", "to first", "forest ms a row", *blank]
    settings = {"rows": ROWS, "features": FEATURES, "repeats": REPEATS}
    report(options, settings, figures, [{name: row[name] for name in names} for row in rows])


def forest_row(labels: int, rng: np.random.Generator) -> dict[str, Any]:
    """A random tree over tags, predicted by the service's labeller."""
    features = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    labeller = served_tree(labels, rng)
    return {
        "labels": labels,
        "forest ms per 1,000 rows": median_ms(lambda: labeller.labels(features)) * 1000 / ROWS,
        "forest ms a row": median_ms(lambda: labeller.labels(features[:1])),
    }


def graph_row(labels: int, rng: np.random.Generator) -> dict[str, Any]:
    """One row's complete graph with weak couplings, and the same labels over a tree."""
    from structured.graphs import complete_edges
    from structured.inference import Potentials, roof_duality, solve_relaxation

    edges = complete_edges(labels)
    coupling = 0.05 * rng.normal(size=len(edges))
    tables = np.stack([coupling, -coupling, -coupling, coupling], axis=1).reshape(-1, 2, 2)
    potentials = Potentials(rng.normal(size=(1, labels, 2)), edges, tables)
    tree = forest_row(labels, rng)
    alone = tree["forest ms a row"]
    program, cut = median_ms(lambda: solve_relaxation(potentials)), median_ms(lambda: roof_duality(potentials))
    return {
        **tree,
        "LP ms a row": program,
        "cut ms a row": cut,
        "LP over forest": program / alone,
        "cut over forest": cut / alone,
    }


def served_tree(labels: int, rng: np.random.Generator) -> Any:
    """The service's labeller over a random tree."""
    from serving.runtime.labeller import Labeller
    from structured.graphs import checked_edges
    from structured.model import PairwiseModel

    edges = checked_edges([(int(rng.integers(node)), node) for node in range(1, labels)], labels)
    names = tuple(f"x{index}" for index in range(FEATURES))
    model = PairwiseModel(
        feature_names=names,
        label_names=tuple(f"tag_{index}" for index in range(labels)),
        state_names=np.array([["0", "1"]] * labels),
        states=np.full(labels, 2),
        unary_weights=rng.normal(size=(FEATURES, labels, 2)),
        unary_bias=rng.normal(size=(labels, 2)),
        edges=edges,
        pair_tables=rng.normal(size=(len(edges), 2, 2)),
        pair_columns=np.zeros(0, np.int64),
        pair_weights=np.zeros((0, len(edges), 2, 2)),
        temperature=float("nan"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return Labeller(path, names)


def median_ms(call: Callable[[], Any]) -> float:
    """Median milliseconds of a few calls after one that warms up."""
    call()
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - begun))
    return float(np.median(times))


if __name__ == "__main__":
    main()
