"""SIGKILL at random moments of scheduled runs: does the next one finish, with the same bundle, pushed once and whole?

    python -m benchmarks.kill_runs --kills 20 --budget 45 --work /tmp/kill_runs

Every trial has a folder of its own: a pipeline runs by a schedule, and at a random moment the scheduler, the run, or
both are killed. The scheduler is started again where it was killed, and works until nothing waits. The bundle is then
compared with that of a run that nobody disturbed. A killed benchmark goes on with the same `--work`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.harness import ONE_THREAD, Options, parse_options, report
from pipelines.scheduling.child import is_alive
from pipelines.scheduling.history import Run, history
from seriatim_errors import BundleError
from serving.bundle import bundle_versions, open_bundle
from serving.bundle.manifest import MANIFEST_FILE
from serving.bundle.writer import PARTIAL_PREFIX

NEEDS = {"minutes": 45, "least": 5, "small": ["--kills", "1", "--without-seq2slate"], "work": True}
SCHEDULE = "killed"
VICTIMS = ("scheduler", "run", "both")
# What of the manifest says when a bundle was made; the checksums follow from the files, which are compared themselves.
OF_ITS_TIME = ("version", "created", "files")
CONFIG = """
name: killed
seed: 3
data:
  path: {root}/market/clicks.parquet
  simulate: {{requests: {requests}, seed: 1}}
