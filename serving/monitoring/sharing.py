"""Metrics of several processes in one folder, so that any of them can answer for all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from serving.config import ServiceConfig

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics(config: ServiceConfig) -> Iterator[None]:
    """Give the processes that are started within a folder for their metrics; it goes when they have ended."""
    if config.monitoring.port is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="seriatim-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER]


def forget_process(pid: int | None) -> None:
    """Drop the gauges of a process that died; its counters go on counting."""
    folder = os.environ.get(SHARED_FOLDER)
    if folder is not None and pid is not None:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, folder)
