"""A service in a process of its own: its memory, its workers, its end."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import yaml

from serving.commands.rank import READY_LINE

PATIENCE = 60
LISTENING = "0A"


class ServedProcess:
    """`seriatim serve`; `target` is its address, `metrics` that of its metrics, where it has some."""

    def __init__(self, process, target, metrics):
        self.process, self.target, self.metrics = process, target, metrics
        self._status = Path(f"/proc/{process.pid}/status")
        self._peak_reset = Path(f"/proc/{process.pid}/clear_refs")

    def workers(self):
        """Process ids of the workers that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children if Path(f"/proc/{pid}").exists()}
        return [int(pid) for pid, line in lines.items() if b"spawn_main" in line]

    def listeners(self):
        """Sockets that listen on the port."""
        port = f":{int(self.target.rsplit(':', 1)[1]):04X}"
        # gRPC listens on IPv4 addresses through sockets of IPv6.
        tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        rows = [row.split() for table in tables for row in table]
        return sum(row[1].endswith(port) and row[3] == LISTENING for row in rows)

    def resident_bytes(self):
        return self._field("VmRSS")

    def peak_bytes(self):
        """The most it held since `forget_peak`."""
        return self._field("VmHWM")

    def forget_peak(self):
        self._peak_reset.write_text("5")

    def _field(self, name):
        fields = dict(line.split(":", 1) for line in self._status.read_text().splitlines())
        return 1024 * int(fields[name].split()[0])


def serve_command(folder, config, *arguments):
    """The command line that serves `config`, which is written into `folder`."""
    path = folder / "service.yaml"
    path.write_text(yaml.safe_dump({"listen": {"port": 0}, **config}), encoding="utf-8")
    return [sys.executable, "-m", "seriatim", "serve", "--config", str(path), *map(str, arguments)]


@contextlib.contextmanager
def serving_process(folder, config, *arguments):
    """A `ServedProcess`; the block's end sends it SIGTERM, unless it ended before, and it must end with status 0."""
    process = subprocess.Popen(
        serve_command(folder, config, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield _ready(process)
    finally:
        killed = process.poll() == -signal.SIGKILL
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    assert killed or process.returncode == 0, errors


@contextlib.contextmanager
def served_process(bundle, folder, **limits):
    """A `ServedProcess` on one bundle, with `limits` of the configuration."""
    with serving_process(folder, {"limits": limits}, "--bundle", bundle.folder) as served:
        yield served


def wait_for_end(pid):
    """Return when the process is gone; it need not be ours."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], PATIENCE)[0], f"process {pid} lives on"
    finally:
        os.close(watched)


def until(condition):
    """Return when the condition holds."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        pause.wait(0.02)


def _ready(process):
    metrics = None
    for line in process.stdout:
        if line.startswith("metrics on "):
            metrics = line.removeprefix("metrics on ").strip()
        if line.startswith(READY_LINE):
            return ServedProcess(process, line.removeprefix(READY_LINE).split(";")[0], metrics)
    raise AssertionError(process.stderr.read())
