"""One fit of the ranking benchmark in a process of its own: TensorFlow and LightGBM must not share one."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ranking_data import USER, RankingTask, relevant
from benchmarks.ranking_rows import fits
from ranking.click_models import clicks_on_order
from ranking.metrics import evaluate_lists

METRICS = ("map", "ndcg_at_5", "ndcg_at_10", "rank_gain")
SHOWN = (5, 10)


def main(task_file: str, fit: str, seed: int, out: Path) -> None:
    """Train, rank the test lists and write per-request values of every row to `out`.

    Beside the metrics on the clicks that fell on the base order: `new_clicks_at_k`, the clicks in the first k
    places when the simulated user is shown the new order.
    """
    task: RankingTask = pickle.loads(Path(task_file).read_bytes())
    start = time.monotonic()
    rankings = fits()[fit](task, seed)
    seconds = time.monotonic() - start
    values: dict[str, NDArray[np.float64]] = {}
    for row, scores in rankings.items():
        assert task.test.clicks is not None
        fixed = evaluate_lists(task.test, scores, task.test.clicks)
        values |= {f"{row}/{metric}": fixed[metric] for metric in METRICS}
        shown = relevant(task.test, task.relevant_grade)
        clicks = clicks_on_order(USER, task.test, shown, scores, np.random.default_rng([seed, 3]))
        order = task.test.descending_order(scores)
        rank = np.arange(len(order)) - task.test.offsets[task.test.list_index]
        for k in SHOWN:
            seen = clicks[order] * (rank < k)
            values[f"{row}/new_clicks_at_{k}"] = np.add.reduceat(seen, task.test.offsets[:-1]).astype(np.float64)
        values[f"{row}/seconds"] = np.array([seconds])
    partial = out.with_name(out.name + ".partial.npz")
    np.savez(partial, **values)
    os.replace(partial, out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
