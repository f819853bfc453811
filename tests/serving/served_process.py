"""A service in a process of its own, and what memory it holds."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import yaml

from serving.commands.rank import READY_LINE


class ServedProcess:
    """`seriatim serve` on one bundle, with `limits` of the configuration; `target` is its address."""

    def __init__(self, process, target):
        self.target, self._status = target, Path(f"/proc/{process.pid}/status")
        self._peak_reset = Path(f"/proc/{process.pid}/clear_refs")

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


@contextlib.contextmanager
def served_process(bundle, folder, **limits):
    """A `ServedProcess` that ends, with status 0, when the block does."""
    config = folder / "service.yaml"
    config.write_text(yaml.safe_dump({"listen": {"port": 0}, "limits": limits}), encoding="utf-8")
    command = [sys.executable, "-m", "seriatim", "serve", "--config", str(config), "--bundle", str(bundle.folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        line = next((line for line in process.stdout if line.startswith(READY_LINE)), None)
        assert line is not None, process.stderr.read()
        yield ServedProcess(process, line.removeprefix(READY_LINE).split(";")[0])
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
