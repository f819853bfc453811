"""`python -m benchmarks.all --budget MINUTES`: run every benchmark within a time, and rebuild the page of results.

Each benchmark's `NEEDS` say what it reads and how long it takes; one whose data are absent is left out by name. The
minutes are shared out: all get their least, and what remains lengthens the shortest. A benchmark that has its full
minutes brings a result worth publishing, which replaces the one in benchmarks/results/ unless that one had more; a
smaller one stays in the folder of this run. One that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks import render
from benchmarks.harness import RESULTS
from benchmarks.needs import DATA, Needs, all_needs, shares

HERE = Path(__file__).parent
# A share is an aim: a benchmark that overshoots by more than half and a minute is stopped.
PATIENCE, GRACE = 1.5, 1.0
# A share this near to the full minutes is full: what those before took longer must not make it a small one.
NEARLY = 0.98
SHOWN_LINES = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a benchmark; `why` tells of those that brought no result."""

    needs: Needs
    state: Literal["finished", "failed", "stopped", "left out"]
    minutes: float = 0.0
    full: bool = False
    why: str = ""


def main() -> None:
    """Run them, take over what is worth publishing, write both pages, and end with 1 where one brought nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=120, help="minutes for all of them together  [default: 120]")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"), help="of this run's results and logs")
    parser.add_argument("--replace", action="store_true", help="publish small results too, in place of larger ones")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of them in place of all")
    parser.add_argument("--list", action="store_true", help="say what would be run, and end")
    given = parser.parse_args()
    needs = all_needs(HERE, "benchmarks")
    names = [one.name for one in needs]
    if unknown := sorted(set(given.only or ()) - set(names)):
        parser.error(f"--only: no benchmark is called {', '.join(unknown)}; there are {', '.join(names)}")
    chosen = [one for one in needs if given.only is None or one.name in given.only]
    if given.list:
        print("\n".join(plan(chosen, given.budget)))
        return
    results = given.folder / "results"
    if results.resolve() == RESULTS.resolve():
        parser.error(f"--folder {given.folder}: the published results are there; give another")
    shutil.rmtree(results, ignore_errors=True)

    def publish(outcome: Outcome) -> None:
        # At once: what ends the others must not lose it.
        if outcome.state == "finished" and taken_over(outcome, results, RESULTS, given.replace):
            print(f"    published: benchmarks/results/{outcome.needs.name}.json")

    outcomes = run_all(chosen, given.budget, given.folder.resolve(), finish=publish)
    print("\n".join(summary(outcomes)))
    render.write_page(results, given.folder / "benchmarks.md")
    kept = render.update_pages()
    print(f"this run: {given.folder}/benchmarks.md, published: docs/benchmarks.md")
    sys.exit(bool(kept) or any(one.state in ("failed", "stopped") for one in outcomes))


def plan(needs: Sequence[Needs], minutes: float, cwd: Path = HERE.parent) -> list[str]:
    """A line for each benchmark: its share of the minutes, or why it has none."""
    reasons = {one.name: _reason(one, cwd) for one in needs}
    given = shares([one for one in needs if not reasons[one.name]], minutes)
    return [f"{one.name}: {_planned(one, given, reasons[one.name])}" for one in needs]


def _planned(needs: Needs, given: dict[str, float], reason: str) -> str:
    if reason or needs.name not in given:
        return f"left out: {reason or _too_short(needs)}"
    return f"{given[needs.name]:.1f} minutes of {needs.minutes:g}"


def run_all(
    needs: Sequence[Needs],
    minutes: float,
    folder: Path,
    cwd: Path = HERE.parent,
    say: Callable[[str], None] = print,
    finish: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run benchmarks one after another, each as a process, within `minutes` together.

    What one leaves of its share goes to those after it. Results come into `folder/results`, logs into `folder/logs`;
    `finish` is called with what became of each that was begun.
    """
    for name in ("results", "logs", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    reasons = {one.name: _reason(one, cwd) for one in needs}
    outcomes = [Outcome(one, "left out", why=reasons[one.name]) for one in needs if reasons[one.name]]
    able = [one for one in needs if not reasons[one.name]]
    first = shares(able, minutes)
    outcomes += [Outcome(one, "left out", why=_too_short(one)) for one in able if one.name not in first]
    # Who takes part is settled: one that takes longer than its share takes it from the others, down to their least.
    waiting = [one for one in able if one.name in first]
    total = len(waiting)
    while waiting:
        given = shares(waiting, max(minutes, sum(one.least for one in waiting)))
        one = waiting.pop(0)
        share = one.minutes if given[one.name] >= NEARLY * one.minutes else given[one.name]
        say(f"[{total - len(waiting)}/{total}] {one.name}: {share:.1f} minutes")
        outcomes.append(run_one(one, share, folder, cwd))
        minutes -= outcomes[-1].minutes
        say(f"    {outcomes[-1].state} after {outcomes[-1].minutes:.1f} minutes{_because(outcomes[-1])}")
        finish(outcomes[-1])
    return outcomes


def run_one(needs: Needs, share: float, folder: Path, cwd: Path) -> Outcome:
    """Run one benchmark in `share` minutes, from its beginning: what earlier runs left to go on from is not used."""
    full = share >= needs.minutes
    result, log = folder / "results" / f"{needs.name}.json", folder / "logs" / f"{needs.name}.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", needs.module, "--budget", f"{share:g}", "--out", str(result)]
    if not full:
        command += needs.small
    if needs.work:
        work = folder / "work" / needs.name
        shutil.rmtree(work, ignore_errors=True)
        command += ["--work", str(work)]
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status: int | None = process.wait(60 * (PATIENCE * share + GRACE))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _stop(process)
    minutes = (time.monotonic() - begun) / 60
    if status != 0:
        result.unlink(missing_ok=True)
    if status is None:
        return Outcome(needs, "stopped", minutes, why=f"it took longer than its {share:.1f} minutes; give more")
    if status or not result.is_file():
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:]
        return Outcome(needs, "failed", minutes, why="\n".join([f"status {status}, {log} ends with", *last]))
    return Outcome(needs, "finished", minutes, full)


