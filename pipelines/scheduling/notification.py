"""Tell of a failed run: a webhook that gets JSON, or a command that finds the facts in its environment."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from pipelines.scheduling.history import Run
from pipelines.scheduling.schedule import Schedule

LOGGER = logging.getLogger("seriatim.schedule")
WEBHOOK_SECONDS, COMMAND_SECONDS = 10.0, 60.0
WEBHOOK_PAUSES = (1.0, 5.0)


def facts_of(schedule: Schedule, run: Run, home: Path) -> dict[str, str | int | None]:
    """What is told of a run; times in ISO 8601, UTC."""
    return {
        "schedule": schedule.name,
        "config": str(schedule.config),
        "run": run.id,
        "trigger": run.trigger,
        "state": run.state,
        "attempts": run.attempts,
        "exit_code": run.exit_code,
        "started": _iso(run.started),
        "ended": _iso(run.ended),
        "log": None if run.log is None else str(home / run.log),
        "reason": run.reason,
    }


def notify_failure(schedule: Schedule, run: Run, home: Path) -> None:
    """Post to the schedule's webhook or run its command; what goes wrong with that is logged and nothing more."""
    facts = facts_of(schedule, run, home)
    if schedule.webhook is not None:
        post_facts(schedule.webhook, facts)
    if schedule.command is not None:
        _run_command(schedule.command, facts)


def post_facts(address: str, facts: dict[str, str | int | None], pause: Callable[[float], None] = time.sleep) -> bool:
    """Post the facts as JSON, three times at most; returns whether they were taken."""
    body = json.dumps(facts).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
    for seconds in (*WEBHOOK_PAUSES, None):
        try:
            with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):
                return True
        except (OSError, ValueError) as error:
            LOGGER.warning("webhook for run %s: %s", facts["run"], error)
        if seconds is not None:
            pause(seconds)
    LOGGER.error("webhook for run %s was not taken; it is not tried again", facts["run"])
    return False


def _run_command(command: str, facts: dict[str, str | int | None]) -> None:
    told = {f"SERIATIM_{name.upper()}": "" if value is None else str(value) for name, value in facts.items()}
    try:
        done = subprocess.run(
            shlex.split(command),
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        LOGGER.error("command on failure of run %s: %s", facts["run"], error)
        return
    if done.returncode:
        LOGGER.error("command on failure of run %s ended with %s: %s", facts["run"], done.returncode, done.stderr)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
