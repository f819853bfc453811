"""A night: the pipeline trains on the event log as it lies there, and a blessed bundle is pushed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet

from pipelines.closed_loop.faults import inverted_log, push_bad_bundle, push_damaged_bundle
from pipelines.closed_loop.settings import BreakKind
from pipelines.config import PipelineConfig, load_config
from pipelines.readers.event_log import EventJoin
from pipelines.run import RunProgress, run
from seriatim_errors import DataError, PipelineError, TrainingError


@dataclass(frozen=True)
class NightPlan:
    """What a night works on.

    Attributes:
        config: YAML file of the pipeline.
        overrides: dotted keys laid over it.
        folder: of the night: the log that it reads, and the pipeline's run.
        bundles: where bundles are pushed, by the pipeline's name.
    """

    config: Path
    overrides: dict[str, Any]
    folder: Path
    bundles: Path

    def pipeline(self, log: Path, log_format: str) -> PipelineConfig:
        """The night's configuration for a log."""
        own: dict[str, Any] = {
            "data.path": str(log),
            "data.format": log_format,
            "data.train": [],
            "data.evaluation": [],
            "data.spans": None,
            "data.simulate": None,
            "data.items": None,
            "labeller": None,
            "images": None,
            "evaluation.off_policy": False,
            "run_root": str(self.folder),
            "bundle_root": str(self.bundles),
        }
        return load_config(self.config, {**own, **self.overrides})


@dataclass(frozen=True)
class NightResult:
    """What a night left.

    Attributes:
        version: of the bundle that takes traffic as a canary in the morning; empty for none.
        decision: what was decided and why, in a sentence.
        seconds: that it took.
    """

    version: str
    decision: str
    seconds: float


def train_on(plan: NightPlan, log: Path, log_format: str, say: Callable[[str], None]) -> NightResult:
    """Run the pipeline; one that fails, or whose bundle is not blessed, leaves the service as it is."""
    since = time.perf_counter()
    quiet = RunProgress(lambda message: None, lambda components: None, say, lambda component: None)
    try:
        finished = run(plan.pipeline(log, log_format), quiet)
    except (DataError, PipelineError, TrainingError) as error:
        return NightResult("", f"the pipeline failed: {error}", time.perf_counter() - since)
    assert finished is not None
    blessing, seconds = finished.metrics.blessing, time.perf_counter() - since
    if finished.bundle is None:
        return NightResult("", f"not blessed: {blessing.reason}", seconds)
    return NightResult(finished.bundle.name, f"blessed: {blessing.reason}", seconds)


def night(plan: NightPlan, events: list[Path], say: Callable[[str], None]) -> NightResult:
    """Train on some files of the event log."""
    return train_on(plan, _laid_out(plan, events), "event_log", say)


def broken_night(
    plan: NightPlan, events: list[Path], stable: Path, kind: BreakKind, say: Callable[[str], None]
) -> NightResult:
    """A night that goes wrong in the given way; `stable` is the bundle in service."""
    if kind == "bad_push":
        return NightResult(push_bad_bundle(stable, stable.parent), "pushed by hand, past the blessing", 0.0)
    if kind == "damaged":
        return NightResult(push_damaged_bundle(stable, stable.parent), "damaged after it was pushed", 0.0)
    log = plan.folder / "inverted.parquet"
    config = plan.pipeline(_laid_out(plan, events), "event_log")
    data, join = config.data, EventJoin(config.data.click_action, config.data.click_window)
    table = inverted_log(data.path.local, join, kind == "training_labels", config.seed, data.evaluation_share)
    pyarrow.parquet.write_table(table, log)
    return train_on(plan, log, "parquet", say)


def _laid_out(plan: NightPlan, events: list[Path]) -> Path:
    """The files in a folder of their own: the log that the pipeline is given."""
    folder = plan.folder / "events"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in events:
        shutil.copy2(file, folder / file.name)
    return folder
