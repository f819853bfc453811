"""Does seq2slate rank better than its base order and than its peers where users want variety?

Graded lists are put into the order of a LambdaMART trained on grades; a simulated user of the Seq2Slate paper
(diverse-clicks) clicks on that order. Every row learns from those clicks alone and ranks the test lists anew.
Values are means over test requests with a click and over seeds; intervals are bootstraps over requests. A seed draws
the base ranker's folds, the click samples and the models' chance; test requests are the same for all seeds. Beside
the fixed clicks: clicks in the first five places when the same user is shown the new order.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.harness import ONE_THREAD, Options, parse_options, report
from benchmarks.ranking_data import GradedSet, letor, lightgbm_example, marketplace, mq2008, prepare
from benchmarks.ranking_rows import BASE_ROW, fits
from ranking.metrics import bootstrap_interval, paired_difference_interval

NEEDS = {
    "minutes": 240,
    "least": 4,
    "small": ["--sets", "mq2008", "--seeds", "1"],
    "data": ["mq2008", "lightgbm_lambdarank"],
    "work": True,
}
DATA = Path("../shared/data")
QUALITY, NEW_CLICKS = ("map", "ndcg_at_5", "ndcg_at_10"), "new_clicks_at_5"
Values = dict[str, np.ndarray]
LETOR_HELP = (
    "also run MSLR-WEB10K/30K, Yahoo LTRC or Istella: folder with train, vali and test files; an item is relevant from "
    "grade 2"
)


def main() -> None:
    """Run every fit on every set and seed, each in its own process, and report."""
    options = parse_options(
        "ranking",
        __doc__ or "",
        ("--data", {"type": Path, "default": DATA, "help": "folder with mq2008/ and lightgbm_lambdarank/"}),
        ("--letor", {"action": "append", "default": [], "metavar": "NAME=FOLDER", "help": LETOR_HELP}),
        ("--sets", {"nargs": "*", "help": "names of the sets to run; default: all"}),
        ("--fits", {"nargs": "*", "choices": list(fits()), "help": "fits to run; default: all"}),
        ("--seeds", {"type": int, "default": 5, "help": "repetitions"}),
        ("--requests", {"type": int, "default": 20_000, "help": "requests of the marketplace"}),
        ("--workers", {"type": int, "default": 2, "help": "processes at a time"}),
        ("--finished", {"action": "store_true", "help": "report the fits in --work, run none"}),
        (
            "--work",
            {"type": Path, "default": Path("runs/ranking_benchmark"), "help": "finished fits, kept for a rerun"},
        ),
    )
    given = options.extra
    names = given.fits or list(fits())
    plans = [(graded, seed) for graded in _sets(options) for seed in range(given.seeds)]
    # Spawned: OpenMP hangs when forked.
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as processes:
        tasks = list(processes.map(_prepared, *zip(*plans, strict=True), repeat(given.work)))
    jobs = [
        (graded.name, task, fit, seed, given.work / f"{task.stem}.{fit}.npz")
        for (graded, seed), task in zip(plans, tasks, strict=True)
        for fit in names
    ]
    with Progress() as progress, ThreadPoolExecutor(given.workers) as pool:
        bar = progress.add_task("fits", total=len(jobs))
        failures = []
        for failed in pool.map(lambda job: _run(*job[1:]), [] if given.finished else jobs):
            progress.advance(bar)
            if failed:
                progress.console.print(failed)
                failures.append(failed)
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for name in dict.fromkeys(job[0] for job in jobs):
        results = _collected(job[-1] for job in jobs if job[0] == name)
        rows += _rows(name, results)
        figures |= _figures(name, results)
    settings = {
        "seeds": given.seeds,
        "marketplace_requests": given.requests,
        "click_model": "diverse-clicks, q 0.5, eta 0",
    }
    report(options, settings, figures, rows)
    if failures:
        sys.exit(f"{len(failures)} fits failed; the result has the others")


def _sets(options: Options) -> Iterable[GradedSet]:
    given = options.extra
    wanted = set(given.sets or ())
    makers: dict[str, Callable[[], GradedSet]] = {
        "marketplace": lambda: marketplace(given.requests, seed=0),
        "mq2008": lambda: mq2008(given.data / "mq2008"),
        "lightgbm_lambdarank": lambda: lightgbm_example(given.data / "lightgbm_lambdarank"),
    }
    for entry in given.letor:
        name, _, folder = entry.partition("=")
        makers[name] = partial(letor, name, Path(folder), relevant_grade=2)
    return [make() for name, make in makers.items() if not wanted or name in wanted]


def _prepared(graded: GradedSet, seed: int, work: Path) -> Path:
    """The file of the set's task for `seed`, made when it is absent or of other lists."""
    work.mkdir(parents=True, exist_ok=True)
    content = hashlib.sha256(graded.train.features.tobytes() + graded.test.features.tobytes()).hexdigest()[:8]
    file = work / f"{graded.name}-{content}-{seed}.task"
    if not file.exists():
        partial = file.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(prepare(graded, seed)))
        partial.rename(file)
    return file


