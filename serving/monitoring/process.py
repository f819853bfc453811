"""What one process of the service shows of itself, as configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from serving.config import MonitoringConfig
from serving.monitoring.calls import CallObserver
from serving.rpc.observer import NoObserver, Observer
from serving.rpc.registration import Wrap

if TYPE_CHECKING:
    from aiohttp import web

    from serving.batching.batcher import Batch
    from serving.images import StageRun
    from serving.monitoring.http import HttpServer
    from serving.monitoring.metrics import Metrics
    from serving.monitoring.tracing import Tracing
    from serving.runtime.query import Slate
    from serving.shared_ports import SharedPorts


class Monitoring:
    """Metrics where there is HTTP to show them, calls in the log, and traces.

    Args:
        config: section `monitoring`.
        not_ready: why the service takes no traffic; empty: it does.
        deciles_of: the base scores' deciles that a bundle promises.
        waiting: requests in the queue now.
        ports: in place of the configured one, where other processes listen on it too.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        not_ready: Callable[[], str],
        deciles_of: Callable[[str], Sequence[float] | None],
        waiting: Callable[[], int],
        ports: SharedPorts | None = None,
    ) -> None:
        self._config, self._not_ready, self._ports = config, not_ready, ports
        self._waiting = waiting
        self.metrics: Metrics | None = None
        self.http: HttpServer | None = None
        if config.port is not None:
            from serving.monitoring.metrics import Metrics

            self.metrics = Metrics(deciles_of)
        self.tracing: Tracing | None = None
        if config.traces != "none":
            from serving.monitoring.tracing import Tracing, exporter_of

            self.tracing = Tracing(exporter_of(config.traces), config.trace_share)
        span = None if self.tracing is None else self.tracing.call
        self._calls = CallObserver(self.metrics, config.log_calls, span)
        self._observes_calls = self.metrics is not None or self.tracing is not None or config.log_calls != "none"

    @property
    def observer(self) -> Observer:
        """For the services."""
        return _Both(self.metrics or NoObserver(), self.tracing)

    @property
    def wraps(self) -> Sequence[Wrap]:
        """Around every method of the server."""
        return [self._calls.wrap] if self._observes_calls else []

    @property
    def port(self) -> int | None:
        """Of HTTP, once it is started; None without."""
        return None if self.http is None else self.http.port

    def batch(self, batch: Batch) -> None:
        """Requests were ranked together."""
        if self.metrics is not None:
            self.metrics.batch(batch, self._waiting())

    def cascade(self, run: StageRun) -> None:
        """A stage of the image cascade read a batch."""
        if self.metrics is not None:
            self.metrics.cascade(run)

    def torn(self, count: int) -> None:
        """Bytes were cut off the event log when it was opened."""
        if self.metrics is not None:
            self.metrics.torn(count)

    def in_service(self, version: str) -> None:
        """Another bundle ranks most requests."""
        if self.metrics is not None:
            self.metrics.in_service(version)

    async def start(self, mounted: Mapping[str, web.Application]) -> None:
        """Serve HTTP, with applications by the path they are under.

        Raises:
            ServiceError: the address is in use or not this machine's.
        """
        if self.metrics is not None and self._config.port is not None:
            from serving.monitoring.http import HttpServer

            shared = self._ports is not None and self._ports.http is not None
            port = self._ports.http if self._ports is not None and self._ports.http is not None else self._config.port
            self.http = HttpServer(self.metrics, self._not_ready, self._config.host, port, shared, mounted)
            await self.http.start()

    async def stop(self) -> None:
        """Close the port of HTTP, and send what is left of the traces."""
        if self.http is not None:
            await self.http.stop()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)


class _Both:
    """Metrics are told of what happens, and traces of what was ranked."""

    def __init__(self, metrics: Metrics | NoObserver, tracing: Tracing | None) -> None:
        self.shed, self.looked_up, self.events = metrics.shed, metrics.looked_up, metrics.events
        self._tracing = tracing

    def ranked(self, slate: Slate) -> None:
        """A request of the current call was ranked."""
        if self._tracing is not None:
            self._tracing.ranked(slate)
