"""Stages of a cascade that run when a test lets them, and event loops that wait for conditions."""

import asyncio
import threading

from serving.images.batch_times import BatchTimes

BUCKETS = (1, 2, 4, 8)


class HeldStage:
    """A stage that runs as many batches as it is let."""

    def __init__(self, graph):
        self.graph, self.batches, self._allowed = graph, [], threading.Semaphore(0)

    def __getattr__(self, name):
        return getattr(self.graph, name)

    def let(self, batches=1000):
        self._allowed.release(batches)

    def run(self, images, bucket=None):
        self.batches.append(len(images))
        if not self._allowed.acquire(timeout=20):
            raise TimeoutError("nobody let the stage run")
        return self.graph.run(images, bucket)


async def until(condition):
    """Give the loop rounds until the condition holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while not condition():
        assert loop.time() < deadline, "the condition never held"
        await asyncio.sleep(0)


def run(body, runtime):
    """The result of a coroutine, the runtime closed behind it."""

    async def whole():
        try:
            return await body()
        finally:
            await runtime.close()

    return asyncio.run(whole())


def slow_stage(stage, seconds=100.0):
    """Times of a cascade of which one stage is known to be slow."""
    times = BatchTimes(BUCKETS)
    for bucket in BUCKETS:
        times.observe(stage, bucket, seconds)
    return times
