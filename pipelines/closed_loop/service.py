"""The service in a process of its own, on a free port, gone with the block or with whoever started it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from seriatim_errors import SeriatimError, ServiceError
from serving.child_service import serve_in_child
from serving.config import (
    EventsConfig,
    ExplorationConfig,
    LimitsConfig,
    ListenConfig,
    ModelsConfig,
    ServiceConfig,
)

# Requests come as fast as they are answered here: who waits is patient, and nobody is refused.
PATIENCE_SECONDS = 60.0
START_SECONDS, STOP_SECONDS = 120.0, 20.0


def service_config(bundles: Path, events: Path, exploration_share: float) -> ServiceConfig:
    """A service of the bundles in a folder that logs its slates; its exploring share gets uniformly random ones."""
    exploring = ExplorationConfig(policy="epsilon", share=exploration_share, epsilon=1.0)
    return ServiceConfig(
        listen=ListenConfig(port=0),
        limits=LimitsConfig(queue_ms=1000 * PATIENCE_SECONDS, batch_requests=64),
        models=ModelsConfig(root=bundles),
        exploration=exploring if exploration_share > 0 else ExplorationConfig(),
        events=EventsConfig(folder=events, rotate_seconds=24 * 3600.0),
    )


@contextlib.contextmanager
def running_service(config: ServiceConfig, log: Path) -> Iterator[str]:
    """Start a service, give its address, stop it at the end of the block.

    Args:
        config: of one process.
        log: file that its messages are appended to.

    Raises:
        SeriatimError: it cannot start.
        ServiceError: it died, or did not say in time that it serves.
    """
    context = get_context("spawn")
    news, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(config, log, theirs), name="seriatim-week-service", daemon=True)
    process.start()
    theirs.close()
    try:
        yield f"{config.listen.host}:{_port(process, news, log)}"
    finally:
        process.terminate()
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        news.close()
        process.close()


def _port(process: BaseProcess, news: Connection, log: Path) -> int:
    said: int | SeriatimError | None = None
    with contextlib.suppress(EOFError):
        said = news.recv() if news.poll(START_SECONDS) else None
    if isinstance(said, SeriatimError):
        raise said
    if said is None:
        raise ServiceError(f"the week's service (process {process.pid}) did not start; its messages are in {log}")
    return said


def _serve(config: ServiceConfig, log: Path, news: Connection) -> None:
    """The life of the service's process."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    serve_in_child(config, news, lambda service: service.ports.grpc)
