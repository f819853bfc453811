"""Does training every night on the service's own log pay, and does exploration? Simulated weeks over several seeds.

A week is `seriatim simulate week`: the real service, event log, pipeline and canaries in a marketplace whose tastes
move (drift 1) or stand still (drift 0). The three arms meet the same requests and users, so that differences are paired
by request; what another world or another training would have given shows between the seeds. Weeks are kept in `--work`
and gone on with; a new one is begun only while the budget lasts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.harness import parse_options, report
from pipelines.closed_loop.results import PAIRS, last_days, paired_differences
from pipelines.closed_loop.settings import ARMS, REWARDS, WeekSettings
from pipelines.closed_loop.week import ArmDay, Watch, run_week

CONFIG = Path("configs/closed_loop.yaml")
DRIFTS = (1.0, 0.0)
CONFIDENCE = 0.95
Weeks = dict[float, list[list[ArmDay]]]


def main() -> None:
    options = parse_options(
        "closed_loop",
        __doc__,
        ("--seeds", {"type": int, "default": 3, "help": "weeks of each drift, at most"}),
        ("--days", {"type": int, "default": 7}),
        ("--requests-per-day", {"type": int, "default": 3000}),
        ("--work", {"type": Path, "default": Path("runs/closed_loop"), "help": "folder of the weeks"}),
    )
    given, end = options.extra, time.monotonic() + 60 * options.budget
    weeks: Weeks = {drift: [] for drift in DRIFTS}
    for seed, drift in product(range(given.seeds), DRIFTS):
        if any(weeks.values()) and time.monotonic() > end:
            break
        settings = WeekSettings(days=given.days, requests_per_day=given.requests_per_day, drift=drift, seed=seed)
        folder = given.work / f"drift-{drift:g}-seed-{seed}"
        weeks[drift].append(run_week(CONFIG, settings, folder, Watch(_say, lambda step: None)))
    first, last = last_days(settings)
    weeks = {drift: found for drift, found in weeks.items() if found}
    shown = {
        "days": given.days,
        "requests_per_day": given.requests_per_day,
        "exploration_share": settings.exploration_share,
        "last_days": f"{first} to {last}",
        "weeks": {f"drift {drift:g}": len(found) for drift, found in weeks.items()},
    }
    rows = [_row(drift, day, arm, found) for drift, found in weeks.items() for day in _days(found) for arm in ARMS]
    report(options, shown, differences(weeks, (first, last)), rows)


def differences(weeks: Weeks, span: tuple[int, int]) -> dict[str, float]:
    """Every pair's difference over some days, with its interval of requests and, from two weeks on, that of weeks."""
    figures = {}
    for drift, found in weeks.items():
        for (of, minus), reward, greedy_alone in product(PAIRS, REWARDS, (False, True)):
            if greedy_alone and "exploring" not in (of, minus):
                continue
            paired = [paired_differences(week, of, minus, reward, span, greedy_alone) for week in found]
            means = np.array([values.mean() for values in paired])
            counted = ", random slates left out" if greedy_alone else ""
            name = f"{of} minus {minus}, {reward}, drift {drift:g}{counted}"
            error = np.sqrt(sum(values.var(ddof=1) / len(values) for values in paired)) / len(paired)
            figures[name] = float(means.mean())
            low, high = stats.norm.interval(CONFIDENCE, means.mean(), error)
            figures |= {f"{name}, low by requests": float(low), f"{name}, high by requests": float(high)}
            if len(means) > 1 and means.std() > 0:
                spread = means.std(ddof=1) / np.sqrt(len(means))
                low, high = stats.t.interval(CONFIDENCE, len(means) - 1, means.mean(), spread)
                figures |= {f"{name}, low by weeks": float(low), f"{name}, high by weeks": float(high)}
    return figures


def _days(weeks: Sequence[Sequence[ArmDay]]) -> list[int]:
    return sorted({one.day for one in weeks[0]})


def _row(drift: float, day: int, arm: str, weeks: Sequence[Sequence[ArmDay]]) -> dict[str, Any]:
    """A day of an arm over all weeks; intervals are of requests."""
    chosen = [one for week in weeks for one in week if (one.day, one.arm) == (day, arm)]
    row: dict[str, Any] = {"drift": drift, "day": day, "arm": arm}
    for reward in REWARDS:
        values = np.concatenate([getattr(one.served, reward) for one in chosen]).astype(np.float64)
        low, high = stats.norm.interval(CONFIDENCE, values.mean(), values.std(ddof=1) / np.sqrt(len(values)))
        row |= {reward: float(values.mean()), f"{reward} low": float(low), f"{reward} high": float(high)}
    tried = [one.record for one in chosen if one.record.canary]
    row["canaries promoted"] = f"{sum(record.promoted for record in tried)} of {len(tried)}"
    return row


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
