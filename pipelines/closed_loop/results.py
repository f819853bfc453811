"""What a week tells: rewards by day and arm with intervals, paired differences between arms, decisions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.closed_loop.canary import mean_interval
from pipelines.closed_loop.records import write_values
from pipelines.closed_loop.settings import REWARDS, ArmName, Reward, WeekSettings
from pipelines.closed_loop.week import ArmDay

RESULT_FILE = "week.json"
# Which arm minus which, and whether without the requests that explored.
COMPARED: tuple[tuple[ArmName, ArmName, bool], ...] = (
    ("retrained", "static", False),
    ("exploring", "static", False),
    ("exploring", "static", True),
    ("exploring", "retrained", False),
    ("exploring", "retrained", True),
)


def week_result(settings: WeekSettings, days: Sequence[ArmDay]) -> dict[str, Any]:
    """All that `week.json` holds, as plain values."""
    return {
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "settings": settings.as_dict(),
        "days": [_day(one) for one in days],
        "differences": [
            {
                "of": of,
                "minus": minus,
                "reward": reward,
                "days": list(span),
                "requests": "greedy" if greedy_alone else "all",
                **asdict(interval),
            }
            for of, minus, greedy_alone in COMPARED
            if {of, minus} <= set(settings.arms)
            for reward in REWARDS
            for span in dict.fromkeys(((1, settings.days), last_days(settings)))
            # Of the requests: what other worlds or trainings would have given is not in the interval.
            for found in [paired_differences(days, of, minus, reward, span, greedy_alone)]
            # Where every request explores, none is left.
            if len(found)
            for interval in [mean_interval(found)]
        ],
    }


def last_days(settings: WeekSettings) -> tuple[int, int]:
    """The first and the last day of the week's second half, where tastes have settled."""
    return (settings.days + 1) // 2 + 1 if settings.days > 1 else 1, settings.days


def paired_differences(
    days: Sequence[ArmDay],
    of: ArmName,
    minus: ArmName,
    reward: Reward,
    span: tuple[int, int],
    greedy_alone: bool = False,
) -> NDArray[np.float64]:
    """Difference in reward between two arms for each request from one day to another, float64 `[requests]`.

    With `greedy_alone` requests that explored in either arm are left out, which are a share by their ids: what remains
    is what the models are worth, without the price of exploring.
    """
    kept = {(one.arm, one.day): one.served for one in days}
    parts = []
    for day in range(span[0], span[1] + 1):
        ours, theirs = kept[of, day], kept[minus, day]
        counted = ~(ours.explored | theirs.explored) if greedy_alone else np.ones(len(ours.clicks), bool)
        difference = getattr(ours, reward).astype(np.float64) - getattr(theirs, reward)
        parts.append(difference[counted])
    return np.concatenate(parts)


def write_result(result: dict[str, Any], folder: Path) -> Path:
    """Write `week.json`; returns where."""
    path = folder / RESULT_FILE
    write_values(path, result)
    return path


def _day(one: ArmDay) -> dict[str, Any]:
    record, served, night = one.record, one.served, one.night
    return {
        "day": one.day,
        "arm": one.arm,
        "requests": len(served.clicks),
        "explored": int(served.explored.sum()),
        **{reward: asdict(mean_interval(getattr(served, reward))) for reward in REWARDS},
        "requests_by_bundle": {
            str(version): int(count)
            for version, count in zip(*np.unique(served.versions, return_counts=True), strict=True)
        },
        "bundle": record.stable,
        "canary": {"version": record.canary, "promoted": record.promoted, "decision": record.decision}
        if record.canary
        else None,
        "night": None if night is None else asdict(night),
    }
