"""The service in a child process, which ends with the process that started it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

from seriatim_errors import SeriatimError
from serving.config import ServiceConfig
from serving.monitoring.logs import start_logging
from serving.shared_ports import SharedPorts


def serve_in_child(
    config: ServiceConfig, news: Connection, when_up: Callable[[Any], Any], ports: SharedPorts | None = None
) -> None:
    """Serve until SIGTERM, or until the parent is gone; to be called in a process that multiprocessing started.

    Args:
        config: of the service.
        news: where the parent hears of the start: `when_up` of the running service, or the error that ended it.
        when_up: see there.
        ports: shared with other processes; None: of its own.
    """
    start_logging(config.monitoring.log_format)
    # Takes a second, and only this process needs it.
    from serving.service import run_service

    # Ctrl-C reaches the whole group of processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    async def live() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        loop.add_reader(parent.sentinel, stopping.set)
        await run_service(config, stopping, lambda service: news.send(when_up(service)), ports)

    try:
        asyncio.run(live())
    except SeriatimError as error:
        news.send(error)
