"""The long-lived process: APScheduler tells what is due, the dispatcher runs it, signals end it in order."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler

from pipelines.run_lock import only_process_in
from pipelines.scheduling.database import ChangeWatch
from pipelines.scheduling.dispatch import Dispatcher
from pipelines.scheduling.history import runs_in
from pipelines.scheduling.job_store import DueTimeExecutor, ScheduleJobStore

LOGGER = logging.getLogger("seriatim.schedule")
# How soon an ended run and a command of another process are seen.
TURN_SECONDS = 0.25


def run_scheduler(home: Path, at_once: int = 1, until_idle: bool = False) -> None:
    """Run schedules until a signal ends it.

    The first SIGINT or SIGTERM lets running pipelines finish and starts no more; a second one stops them.

    Args:
        home: folder of the schedules.
        at_once: runs of different schedules at one time.
        until_idle: end once no run goes on or waits.

    Raises:
        FolderBusyError: a scheduler runs in `home` already.
    """
    with only_process_in(home, "schedules of"), _signals_counted() as signals:
        dispatcher, watch = Dispatcher(home, at_once), ChangeWatch(home)
        scheduler = BackgroundScheduler(timezone=timezone.utc)
        scheduler.add_jobstore(ScheduleJobStore(home))
        scheduler.add_executor(DueTimeExecutor())
        dispatcher.recover()
        scheduler.start()
        LOGGER.info("the scheduler runs on %s", home)
        try:
            _turn_until_ended(home, dispatcher, watch, scheduler, signals, until_idle)
        finally:
            scheduler.shutdown()
            watch.close()
        LOGGER.info("the scheduler has ended")


class _Signals:
    """Counts the signals that ask for an end, and wakes the loop."""

    def __init__(self) -> None:
        self.count = 0
        self.woken = threading.Event()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self.woken.set()


def _turn_until_ended(
    home: Path,
    dispatcher: Dispatcher,
    watch: ChangeWatch,
    scheduler: BackgroundScheduler,
    signals: _Signals,
    until_idle: bool,
) -> None:
    heard = 0
    while True:
        if signals.count > heard:
            LOGGER.info("ending: %s", "runs are stopped" if signals.count > 1 else "running pipelines may finish")
            if signals.count > 1:
                dispatcher.stop_runs()
            heard = signals.count
        dispatcher.turn(start=not heard)
        if heard and not dispatcher.busy:
            return
        if until_idle and not dispatcher.busy and not runs_in(home, "waiting", "running"):
            return
        if watch.changed():
            scheduler.wakeup()
        signals.woken.wait(TURN_SECONDS)
        signals.woken.clear()


@contextlib.contextmanager
def _signals_counted() -> Iterator[_Signals]:
    signals = _Signals()
    before = {number: signal.signal(number, signals) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
