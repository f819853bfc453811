"""The cascade at work: images of all requests share the batches of every stage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import ServiceError
from serving.batching.refusals import OverloadedError
from serving.images.batch_times import BatchTimes
from serving.images.decoding import ImageSource, prepared
from serving.images.manifest import CascadeManifest
from serving.images.refusals import CascadeClosedError, ImagesTooLateError, QueueFullError
from serving.images.routing import Verdict, judge
from serving.images.rows import ImageScore, Request, Row
from serving.images.stage_graph import StageAnswer, StageGraph
from serving.images.stage_queues import Batch, StageQueues
from serving.images.statistics import CascadeCounts, StageRun

DECODERS = 2
Pixels = tuple[NDArray[np.uint8], ...]


class CascadeRuntime:
    """Scores images in the event loop it is called from; made and used in one loop only.

    One thread runs the graphs, others decode; all that is shared is touched in the loop alone. `StageQueues` says which
    batch is next.

    Args:
        manifest: of the cascade.
        graphs: of its stages.
        times: the buckets and what they cost; learned on.
        delay: longest wait of a later stage's rows for others to join, seconds.
        queue_images: most images that may be decoded, wait or run.
        observe: called with every batch that was run.
    """

    def __init__(
        self,
        manifest: CascadeManifest,
        graphs: Sequence[StageGraph],
        times: BatchTimes,
        delay: float = 0.002,
        queue_images: int = 1024,
        observe: Callable[[StageRun], None] | None = None,
    ) -> None:
        self.manifest, self.counts = manifest, CascadeCounts([0] * len(graphs))
        self.observe = observe
        self._graphs, self.times, self._queue_images = graphs, times, queue_images
        self._sizes = [graph.size for graph in graphs]
        self._queues = StageQueues(len(graphs), times, delay)
        self._requests: set[Request] = set()
        self._images = 0
        self._running: Future[None] | None = None
        self._scheduled = self._closed = False
        self._worker = ThreadPoolExecutor(1, "cascade")
        self._decoders = ThreadPoolExecutor(DECODERS, "decoder")

    @property
    def waiting(self) -> int:
        """Images that are decoded, wait or run."""
        return self._images

    @property
    def queued(self) -> list[int]:
        """Images before each stage."""
        return [self._queues.waiting(stage) for stage in range(len(self._graphs))]

    async def score(self, images: Sequence[ImageSource], remaining: float | None = None) -> list[ImageScore]:
        """The scores of a request's images, in order.

        No stage reads any of them before all are decoded, so that a request with a bad image costs no stage anything.

        Args:
            images: at least one; files, or uint8 `[height, width, 3]`.
            remaining: seconds to the caller's deadline; None: no deadline.

        Raises:
            InvalidRequestError: an image is not sound.
            OverloadedError: too many images wait, or they would wait beyond the deadline.
            DeadlinePassedError: the deadline passed before the first stage had read them all.
            ServiceError: the cascade is closed, or a stage failed.
        """
        if self._closed:
            raise CascadeClosedError
        self._refuse_early(len(images), remaining)
        loop = asyncio.get_running_loop()
        request = Request(len(images), float("inf") if remaining is None else loop.time() + remaining)
        self._requests.add(request)
        self._images += len(images)
        try:
            pixels = await self._prepared(request, images)
            if None in pixels:
                self._fail_late(request)
            for place, sizes in enumerate(pixels):
                if sizes is not None:
                    self._queues.add(0, Row(request, place, sizes), loop.time())
            self._wake()
            return await request.answer
        finally:
            self._images -= len(images)
            self._requests.discard(request)
            request.abandon()

    async def close(self) -> None:
        """Fail what waits, wait for what runs and join the threads."""
        self._closed = True
        for request in self._requests:
            request.fail(CascadeClosedError())
        if self._running is not None:
            await asyncio.wrap_future(self._running)
        self._worker.shutdown()
        self._decoders.shutdown()

    def _refuse_early(self, images: int, remaining: float | None) -> None:
        backlog = self.times.backlog(0, self._queues.waiting(0))
        if self._images + images > self._queue_images:
            self.counts.refused += 1
            raise QueueFullError(images, self._images, self._queue_images, backlog)
        if remaining is not None and backlog > remaining:
            self.counts.refused += 1
            raise OverloadedError(backlog, remaining, backlog)

    async def _prepared(self, request: Request, images: Sequence[ImageSource]) -> list[Pixels | None]:
        loop = asyncio.get_running_loop()
        jobs = (
            loop.run_in_executor(self._decoders, self._prepare, loop, request, image, place)
            for place, image in enumerate(images)
        )
        return await asyncio.gather(*jobs)

    def _prepare(
        self, loop: asyncio.AbstractEventLoop, request: Request, image: ImageSource, place: int
    ) -> Pixels | None:
        """Runs in a decoder's thread; None where nobody waits for the image any more."""
        if request.over or loop.time() >= request.deadline:
            return None
        return prepared(image, self._sizes, f"images[{place}].content")

    def _wake(self) -> None:
        """Look for a batch in the loop's next round, when the requests of this one are in."""
        if self._running is None and not self._scheduled and any(self.queued):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        if self._closed or self._running is not None:
            return
        loop = asyncio.get_running_loop()
        for row in self._queues.late(loop.time()):
            self._give_up(row)
        batch = self._queues.next_batch(loop.time())
        if batch is not None:
            self._running = self._worker.submit(self._run, loop, batch)

    def _run(self, loop: asyncio.AbstractEventLoop, batch: Batch) -> None:
        """Runs in the worker's thread, and calls the loop itself: by way of a future it would take a round more."""
        begun = perf_counter()
        try:
            answer = self._graphs[batch.stage].run([row.pixels[batch.stage] for row in batch.rows], batch.bucket)
        except Exception as error:
            loop.call_soon_threadsafe(self._fail, batch, error)
        else:
            loop.call_soon_threadsafe(self._finish, batch, answer, perf_counter() - begun)

    def _finish(self, batch: Batch, answer: StageAnswer, seconds: float) -> None:
        try:
            self.times.observe(batch.stage, batch.bucket, seconds)
            self._route(batch, answer, seconds)
        except Exception as error:
            self._fail(batch, error)
        else:
            self._running = None
            self._wake()

    def _fail(self, batch: Batch, error: Exception) -> None:
        for row in batch.rows:
            row.request.fail(error)
        self._running = None
        self._wake()

    def _route(self, batch: Batch, answer: StageAnswer, seconds: float) -> None:
        before = np.stack([row.total for row in batch.rows]) if batch.stage else None
        verdict = judge(self.manifest, batch.stage, before, answer.probabilities)
        sound = np.isfinite(verdict.probabilities).all(axis=1)
        for place, row in enumerate(batch.rows):
            if sound[place]:
                self._route_row(row, batch.stage, place, verdict, answer)
            else:
                path = self._graphs[batch.stage].path
                row.request.fail(ServiceError(f"{path} gives probabilities that are no numbers"))
        if self.observe is not None:
            self.observe(StageRun(batch, seconds, verdict.confidences, sum(verdict.leaving)))

    def _route_row(self, row: Row, stage: int, place: int, verdict: Verdict, answer: StageAnswer) -> None:
        score = ImageScore(
            verdict.probabilities[place], answer.embeddings[place], float(verdict.confidences[place]), stage
        )
        if verdict.leaving[place]:
            self._settle(row, score)
            return
        row.total, row.score = verdict.totals[place], score
        loop = asyncio.get_running_loop()
        self._queues.add(stage + 1, row, loop.time())
        if row.request.deadline < float("inf"):
            # The worker may be busy until the deadline has passed; the stages that are done have an answer.
            latest = row.request.deadline - self.times.likely(stage + 1, self.times.buckets[0])
            row.timer = loop.call_at(latest, self._give_up, row)

    def _give_up(self, row: Row) -> None:
        """Answer with what the stages so far say, or refuse the request when none has said anything."""
        if not row.wanted:
            return
        row.take()
        if row.score is None:
            self._fail_late(row.request)
        else:
            self._settle(row, replace(row.score, cut_short=True))

    def _settle(self, row: Row, score: ImageScore) -> None:
        if not row.request.over:
            self.counts.exits[score.exit_stage] += 1
            self.counts.cut_short += score.cut_short
            row.request.settle(row.place, score)

    def _fail_late(self, request: Request) -> None:
        if not request.over:
            self.counts.too_late += 1
            request.fail(ImagesTooLateError())
