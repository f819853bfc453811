"""How often do slices block a push wrongly, and how much harm in one slice do they find?

Fifty slices of 120 requests each, compared request by request, run after run until the time is over. In each world all
slices are equal in the mean, so every blocked run is an error; then one slice loses the stated amount, on a third of
its requests. Four rules judge the same runs at 95 %: a slice blocks when its bound is below zero.

The worlds: `equal rankers` order simulated requests by worth with independent noise, and the differences are those of
their NDCG@10; `rare gains` lose 0.1 on 18 requests of a hundred and gain 0.9 on two; `rare losses` the reverse.

Time is that of 500 slices of 100,000 requests over that of one bootstrap of all of them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from benchmarks.harness import Options, parse_options, report
from ranking.lists import RankingLists
from ranking.metrics import (
    bootstrap_interval,
    evaluate_lists,
    group_moments,
    sliced_mean_intervals,
    upper_mean_bounds,
)

NEEDS = {"minutes": 10, "least": 1}
SLICES, REQUESTS, CONFIDENCE, SAMPLES = 50, 120, 0.95, 1000
LOSSES = (0.0, 0.05, 0.1)
LIST_SIZE, POOL, NOISE = 8, 40_000, 0.7
TAIL = (1.0 - CONFIDENCE) / SLICES
GROUPS = np.repeat(np.arange(SLICES), REQUESTS)[:, None]
TIMED_REQUESTS, TIMED_SLICES = 100_000, 500


@dataclass
class Tally:
    """Of the runs with one loss in one world, by rule: those blocked, and those where the harmed slice came first."""

    runs: int
    blocked: dict[str, int]
    first: dict[str, int]


def main() -> None:
    """Judge runs of all worlds in turn until the budget is spent, then time, and report."""
    options = parse_options("slices", __doc__ or "")
    pools = {"equal rankers": _equal_rankers(), "rare gains": _rare(0.9), "rare losses": _rare(-0.9)}
    tallies = {
        (world, loss): Tally(0, dict.fromkeys(RULES, 0), dict.fromkeys(RULES, 0)) for world in pools for loss in LOSSES
    }
    end = time.monotonic() + 60 * options.budget
    for seed in itertools.count():
        for (world, loss), tally in tallies.items():
            _judge(pools[world], loss, seed, tally)
        if time.monotonic() > end:
            break
    _report(options, tallies)


def _judge(pool: NDArray[np.float64], loss: float, seed: int, tally: Tally) -> None:
    rng = np.random.default_rng([seed, round(1000 * loss)])
    values = rng.choice(pool, size=SLICES * REQUESTS)
    # The first slice is harmed, on a third of its requests.
    values[:REQUESTS] -= 3.0 * loss * (rng.random(REQUESTS) < 1 / 3)
    tally.runs += 1
    for name, bounds_of in RULES.items():
        bounds = bounds_of(values, seed)
        tally.blocked[name] += bool((bounds < 0).any())
        tally.first[name] += bool(bounds[0] < 0 and bounds[0] == bounds.min())


def _own_intervals(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return sliced_mean_intervals(values[:, None], GROUPS, SLICES, CONFIDENCE, SAMPLES, seed).high[:, 0]


def _bootstrap(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return sliced_mean_intervals(values[:, None], GROUPS, SLICES, 1.0 - 2.0 * TAIL, SAMPLES, seed).high[:, 0]


def _student(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    moments = group_moments(values, GROUPS, SLICES)
    bounds: NDArray[np.float64] = moments.mean - moments.deviation * stdtrit(REQUESTS - 1, TAIL) / np.sqrt(REQUESTS)
    return bounds


def _ours(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    return upper_mean_bounds(group_moments(values, GROUPS, SLICES), float(values.max()), TAIL)


RULES: dict[str, Callable[[NDArray[np.float64], int], NDArray[np.float64]]] = {
    "each slice's own interval": _own_intervals,
    "bootstrap, corrected": _bootstrap,
    "Student, corrected": _student,
    "Seriatim": _ours,
}


def _equal_rankers() -> NDArray[np.float64]:
    """Differences in NDCG@10 of two rankers that may be exchanged, both ways round."""
    rng = np.random.default_rng(0)
    worth = rng.normal(size=(POOL, LIST_SIZE))
    clicks = np.zeros(worth.shape, np.float32)
    np.put_along_axis(clicks, np.argsort(-worth, axis=1)[:, :2], 1, axis=1)
    lists = RankingLists(
        request_ids=np.arange(POOL).astype(str).astype(object),
        offsets=np.arange(POOL + 1, dtype=np.int64) * LIST_SIZE,
        item_ids=np.arange(worth.size).astype(str).astype(object),
        features=np.zeros((worth.size, 1), np.float32),
        feature_names=("context_none",),
    )
    one, other = (
        evaluate_lists(lists, worth.ravel() + NOISE * rng.normal(size=worth.size), clicks.ravel())["ndcg_at_10"]
        for _ in range(2)
    )
    return np.concatenate([one - other, other - one])


def _rare(value: float) -> NDArray[np.float64]:
    """Two of a hundred at `value`, eighteen so that the mean is 0."""
    return np.repeat([value, -value / 9.0, 0.0], [2, 18, 80])


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _times() -> tuple[float, float]:
    """Seconds of one bootstrap of all requests, and of the same for every slice."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=TIMED_REQUESTS)
    slices = rng.integers(0, TIMED_SLICES, (TIMED_REQUESTS, 1))
    whole = _seconds(lambda: bootstrap_interval(values, CONFIDENCE, SAMPLES))
    sliced = _seconds(lambda: sliced_mean_intervals(values[:, None], slices, TIMED_SLICES, CONFIDENCE, SAMPLES))
    return whole, sliced


def _report(options: Options, tallies: dict[tuple[str, float], Tally]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "world": world,
            "loss in one slice": loss,
            "rule": rule,
            "runs": tally.runs,
            "blocked": tally.blocked[rule] / tally.runs,
            "harmed slice first": tally.first[rule] / tally.runs if loss else "",
        }
        for (world, loss), tally in tallies.items()
        for rule in RULES
    ]
    whole, sliced = _times()
    figures = {"500_slices_over_one_bootstrap_in_time": sliced / whole}
    for (world, loss), tally in tallies.items():
        kind = "found" if loss else "wrongly_blocked"
        ending = f"_{loss:g}" if loss else ""
        figures[f"{world.replace(' ', '_')}_{kind}{ending}"] = tally.blocked["Seriatim"] / tally.runs
    settings = {"slices": SLICES, "requests_a_slice": REQUESTS, "confidence": CONFIDENCE, "resamples": SAMPLES}
    report(options, settings, figures, rows)


if __name__ == "__main__":
    main()
