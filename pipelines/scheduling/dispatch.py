"""Start the runs that wait, one a schedule, and write down what becomes of them."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.run_lock import FolderBusyError
from pipelines.scheduling.child import Child, is_alive, run_command, start_child
from pipelines.scheduling.durations import in_words
from pipelines.scheduling.history import (
    Run,
    begin_attempt,
    deaths_in_a_row,
    died_and_resumed,
    find_run,
    finish_run,
    note_process,
    runs_in,
    startable,
    wait_again,
)
from pipelines.scheduling.notification import notify_failure
from pipelines.scheduling.outcome import bundle_of, error_in
from pipelines.scheduling.schedule import Schedule
from pipelines.scheduling.schedule_store import find_schedule
from seriatim_errors import ConfigError

LOGGER = logging.getLogger("seriatim.schedule")
# A wrong command line and a wrong configuration stay wrong however often they are tried.
NOT_RETRIED = (2, ConfigError.exit_code)
# A run that takes the machine down with it, for its memory perhaps, would do so for ever.
MOST_DEATHS = 5
BUSY_PAUSE_SECONDS = 10.0
STOP_PATIENCE_SECONDS = 10.0


class Dispatcher:
    """Runs the runs.

    Args:
        home: folder of the schedules.
        at_once: runs of different schedules at one time.
        command_of: the command of a schedule's run.
        notify: called in a thread of its own when a run has failed for good.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        home: Path,
        at_once: int = 1,
        command_of: Callable[[Schedule], list[str]] = run_command,
        notify: Callable[[Schedule, Run, Path], None] = notify_failure,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._at_once = home, at_once
        self._command_of, self._notify, self._clock = command_of, notify, clock
        self._children: dict[int, Child] = {}
        self._pruning: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped: float | None = None

    def recover(self) -> None:
        """Take up what an earlier scheduler left: runs that still run are watched, dead ones run again at once."""
        for run in runs_in(self._home, "running"):
            if run.pid is not None and is_alive(run.pid, run.process or ""):
                LOGGER.info("run %s of %s still runs as process %s", run.id, run.schedule, run.pid)
                self._children[run.id] = Child(run.pid, run.process or "", None)
            else:
                self._resume(run)

    def turn(self, start: bool = True) -> None:
        """See which runs have ended, and start those that may; with `start` false none."""
        self._pruning = {name: process for name, process in self._pruning.items() if process.poll() is None}
        for number, child in list(self._children.items()):
            if child.has_ended():
                del self._children[number]
                self._conclude(number, child)
        if self._stopped is not None and self._clock() - self._stopped > STOP_PATIENCE_SECONDS:
            for child in self._children.values():
                child.send(signal.SIGKILL)
        if start:
            self._start_waiting()

    @property
    def busy(self) -> bool:
        """Whether a run or what follows it goes on."""
        return bool(self._children or self._pruning)

    def stop_runs(self) -> None:
        """End the runs that go on; they are written down as stopped, and not tried again."""
        self._stopped = self._clock()
        for child in self._children.values():
            child.send(signal.SIGTERM)

    def _start_waiting(self) -> None:
        for run in startable(self._home, self._clock()):
            if len(self._children) >= self._at_once:
                return
            stored = find_schedule(self._home, run.schedule)
            if stored is not None and run.schedule not in self._pruning:
                self._start(run, stored.schedule)

    def _start(self, run: Run, schedule: Schedule) -> None:
        begun = begin_attempt(self._home, run, self._clock())
        if begun is None or begun.log is None:
            return
        log = self._home / begun.log
        try:
            child = start_child(self._command_of(schedule), schedule.folder, log)
        except OSError as error:
            self._fail(begun, schedule, None, f"cannot be started: {error}")
            return
        note_process(self._home, begun.id, child.pid, child.process)
        self._children[begun.id] = child
        LOGGER.info("run %s of %s started (%s, attempt %s)", begun.id, begun.schedule, begun.trigger, begun.attempts)

    def _conclude(self, number: int, child: Child) -> None:
        run = find_run(self._home, number)
        if run is None or run.log is None:
            return
        stored, code = find_schedule(self._home, run.schedule), child.exit_code
        log = self._home / run.log
        if self._stopped is not None and code != 0:
            finish_run(self._home, run.id, "stopped", self._clock(), code, "stopped with the scheduler")
            LOGGER.info("run %s of %s stopped", run.id, run.schedule)
        elif child.started is None:
            self._resume(run)
        elif code == 0:
            self._succeed(run, None if stored is None else stored.schedule, log)
        elif stored is None:
            finish_run(self._home, run.id, "failed", self._clock(), code, "its schedule was removed meanwhile")
        elif code == FolderBusyError.exit_code:
            again = self._clock() + BUSY_PAUSE_SECONDS
            wait_again(self._home, run, again, code, error_in(log), counted=False)
            LOGGER.info("run %s of %s waits: %s", run.id, run.schedule, error_in(log))
        elif code in NOT_RETRIED or run.attempts > stored.schedule.retries:
            self._fail(run, stored.schedule, code, error_in(log))
        else:
            pause = stored.schedule.backoff * 2 ** (run.attempts - 1)
            wait_again(self._home, run, self._clock() + pause, code or 0, error_in(log))
            LOGGER.warning("run %s of %s failed, again in %s", run.id, run.schedule, in_words(pause))

    def _succeed(self, run: Run, schedule: Schedule | None, log: Path) -> None:
        bundle = None if schedule is None else bundle_of(schedule)
        finish_run(self._home, run.id, "succeeded", self._clock(), 0, None, bundle)
        LOGGER.info("run %s of %s succeeded, bundle %s", run.id, run.schedule, bundle or "-")
        if schedule is not None and (schedule.keep_runs is not None or schedule.keep_bundles is not None):
            prune = [sys.executable, "-m", "seriatim", "schedule", "prune", schedule.name]
            child = start_child([*prune, "--home", str(self._home.resolve())], schedule.folder, log)
            if child.started is not None:
                self._pruning[schedule.name] = child.started

    def _fail(self, run: Run, schedule: Schedule, code: int | None, reason: str) -> None:
        finish_run(self._home, run.id, "failed", self._clock(), code, reason)
        LOGGER.error("run %s of %s failed: %s", run.id, run.schedule, reason)
        failed = find_run(self._home, run.id)
        # A webhook may take its time; it must not hold up the other schedules.
        threading.Thread(target=self._notify, args=(schedule, failed, self._home)).start()

    def _resume(self, run: Run) -> None:
        stored = find_schedule(self._home, run.schedule)
        if stored is not None and deaths_in_a_row(self._home, run.schedule) + 1 >= MOST_DEATHS:
            reason = f"{MOST_DEATHS} runs in a row died with their scheduler or unseen; it is not resumed again"
            self._fail(run, stored.schedule, None, reason)
            return
        resumed = died_and_resumed(self._home, run, self._clock())
        if resumed is not None:
            LOGGER.warning("run %s of %s died, run %s resumes it", run.id, run.schedule, resumed.id)
