"""A real Redis for tests: started on a free port, stopped, killed and frozen by its handle."""

import contextlib
import shutil
import signal
import subprocess

import pytest

from tests.free_port import free_port

PROGRAM = shutil.which("redis-server")
ATTEMPTS = 5


class RedisServer:
    """One redis-server without persistence; it forgets everything when it stops."""

    def __init__(self, *options):
        self._options, self._process = options, None
        self.port = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        """Start, on the port of the last time if there was one, and return when it accepts connections."""
        for _ in range(ATTEMPTS):
            port = self.port or free_port()
            command = [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.PIPE, text=True)
            if any("Ready to accept connections" in line for line in self._process.stdout):
                self.port = port
                return
            # Another program took the port in between.
            self.stop()
        raise AssertionError("redis-server does not start")

    def freeze(self):
        """From now on connections are accepted, by the kernel, and never answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextlib.contextmanager
def running_redis(*options):
    """A server for the time of a test; the test is skipped where the program is absent."""
    if PROGRAM is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(*options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
