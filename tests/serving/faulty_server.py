"""A real gRPC server that answers by script: what the service does not do on demand."""

import asyncio
import threading
from dataclasses import dataclass, field

import grpc
from google.rpc import code_pb2
from grpc_status import rpc_status

from serving.proto.seriatim.v1 import ranking_pb2, ranking_pb2_grpc
from serving.rpc.errors import overloaded, with_details


@dataclass
class Script(ranking_pb2_grpc.RankingServiceServicer):
    """Answers in turn; the last answer stays.

    `answers` are `ok`, `unavailable`, `busy`, `busy for long`, `failed`, or `held`, which waits for `release`.
    """

    answers: list
    asked: list = field(default_factory=list)
    cancelled: int = 0

    def __post_init__(self):
        self.release, self.held = asyncio.Event(), threading.Event()

    async def RankSlate(self, request, context):  # noqa: N802
        self.asked.append((request, dict(context.invocation_metadata())))
        kind = self.answers[min(len(self.asked), len(self.answers)) - 1]
        status = {
            "unavailable": with_details(code_pb2.UNAVAILABLE, "gone"),
            "busy": overloaded("too much", 0.01),
            "busy for long": overloaded("too much", 1000),
            "failed": with_details(code_pb2.INTERNAL, "broken"),
        }.get(kind)
        if status is not None:
            status = rpc_status.to_status(status)
            await context.abort(status.code, status.details, status.trailing_metadata)
        if kind == "held":
            self.held.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        items = [ranking_pb2.PlacedItem(item_id=request.item_ids[0])]
        return ranking_pb2.RankSlateResponse(request_id=request.request_id, items=items, bundle_version=kind)


class FaultyServer:
    """Serves a `Script` on a free port, its loop in a thread, until it is stopped."""

    def __init__(self, *answers):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.run(self._start(answers))

    async def _start(self, answers):
        self.script = Script(list(answers))
        self._server = grpc.aio.server()
        ranking_pb2_grpc.add_RankingServiceServicer_to_server(self.script, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    def run(self, coroutine):
        """The result of a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def stop(self):
        self.run(self._server.stop(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()
