"""HTTP beside gRPC: `/metrics`, `/healthz`, `/readyz`, and what is mounted under other paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from seriatim_errors import ServiceError
from serving.monitoring.metrics import Metrics

MOST_BODY_BYTES = 1 << 20
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Nothing is loaded from elsewhere, no page of ours is framed, and no file is taken for another kind than it says.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class HttpServer:
    """Serves until it is stopped by this handle; started and stopped in one event loop.

    Args:
        metrics: shown under `/metrics`.
        not_ready: why the service takes no traffic; empty: it does.
        host, port: to listen on; port 0 picks a free one.
        share_port: whether other processes listen on it too.
        mounted: applications by the path they are under.
    """

    def __init__(
        self,
        metrics: Metrics,
        not_ready: Callable[[], str],
        host: str = "127.0.0.1",
        port: int = 0,
        share_port: bool = False,
        mounted: Mapping[str, web.Application] | None = None,
    ) -> None:
        self._metrics, self._not_ready = metrics, not_ready
        self.host, self.port, self._share_port = host, port, share_port
        guards = [_own_names_only] if host in LOOPBACK else []
        application = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=guards)
        application.on_response_prepare.append(_with_headers)
        application.add_routes(
            [
                web.get("/metrics", self._show_metrics),
                web.get("/healthz", _alive),
                web.get("/readyz", self._ready),
            ]
        )
        for path, part in (mounted or {}).items():
            # A page's own files lie beside it.
            application.router.add_get(path, _redirect(f"{path}/"))
            application.add_subapp(path, part)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> int:
        """Bind and serve.

        Returns:
            The port.

        Raises:
            ServiceError: the address is in use or not this machine's.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_port=self._share_port or None)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ServiceError(
                f"cannot listen on {self.host}:{self.port} for HTTP: {error.strerror or error}; give another "
                "monitoring.port (0 picks a free one, null serves no HTTP) or monitoring.host"
            ) from None
        self.port = self._runner.addresses[0][1]
        return self.port

    async def stop(self) -> None:
        """Let the requests in flight end and close the port."""
        await self._runner.cleanup()

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": PROMETHEUS_TEXT})

    async def _ready(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        if reason:
            return web.json_response({"ready": False, "reason": reason}, status=503)
        return web.json_response({"ready": True})


@web.middleware
async def _own_names_only(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse other names for this machine: a stranger's page may give its own name the address of loopback."""
    if request.url.host not in LOOPBACK:
        raise web.HTTPMisdirectedRequest(text=f"this service is reached as {', '.join(sorted(LOOPBACK))}")
    return await handler(request)


def _redirect(path: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMovedPermanently(path)

    return redirect


async def _alive(request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