def taken_over(outcome: Outcome, results: Path, published: Path, replace: bool) -> bool:
    """Copy a result among the published ones unless that would replace it by a smaller one; whether it was copied."""
    name = f"{outcome.needs.name}.json"
    new, old = _read(results / name), _read(published / name)
    # Results of before the budget was kept had the full minutes.
    had = 0.0 if old is None else old.get("budget_minutes", outcome.needs.minutes)
    fewer = old is not None and len(new["rows"]) < len(old["rows"])
    smaller = not outcome.full or new["budget_minutes"] < had or fewer
    # Hours of a GPU are not had again by minutes of a processor.
    elsewhere = old is not None and old["settings"].get("trained_on") not in (None, new["settings"].get("trained_on"))
    if (smaller or elsewhere) and not replace:
        return False
    shutil.copy(results / name, published / name)
    return True


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each state, and one for each benchmark that brought no result."""
    states = ("finished", "failed", "stopped", "left out")
    counts = [f"{sum(one.state == state for one in outcomes)} {state}" for state in states]
    lost = [f"{one.needs.name} {one.state}{_because(one)}" for one in outcomes if one.state != "finished"]
    return [*lost, ", ".join(counts)]


def _reason(needs: Needs, cwd: Path) -> str:
    """Why a benchmark cannot be run here; empty where it can."""
    if needs.by_hand:
        return needs.by_hand
    lacking = [name for name in needs.data if not (cwd / DATA / name).exists()]
    return f"no {', '.join(str(DATA / name) for name in lacking)}" if lacking else ""


def _too_short(needs: Needs) -> str:
    return f"it needs {needs.least:g} minutes at least"


def _because(outcome: Outcome) -> str:
    return f": {outcome.why}" if outcome.why else ""


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started, gently at first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


if __name__ == "__main__":
    main()
