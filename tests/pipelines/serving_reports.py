"""The server of reports in this process: a real socket on loopback, its event loop in a thread."""

import asyncio
import threading
import urllib.error
import urllib.parse
import urllib.request

from pipelines.report.server import ReportServer


class RunningReports:
    """A server over a folder of runs on a free port."""

    def __init__(self, runs):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = ReportServer(runs)
        self.address = self._run(self.server.start())
        self.port = urllib.parse.urlsplit(self.address).port

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def ask(self, path="", method="GET"):
        """Status, page and headers of an answer."""
        request = urllib.request.Request(self.address + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def stop(self):
        """Close the server and end its thread."""
        self._run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()
