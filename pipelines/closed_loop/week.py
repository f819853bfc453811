"""A week: the first bundle, then day and night of every arm, over the same requests and users."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet

from pipelines.closed_loop.arm import Arm
from pipelines.closed_loop.day import Served
from pipelines.closed_loop.night import NightPlan, NightResult, train_on
from pipelines.closed_loop.records import DayRecord, write_values
from pipelines.closed_loop.settings import ArmName, WeekSettings
from pipelines.closed_loop.world import World
from pipelines.config import load_config
from pipelines.run_lock import only_process_in
from pipelines.stages.push import push_bundle
from seriatim_errors import ConfigError, PipelineError
from serving.bundle import bundle_versions

SETTINGS_FILE = "settings.json"
# The first bundle is the only one that nothing is compared with: it is pushed in any case.
ANY_MARGIN = 1.0


@dataclass(frozen=True)
class Watch:
    """Calls a week makes as it goes on: `say` a line that stays, `doing` what it is at now."""

    say: Callable[[str], None]
    doing: Callable[[str], None]


@dataclass(frozen=True)
class ArmDay:
    """A finished day of an arm, and the night after it (None where it did not train)."""

    arm: ArmName
    day: int
    record: DayRecord
    served: Served
    night: NightResult | None


def run_week(config: Path, settings: WeekSettings, folder: Path, watch: Watch) -> list[ArmDay]:
    """Run a week in `folder`, or go on with one that was begun there with the same settings.

    Returns:
        Every day of every arm, day by day.

    Raises:
        ConfigError: the folder holds a week of other settings.
        PipelineError: the first bundle cannot be made, or another process works in the folder.
        ServiceError: a service cannot start.
    """
    with only_process_in(folder, "week's folder"):
        _keep_settings(folder, settings, config)
        world = World(settings)
        first = _first_bundle(config, settings, world, folder / "first", watch)
        arms = [_arm(name, config, settings, world, folder, first) for name in settings.arms]
        days = []
        for day in range(1, settings.days + 1):
            for arm in arms:
                watch.doing(f"day {day}, {arm.name}: serving")
                record, served = asyncio.run(arm.serve_day(day, first.name))
                watch.say(_told(arm.name, day, record, served))
                result = None
                if day < settings.days:
                    result = arm.train_at_night(day, partial(_at_step, watch, f"night {day}, {arm.name}"))
                if result is not None:
                    watch.say(f"  night {day} {arm.name:<10} {result.decision} ({result.seconds:.0f} s)")
                days.append(ArmDay(arm.name, day, record, served, result))
        return days


def _at_step(watch: Watch, when: str, step: str) -> None:
    watch.doing(f"{when}: {step}")


def _told(name: str, day: int, record: DayRecord, served: Served) -> str:
    line = (
        f"day {day} {name:<10} {served.clicks.mean():.3f} clicks and {served.wanted.mean():.3f} wanted items a request"
    )
    if record.canary:
        line += f"; canary {'promoted' if record.promoted else 'rolled back'}: {record.decision}"
    return line


def _keep_settings(folder: Path, settings: WeekSettings, config: Path) -> None:
    path = folder / SETTINGS_FILE
    given = {**settings.as_dict(), "pipeline": load_config(config).model_dump(mode="json")}
    if not path.exists():
        write_values(path, given)
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name in given if json.loads(json.dumps(given[name])) != known.get(name)]
    if other:
        raise ConfigError(
            f"{folder} holds a week with another {', '.join(other)}; give the same again to go on, or another --out"
        )


def _first_bundle(config: Path, settings: WeekSettings, world: World, folder: Path, watch: Watch) -> Path:
    """The bundle that all arms begin with, trained on the log of day 0; made once."""
    overrides = {
        "serving.slate_size": settings.slate_size,
        "seed": settings.seed,
        "evaluation.blessing_margin": ANY_MARGIN,
    }
    plan = NightPlan(config, overrides, folder, folder / "bundles")
    log = folder / "clicks.parquet"
    pipeline = plan.pipeline(log, "parquet")
    versions = bundle_versions(pipeline.bundle_folder)
    if not versions:
        folder.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(world.first_log(), log)
        result = train_on(plan, log, "parquet", partial(_at_step, watch, "first bundle"))
        if not result.version:
            raise PipelineError(f"the first bundle cannot be made: {result.decision}")
        watch.say(f"first bundle {result.version} from {settings.first_requests} requests ({result.seconds:.0f} s)")
        versions = [result.version]
    return pipeline.bundle_folder / versions[-1]


def _arm(name: ArmName, config: Path, settings: WeekSettings, world: World, folder: Path, first: Path) -> Arm:
    own = folder / name
    bundles = own / "bundles" / load_config(config).name
    bundles.mkdir(parents=True, exist_ok=True)
    push_bundle(first, bundles)
    return Arm(name, settings, world, config, own, bundles)
