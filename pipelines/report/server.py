"""A small web server that reads a folder of runs: their list, reports, comparisons and lineage; it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from pipelines.report.compare_page import lay_beside, render_comparison
from pipelines.report.compared_runs import read_run
from pipelines.report.lineage import read_lineage
from pipelines.report.page import render
from pipelines.report.run_folders import CONFIG_FILE
from pipelines.report.run_list import ListedRun, list_runs, run_named
from pipelines.report.served_pages import NOT_RECORDED, render_lineage, render_list, render_mistake
from seriatim_errors import DataError, SeriatimError, ServiceError

# A page may show what it holds and send its form here; it loads nothing and stands in no other page.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReportServer:
    """The server over one folder of runs, which it reads anew for every page.

    Args:
        runs: folder of runs.
        host, port: where to listen; port 0 picks a free one.

    Raises:
        DataError: `runs` is no folder that can be read.
    """

    def __init__(self, runs: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        list_runs(runs)
        self._runs, self._host, self._port = runs, host, port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen.

        Returns:
            The address of the list of runs.

        Raises:
            ServiceError: the port is in use or the address is not this machine's.
        """
        runner = web.AppRunner(runs_application(self._runs), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ServiceError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}; give another --port (0 picks "
                "a free one) or --host"
            ) from None
        self._runner = runner
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """Close every connection; nothing listens afterwards."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def runs_application(runs: Path) -> web.Application:
    """The pages over a folder of runs. Runs are found by name in the folder's list, so no path leads out of it."""
    pages = _Pages(runs)
    application = web.Application(middlewares=[_answer_mistakes])
    application.on_response_prepare.append(_with_headers)
    application.add_routes(
        [
            web.get("/", pages.front),
            web.get("/compare", pages.compare),
            web.get("/runs/{run}/report", pages.report),
            web.get("/runs/{run}/lineage", pages.lineage),
        ]
    )
    return application


class _Pages:
    """Every page is made in a thread: reading and drawing takes tenths of a second, for which others need not wait."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    async def front(self, request: web.Request) -> web.Response:
        return _page(await asyncio.to_thread(lambda: render_list(list_runs(self._runs), self._runs)))

    async def report(self, request: web.Request) -> web.Response:
        return _page(await asyncio.to_thread(self._report, request.match_info["run"]))

    async def lineage(self, request: web.Request) -> web.Response:
        return _page(await asyncio.to_thread(self._lineage, request.match_info["run"]))

    async def compare(self, request: web.Request) -> web.Response:
        return _page(await asyncio.to_thread(self._compare, request.query.getall("run", [])))

    def _report(self, name: str) -> str:
        run = run_named(name, self._runs)
        if run.metrics is None:
            raise DataError(f"run {name!r} has no report: {run.problem}")
        return render(run.metrics)

    def _lineage(self, name: str) -> str:
        run = run_named(name, self._runs)
        try:
            lineage = read_lineage(run.folder) or NOT_RECORDED
        except DataError as error:
            lineage = str(error)
        return render_lineage(run, lineage, list_runs(self._runs), _config_text(run), home="../../")

    def _compare(self, names: list[str]) -> str:
        if len(set(names)) < 2 or len(names) > len(set(names)):
            raise DataError("to compare, tick two runs or more, each once")
        found = [run_named(name, self._runs) for name in names]
        for run in found:
            if run.metrics is None:
                raise DataError(f"run {run.name!r} cannot be compared: {run.problem}")
        return render_comparison(lay_beside([read_run(run.name, run.folder) for run in found]), home="./")


def _config_text(run: ListedRun) -> str | None:
    path = run.folder / CONFIG_FILE
    if not path.is_file() or path.resolve().parent != run.folder.resolve():
        return None
    return path.read_text(encoding="utf-8", errors="replace")


def _page(content: str, status: int = 200) -> web.Response:
    return web.Response(text=content, content_type="text/html", status=status)


@web.middleware
async def _answer_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page with one sentence for what is not there or cannot be read."""
    home = "../" * (request.rel_url.raw_path.count("/") - 1) or "./"
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _page(render_mistake(f"there is no page {request.path}", home), 404)
    except SeriatimError as error:
        return _page(render_mistake(str(error), home), 404)


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
