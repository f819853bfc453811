"""The queues before the stages, and the rule by which the next batch is taken from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from serving.images.batch_times import BatchTimes
from serving.images.rows import Row


@dataclass(frozen=True)
class Batch:
    """Rows that run together.

    Attributes:
        stage: which they run in, from 0.
        bucket: size of the batch.
        rows: at most as many, in order of arrival.
        waits: seconds that each of them stood in the stage's queue.
    """

    stage: int
    bucket: int
    rows: Sequence[Row]
    waits: tuple[float, ...]


class StageQueues:
    """A queue a stage, for one worker that is never left idle while a row waits.

    Later stages go first, so that what is begun is finished. Only where an earlier stage has rows too, which may send
    others after them, do rows of a later stage wait: until they fill the largest bucket, or the first of them has
    waited for `delay` seconds, or one of them would miss its deadline by waiting. The worker runs the earlier stage in
    the meantime. The rows of a request that is alone therefore never wait.

    Args:
        stages: how many.
        times: what batches cost.
        delay: longest wait of a later stage's rows for others to join, seconds.
    """

    def __init__(self, stages: int, times: BatchTimes, delay: float) -> None:
        self._queues: list[deque[Row]] = [deque() for _ in range(stages)]
        self._times, self._delay = times, delay

    def add(self, stage: int, row: Row, now: float) -> None:
        """Put a row at the end of a stage's queue."""
        row.queued, row.waiting = now, True
        self._queues[stage].append(row)

    def waiting(self, stage: int) -> int:
        """Rows in a stage's queue, those that are no longer wanted among them until the next batch is taken."""
        return len(self._queues[stage])

    def late(self, now: float) -> list[Row]:
        """Rows that the stage they wait for would not finish in time, even in its smallest batch; later ones first.

        A row that waits for the first stage is late when its deadline has passed: it has no answer to fall back to.
        """
        late = []
        for stage in reversed(range(len(self._queues))):
            seconds = self._times.likely(stage, self._times.buckets[0]) if stage else 0.0
            late += [row for row in self._queues[stage] if row.wanted and row.request.deadline <= now + seconds]
        return late

    def next_batch(self, now: float) -> Batch | None:
        """Take the next batch; None when no row is wanted."""
        for stage, queue in enumerate(self._queues):
            self._queues[stage] = deque(row for row in queue if row.wanted)
        for stage in reversed(range(len(self._queues))):
            queue = self._queues[stage]
            if queue and self._ripe(stage, now):
                count = self._count(stage, now)
                rows = [queue.popleft() for _ in range(count)]
                for row in rows:
                    row.take()
                return Batch(stage, self._times.bucket_for(count), rows, tuple(now - row.queued for row in rows))
        return None

    def _ripe(self, stage: int, now: float) -> bool:
        queue, times = self._queues[stage], self._times
        earlier = [place for place in range(stage) if self._queues[place]]
        if not earlier or len(queue) >= times.buckets[-1] or now - queue[0].queued >= self._delay:
            return True
        bucket = times.bucket_for(len(queue))
        before = max(times.likely(place, times.bucket_for(len(self._queues[place]))) for place in earlier)
        first_deadline = min(row.request.deadline for row in queue)
        return first_deadline <= now + before + times.likely(stage, bucket)

    def _count(self, stage: int, now: float) -> int:
        """How many rows to take; of a later stage no more than the first deadline of those allows."""
        times, queue = self._times, self._queues[stage]
        count = times.rows_to_take(stage, len(queue))
        while stage and times.bucket_for(count) > times.buckets[0]:
            bucket = times.bucket_for(count)
            first_deadline = min(row.request.deadline for row in list(queue)[:count])
            if first_deadline > now + times.likely(stage, bucket):
                break
            count = times.buckets[times.buckets.index(bucket) - 1]
        return count
