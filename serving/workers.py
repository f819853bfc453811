"""Several processes behind one port: the kernel spreads connections over them (SO_REUSEPORT)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from seriatim_errors import ServiceError
from serving.child_service import serve_in_child
from serving.config import ServiceConfig
from serving.monitoring.sharing import forget_process, shared_metrics
from serving.shared_ports import SharedPorts, shared_ports

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
SETTLED_SECONDS = 60.0
logger = logging.getLogger(__name__)


@dataclass
class _Worker:
    """One process and its history."""

    index: int
    process: BaseProcess
    news: Connection
    started: float
    pause: float


class WorkerGroup:
    """Starts `config.listen.workers` processes, starts again what dies, and stops all by handle.

    A process that dies at its start with a mistake of the user ends the group with that mistake. One that dies later
    is started again after a pause that doubles from half a second to half a minute, and is half a second again after a
    minute of life. A worker ends by itself when the group's own process is gone, however that ended.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._context = get_context("spawn")
        self._workers: list[_Worker] = []
        self._wake_up, self._woken = os.pipe()

    def run(self, ready: Callable[[SharedPorts], None]) -> None:
        """Serve until `stop`; `ready` is called with the ports once all processes serve.

        Raises:
            SeriatimError: a process cannot start.
        """
        with shared_ports(self._config) as ports, shared_metrics(self._config):
            try:
                for index in range(self._config.listen.workers):
                    self._workers.append(self._start(index, ports, FIRST_PAUSE))
                for worker in self._workers:
                    _await_ready(worker)
                ready(ports)
                self._watch(ports)
            finally:
                self._stop_all()

    def stop(self) -> None:
        """Let `run` return; may be called from a signal handler."""
        os.write(self._woken, b"s")

    def _start(self, index: int, ports: SharedPorts, pause: float) -> _Worker:
        news, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(self._config, ports, theirs), name=f"seriatim-worker-{index}", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(index, process, news, time.monotonic(), pause)

    def _watch(self, ports: SharedPorts) -> None:
        restarts: dict[int, tuple[float, float]] = {}
        while True:
            sentinels = {worker.process.sentinel: worker for worker in self._workers if worker.index not in restarts}
            due = min((moment for moment, _ in restarts.values()), default=None)
            timeout = None if due is None else max(0.0, due - time.monotonic())
            events = connection.wait([self._wake_up, *sentinels], timeout)
            if self._wake_up in events:
                return
            for event in events:
                worker = sentinels[event]  # type: ignore[index]
                lived = time.monotonic() - worker.started
                pause = FIRST_PAUSE if lived > SETTLED_SECONDS else worker.pause
                logger.error(
                    "worker %d ended with status %s after %.0f s; it starts again in %.1f s",
                    worker.index,
                    worker.process.exitcode,
                    lived,
                    pause,
                )
                forget_process(worker.process.pid)
                restarts[worker.index] = time.monotonic() + pause, min(2 * pause, LONGEST_PAUSE)
            for index, (moment, pause) in list(restarts.items()):
                if moment <= time.monotonic():
                    self._workers[index].news.close()
                    self._workers[index] = self._start(index, ports, pause)
                    del restarts[index]

    def _stop_all(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        end = time.monotonic() + self._config.listen.grace_seconds + 5
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.news.close()
        for descriptor in (self._wake_up, self._woken):
            os.close(descriptor)


def _await_ready(worker: _Worker) -> None:
    try:
        mistake = worker.news.recv()
    except EOFError:
        worker.process.join()
        raise ServiceError(
            f"worker {worker.index} ended with status {worker.process.exitcode} before it served; its messages say why"
        ) from None
    if mistake is not None:
        raise mistake


def _work(config: ServiceConfig, ports: SharedPorts, news: Connection) -> None:
    """The life of one worker process."""
    serve_in_child(config, news, lambda service: None, ports)