base_ranker: {{trees: 40, folds: 2}}
gate: {{hidden_sizes: [], epochs: 4, folds: 3}}
seq2slate: {seq2slate}
evaluation: {{bootstrap_samples: 100, model_analysis: false, blessing_margin: 1.0}}
serving: {{slate_size: 4, golden_requests: 3}}
run_root: {root}/runs
bundle_root: {root}/bundles
"""
SEQ2SLATE = "{hidden_size: 8, epochs: 2, learning_rate: 0.003, batch_size: 64}"
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Outcome:
    """What a trial left.

    Attributes:
        states: of its runs in order.
        bundles: versions that are there.
        partial: unfinished bundles that are there.
        files: sha256 of each of the bundle's files; of the manifest without what tells its time.
        half: whether a bundle was seen at the kill that was not whole.
    """

    states: tuple[str, ...]
    bundles: int
    partial: int
    files: dict[str, str]
    half: bool


@dataclass(frozen=True)
class Trial:
    """One kill: who was killed when, what ran then, and how it ended."""

    victim: str
    seconds: float
    component: str
    in_progress: bool
    finished: bool
    byte_equal: bool
    differing: tuple[str, ...]
    pushed: int
    half_pushed: bool


@dataclass(frozen=True)
class Moment:
    """So many components have ended, and the next one has had some seconds; the machine may be slower than it was."""

    ended: int
    seconds: float


@dataclass(frozen=True)
class Kill:
    """What was killed, and what was there then; `scheduler` is the one that still runs, if any."""

    seconds: float
    components: list[str]
    in_progress: bool
    half: bool
    scheduler: subprocess.Popen[bytes] | None


def main() -> None:
    """Kill, compare, report."""
    options = parse_options(
        "kill_runs",
        main.__doc__ or "",
        ("--kills", {"type": int, "default": 20, "help": "runs to kill"}),
        ("--requests", {"type": int, "default": 240, "help": "requests of the simulated log"}),
        ("--without-seq2slate", {"action": "store_true", "help": "a shorter pipeline, for a quick look"}),
        ("--work", {"type": Path, "default": Path("/tmp/kill_runs"), "help": "folder of intermediate results"}),
    )
    until = time.monotonic() + 60 * options.budget
    work: Path = options.extra.work.resolve()
    reference, parts = _reference(options, work)
    seconds = sum(parts)
    trials = _kept_trials(work)
    # One trial at least, so that there is something to tell of.
    while len(trials) < options.extra.kills and (not trials or time.monotonic() < until):
        number = len(trials)
        root = work / f"trial{number}"
        shutil.rmtree(root, ignore_errors=True)
        random_of_trial = random.Random(number)
        victim, moment = VICTIMS[number % len(VICTIMS)], moment_at(random_of_trial.uniform(0, seconds), parts)
        trials.append(killed_trial(prepare(root, _config(options)), victim, moment, reference))
        (work / "trials.json").write_text(json.dumps([asdict(trial) for trial in trials]), encoding="utf-8")
        print(f"{number + 1}: {trials[-1]}", flush=True)
        shutil.rmtree(root, ignore_errors=True)
    settings = {"requests": options.extra.requests, "seq2slate": not options.extra.without_seq2slate}
    report(
        options, settings, {"undisturbed_seconds": round(seconds, 1), **figures(trials)}, [asdict(t) for t in trials]
    )


def figures(trials: list[Trial]) -> dict[str, float]:
    """Counts over all trials."""
    return {
        "kills": len(trials),
        "kills_in_progress": sum(trial.in_progress for trial in trials),
        "finished": sum(trial.finished for trial in trials),
        "byte_equal": sum(trial.byte_equal for trial in trials),
        "pushed_once": sum(trial.pushed == 1 for trial in trials),
        "half_pushed": sum(trial.half_pushed for trial in trials),
    }


def prepare(root: Path, config: str) -> Path:
    """Write a configuration under `root` and ask for one run of it; returns `root`."""
    root.mkdir(parents=True)
    (root / "killed.yaml").write_text(config.replace("{root}", str(root)), encoding="utf-8")
    often = ["--every", "365d", "--backoff", "0s"]
    _seriatim("add", SCHEDULE, "--home", str(root / "home"), "--config", str(root / "killed.yaml"), *often)
    _seriatim("run-now", SCHEDULE, "--home", str(root / "home"))
    return root


def killed_trial(root: Path, victim: str, moment: Moment, reference: Outcome) -> Trial:
    """Kill `victim` when the run under `root` has come to `moment`, and let the schedulers go on."""
    since: list[float] = []

    def reached(seconds: float, components: list[str]) -> bool:
        if len(components) >= moment.ended:
            since.append(seconds)
        return len(components) > moment.ended or bool(since and seconds - since[0] >= moment.seconds)

    kill = kill_when(root, victim, reached)
    _wait(kill.scheduler or _scheduler(root))
    left = outcome(root, kill.half)
    differing = tuple(
        name for name in sorted({*left.files, *reference.files}) if left.files.get(name) != reference.files.get(name)
    )
    return Trial(
        victim=victim,
        seconds=round(kill.seconds, 2),
        component=f"after {(kill.components or ['the start'])[-1]}",
        in_progress=kill.in_progress,
        finished=left.states[-1] == "succeeded",
        byte_equal=not differing,
        differing=differing,
        pushed=left.bundles,
        half_pushed=left.half or left.partial > 0,
    )


def kill_when(root: Path, victim: str, reached: Callable[[float, list[str]], bool]) -> Kill:
    """Start a scheduler, and kill `victim` when the run is where it should be, or has ended.

    Args:
        root: of a trial whose run waits, or died.
        victim: `scheduler`, `run` or `both`.
        reached: of the seconds since the run was started and the components that have ended.
    """
    before = _newest(root)
    # One that was killed is recorded as running until the next scheduler finds it dead.
    killed = before.id if before.state == "running" else None
    scheduler = _scheduler(root)
    run = _started(root, scheduler, killed)
    since = time.monotonic()
    while _newest(root).state == "running" and not reached(time.monotonic() - since, _components(root, run)):
        time.sleep(LOOK_SECONDS)
    seconds, in_progress = time.monotonic() - since, _newest(root).state == "running"
    if victim != "run":
        scheduler.kill()
    if victim != "scheduler" and run.pid is not None and in_progress:
        # A run that ends at this very moment is gone already.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        # A large process takes its time to go; until then it would be taken for the next run.
        while is_alive(run.pid, run.process or ""):
            time.sleep(LOOK_SECONDS)
    half, components = not _whole(root), _components(root, run)
    if victim == "run":
        return Kill(seconds, components, in_progress, half, scheduler)
    scheduler.wait()
    return Kill(seconds, components, in_progress, half, None)


def finish(root: Path) -> Outcome:
    """Let a scheduler work under `root` until nothing waits."""
    _wait(_scheduler(root))
    return outcome(root, half=False)


def outcome(root: Path, half: bool) -> Outcome:
    """What lies under `root` now."""
    folder = root / "bundles" / SCHEDULE
    versions = bundle_versions(folder)
    return Outcome(
        states=tuple(run.state for run in reversed(history(root / "home", SCHEDULE, -1))),
        bundles=len(versions),
        partial=len(list(folder.glob(f"{PARTIAL_PREFIX}*"))),
        files=digests(folder / versions[-1]) if versions else {},
        half=half or not _whole(root),
    )


def digests(bundle: Path) -> dict[str, str]:
    """sha256 of a bundle's files by name, of the manifest without what tells its time."""
    found = {}
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == MANIFEST_FILE:
                manifest = json.loads(content)
                content = json.dumps({k: v for k, v in manifest.items() if k not in OF_ITS_TIME}).encode()
            found[path.relative_to(bundle).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def _config(options: Options) -> str:
    seq2slate = "null" if options.extra.without_seq2slate else SEQ2SLATE
    return CONFIG.format(root="{root}", requests=options.extra.requests, seq2slate=seq2slate)


def _reference(options: Options, work: Path) -> tuple[Outcome, list[float]]:
    """What an undisturbed run left, and its seconds before its first component and in each."""
    kept = work / "reference.json"
    if not kept.exists():
        shutil.rmtree(work / "reference", ignore_errors=True)
        found = finish(prepare(work / "reference", _config(options)))
        run = _newest(work / "reference")
        parts = [seconds for _, seconds in _ended(work / "reference", run)]
        parts.insert(0, (run.ended or 0.0) - (run.started or 0.0) - sum(parts))
        kept.write_text(json.dumps({"outcome": asdict(found), "parts": parts}), encoding="utf-8")
    values = json.loads(kept.read_text(encoding="utf-8"))
    return Outcome(**values["outcome"]), values["parts"]


def moment_at(seconds: float, parts: list[float]) -> Moment:
    """Where a run is after so many seconds that takes `parts` before its first component and in each."""
    for ended, part in enumerate(parts):
        if seconds < part:
            return Moment(ended, seconds)
        seconds -= part
    return Moment(len(parts) - 1, parts[-1])


def _kept_trials(work: Path) -> list[Trial]:
    kept = work / "trials.json"
    return [Trial(**values) for values in json.loads(kept.read_text(encoding="utf-8"))] if kept.exists() else []


def _whole(root: Path) -> bool:
    """Whether every bundle that a service would see is complete."""
    folder = root / "bundles" / SCHEDULE
    try:
        for version in bundle_versions(folder):
            open_bundle(folder / version)
    except BundleError:
        return False
    return True


def _components(root: Path, run: Run) -> list[str]:
    return [name for name, _ in _ended(root, run)]


def _ended(root: Path, run: Run) -> list[tuple[str, float]]:
    """The components that the run's log says have ended in its last attempt, with the seconds of those not cached."""
    log = root / "home" / "logs" / SCHEDULE / f"{run.id}.log"
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    lines = [line.split() for line in text.rpartition("loading TFX")[2].splitlines() if line.startswith("  ")]
    return [
        (line[0], 0.0 if line[1] == "cached" else float(line[1]))
        for line in lines
        if line[1:] == ["cached"] or (len(line) == 3 and line[2] == "s")
    ]


def _started(root: Path, scheduler: subprocess.Popen[bytes], killed: int | None) -> Run:
    """The run that this scheduler has started, which is not the one that was killed before."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        run = _newest(root)
        begun = run.id != killed and run.state == "running"
        if begun and run.pid is not None and is_alive(run.pid, run.process or ""):
            return run
        if time.monotonic() > until or scheduler.poll() is not None:
            raise TimeoutError(f"the run under {root} does not start; see {root / 'scheduler.log'}")
        time.sleep(LOOK_SECONDS)


def _newest(root: Path) -> Run:
    return history(root / "home", SCHEDULE, 1)[0]


def _seriatim(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "seriatim", "schedule", *arguments], check=True, stdout=subprocess.DEVNULL)


def _scheduler(root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "seriatim", "schedule", "start", "--home", str(root / "home"), "--until-idle"]
    environment = {**os.environ, **ONE_THREAD}
    with (root / "scheduler.log").open("ab") as log:
        return subprocess.Popen(command, stderr=log, env=environment)


def _wait(scheduler: subprocess.Popen[bytes]) -> None:
    scheduler.wait(PATIENCE_SECONDS)


if __name__ == "__main__":
    main()