def _run(task: Path, fit: str, seed: int, out: Path) -> str | None:
    """Run one fit unless its result is there; what it said when it failed."""
    if out.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.ranking_job", str(task), fit, str(seed), str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{task.stem} {fit}: {finished.stderr.strip()[-2000:]}" if finished.returncode else None


def _collected(files: Iterable[Path]) -> dict[str, list[Values]]:
    """For every row one dictionary of per-request values a seed."""
    results: dict[str, list[Values]] = {}
    for file in files:
        if not file.exists():
            continue
        by_row: dict[str, Values] = {}
        with np.load(file) as arrays:
            for key in arrays.files:
                row, _, metric = key.rpartition("/")
                by_row.setdefault(row, {})[metric] = arrays[key]
        for row, values in by_row.items():
            results.setdefault(row, []).append(values)
    return results


def _by_request(values: list[Values], metric: str) -> np.ndarray:
    """Mean over seeds of each request's value, nan where the request has no click for any seed."""
    stacked = np.stack([value[metric] for value in values])
    counted = (~np.isnan(stacked)).sum(axis=0)
    return np.where(counted > 0, np.nansum(stacked, axis=0) / np.maximum(counted, 1), np.nan)


def _rows(name: str, results: dict[str, list[Values]]) -> list[dict[str, Any]]:
    """A table row each, best NDCG@10 first, with the difference to the base order's NDCG@10."""
    rows = []
    for row, values in results.items():
        means = {metric: _by_request(values, metric) for metric in (*QUALITY, "rank_gain", NEW_CLICKS)}
        shown: dict[str, Any] = {"set": name, "ranker": row, "seeds": len(values)}
        for metric in QUALITY:
            interval = bootstrap_interval(means[metric])
            shown[metric] = interval.value
            shown[f"{metric} interval"] = f"[{interval.low:.4f}, {interval.high:.4f}]"
        difference = paired_difference_interval(means["ndcg_at_10"], _by_request(results[BASE_ROW], "ndcg_at_10"))
        shown["NDCG@10 over base"] = f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
        shown["sd over seeds"] = float(np.std([np.nanmean(value["ndcg_at_10"]) for value in values]))
        shown["rank gain"] = float(np.nanmean(means["rank_gain"]))
        shown["new clicks in 5"] = float(np.mean(means[NEW_CLICKS]))
        shown["seconds"] = float(np.mean([value["seconds"][0] for value in values]))
        rows.append(shown)
    return sorted(rows, key=lambda row: -row["ndcg_at_10"])


def _figures(name: str, results: dict[str, list[Values]]) -> dict[str, float]:
    """How far the best seq2slate stands above the best other row, by metric, and the base order's value."""
    figures = {}
    for metric in QUALITY:
        values = {row: _by_request(seeds, metric) for row, seeds in results.items()}
        means = {row: float(np.nanmean(by_request)) for row, by_request in values.items()}
        ours = {row: value for row, value in means.items() if row.startswith("seq2slate")}
        others = {row: value for row, value in means.items() if row not in ours}
        if ours and others:
            best, rival = max(ours, key=ours.__getitem__), max(others, key=others.__getitem__)
            ahead = paired_difference_interval(values[best], values[rival])
            figures |= {
                f"{name}_{metric}_best_seq2slate": means[best],
                f"{name}_{metric}_best_other": means[rival],
                f"{name}_{metric}_ahead_low": ahead.low,
                f"{name}_{metric}_ahead_high": ahead.high,
            }
        figures[f"{name}_{metric}_base"] = means[BASE_ROW]
    return figures


if __name__ == "__main__":
    main()
