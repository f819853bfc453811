"""The process that works on a run: a child in a group of its own, which a later scheduler finds again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import seriatim_errors
from pipelines.scheduling.schedule import Schedule


@dataclass(frozen=True)
class Child:
    """A process that works on a run.

    Attributes:
        pid: its number, which is its group's too.
        process: what tells it from a later process of the same number; empty where the system does not say.
        started: its handle; None for one that an earlier scheduler started, whose exit code nobody gets to know.
    """

    pid: int
    process: str
    started: subprocess.Popen[bytes] | None

    def has_ended(self) -> bool:
        """Whether it is gone."""
        if self.started is not None:
            return self.started.poll() is not None
        return not is_alive(self.pid, self.process)

    @property
    def exit_code(self) -> int | None:
        """The exit code of one that has ended, below zero for a signal; None where it is not known."""
        return None if self.started is None else self.started.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it has started."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def run_command(schedule: Schedule) -> list[str]:
    """The command that runs a schedule's pipeline once."""
    command = [sys.executable, "-m", "seriatim", "run", "--config", str(schedule.config)]
    for key, value in schedule.overrides.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    return command


def start_child(command: Sequence[str], folder: Path, log: Path) -> Child:
    """Start a command in `folder`, with all it prints appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    code = str(Path(seriatim_errors.__file__).parent)
    # The code that the scheduler itself runs, wherever the child starts; lines come as they are printed.
    path = os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(started.pid, process_identity(started.pid), started)


def is_alive(pid: int, process: str) -> bool:
    """Whether the very process still runs that had this number then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return process == ""
    return process_identity(pid) == process


def process_identity(pid: int) -> str:
    """When a process started, in the kernel's ticks since it booted, and the boot's own name; empty if unknown."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    state, *rest = status.rpartition(")")[2].split()
    # A dead process whose parent has not asked for it yet is gone for our purposes.
    return "" if state in "ZX" else f"{boot} {rest[18]}"
