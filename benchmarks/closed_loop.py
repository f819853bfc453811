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

from benchmarks.harness import parse_options, report
from benchmarks.paired_interval import paired_interval
from pipelines.closed_loop.canary import mean_interval
from pipelines.closed_loop.results import COMPARED, last_days, paired_differences
from pipelines.closed_loop.settings import ARMS, REWARDS, ArmName, WeekSettings
from pipelines.closed_loop.week import ArmDay, Watch, run_week

NEEDS = {"minutes": 60, "least": 4, "small": ["--seeds", "1", "--days", "3", "--requests-per-day", "300"], "work": True}
CONFIG = Path("configs/closed_loop.yaml")
DRIFTS = (1.0, 0.0)
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
    rows = []
    for drift, found in weeks.items():
        rows += [_row(drift, day, arm, found) for day in range(1, given.days + 1) for arm in ARMS]
        rows += [_difference(drift, *compared, (first, last), found) for compared in COMPARED]
    report(options, shown, headline(weeks, (first, last)), rows)


def headline(weeks: Weeks, span: tuple[int, int]) -> dict[str, float]:
    """What exploring earns more than the others in the last days, with its interval over weeks where there are two."""
    figures = {}
    for (drift, found), minus, reward in product(weeks.items(), ("static", "retrained"), REWARDS):
        means = np.array([paired_differences(week, "exploring", minus, reward, span).mean() for week in found])  # type: ignore[arg-type]
        name = f"exploring minus {minus}, {reward}, drift {drift:g}"
        figures[name], low, high = paired_interval(means)
        if len(means) > 1:
            figures |= {f"{name}, low over weeks": low, f"{name}, high over weeks": high}
    return figures


def _difference(
    drift: float,
    of: ArmName,
    minus: ArmName,
    greedy_alone: bool,
    span: tuple[int, int],
    weeks: Sequence[Sequence[ArmDay]],
) -> dict[str, Any]:
    """A pair's difference in the last days over all weeks; intervals are of requests, each week counts alike."""
    name = f"{of} minus {minus}" + (", random slates left out" if greedy_alone else "")
    row: dict[str, Any] = {"drift": drift, "day": f"{span[0]} to {span[1]}", "arm": name}
    for reward in REWARDS:
        found = [mean_interval(paired_differences(week, of, minus, reward, span, greedy_alone)) for week in weeks]
        value = float(np.mean([one.value for one in found]))
        reach = float(np.sqrt(np.sum([(one.high - one.value) ** 2 for one in found])) / len(found))
        row |= {reward: value, f"{reward} low": value - reach, f"{reward} high": value + reach}
    row["canaries promoted"] = "-"
    return row


def _row(drift: float, day: int, arm: str, weeks: Sequence[Sequence[ArmDay]]) -> dict[str, Any]:
    """A day of an arm over all weeks; intervals are of requests."""
    chosen = [one for week in weeks for one in week if (one.day, one.arm) == (day, arm)]
    row: dict[str, Any] = {"drift": drift, "day": day, "arm": arm}
    for reward in REWARDS:
        found = mean_interval(np.concatenate([getattr(one.served, reward) for one in chosen]))
        row |= {reward: found.value, f"{reward} low": found.low, f"{reward} high": found.high}
    tried = [one.record for one in chosen if one.record.canary]
    row["canaries promoted"] = f"{sum(record.promoted for record in tried)} of {len(tried)}"
    return row


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
