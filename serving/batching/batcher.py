"""The queue before the models: an event loop's requests, ranked in batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.batching.costs import Costs
from serving.batching.refusals import DeadlinePassedError, OverloadedError
from serving.runtime.query import Decoding, InvalidRequestError, Slate, SlateQuery
from serving.runtime.ranker import SlateRanker

SHADOWS_WAITING = 64
MOST_LOOKS, LOOK_SECONDS = 16, 1e-4
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """What was ranked together.

    Attributes:
        version: the bundle.
        decoding: how.
        seconds: in the models.
        waits: seconds that each request waited before; None for a shadowed request.
        answers: a slate a request, or why there is none.
    """

    version: str
    decoding: Decoding
    seconds: float
    waits: tuple[float, ...] | None
    answers: Sequence[Slate | InvalidRequestError]


@dataclass(frozen=True, eq=False)
class _Waiting:
    ranker: SlateRanker
    query: SlateQuery
    deadline: float
    arrived: float
    answer: asyncio.Future[Slate]


class Batcher:
    """Ranks in the event loop it is called from; made and used in that loop only.

    A request that finds the queue empty is ranked after one more round of the loop if nothing else arrives in it, so
    that a lone request never waits for others. Where more does arrive, the loop looks again, at most `MOST_LOOKS` times
    and a tenth of a millisecond apart: gRPC hands over one call a round, and what piled up during the last batch would
    become batches of one. (Ranking a lone request without that round saves a thirtieth of its time, and costs a quarter
    of the throughput.) The models run in the loop itself: handing them to a thread costs more than it frees in a
    process that has one core.

    A request is ranked with the most decoding whose estimated time fits before its deadline. It is refused at once when
    what waits before it would take longer than `queue_seconds` or than its deadline leaves; a caller that is gone costs
    nothing.

    Args:
        queue_seconds: longest wait.
        batch_requests: most requests that are ranked together.
        costs: estimates, shared with whoever warms up the models.
        observe: called with every batch.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        queue_seconds: float,
        batch_requests: int,
        costs: Costs | None = None,
        observe: Callable[[Batch], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue_seconds, self._batch_requests = queue_seconds, batch_requests
        self._costs = costs if costs is not None else Costs()
        self._observe, self._clock = observe, clock
        self._waiting: deque[_Waiting] = deque()
        self._candidates = 0
        self._shadows: deque[tuple[SlateRanker, SlateQuery]] = deque(maxlen=SHADOWS_WAITING)
        self._scheduled = False
        self._arrived = False

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    async def rank(self, ranker: SlateRanker, query: SlateQuery, remaining: float | None = None) -> Slate:
        """The slate of `query`.

        Args:
            ranker: the bundle to rank with.
            query: the request.
            remaining: seconds to the caller's deadline; None: no deadline.

        Raises:
            InvalidRequestError: the query does not fit the bundle.
            OverloadedError: the wait would be too long.
            DeadlinePassedError: the deadline passed while the request waited.
        """
        now = self._clock()
        self._refuse_early(remaining)
        deadline = float("inf") if remaining is None else now + remaining
        entry = _Waiting(ranker, query, deadline, now, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived = True
        self._candidates += len(query.item_ids)
        self._schedule()
        return await entry.answer

    def shadow(self, ranker: SlateRanker, query: SlateQuery) -> None:
        """Rank a copy of a request, for nobody to see, when nothing else waits; the oldest go when many wait."""
        self._shadows.append((ranker, query))
        self._schedule()

    def _refuse_early(self, remaining: float | None) -> None:
        if not self._waiting:
            return
        wait = self._costs.estimate(Decoding.FULL, self._candidates)
        limit = self._queue_seconds if remaining is None else min(self._queue_seconds, remaining)
        if wait > limit:
            raise OverloadedError(wait, limit, wait)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._look, 0)

    def _look(self, looks: int) -> None:
        """Rank when the batch is full or nothing arrived since the last look."""
        if self._arrived and looks < MOST_LOOKS and len(self._waiting) < self._batch_requests:
            self._arrived = False
            loop = asyncio.get_running_loop()
            if looks == 0:
                loop.call_soon(self._look, 1)
            else:
                loop.call_later(LOOK_SECONDS, self._look, looks + 1)
        else:
            self._drain()

    def _drain(self) -> None:
        """Rank one batch; what is left waits for the loop's next round, so that new requests are read in between."""
        self._scheduled = False
        if self._waiting:
            self._rank_entries(self._next_entries())
        elif self._shadows:
            self._rank_shadow(*self._shadows.popleft())
        if self._waiting or self._shadows:
            self._schedule()

    def _rank_shadow(self, ranker: SlateRanker, query: SlateQuery) -> None:
        try:
            self._rank(ranker, [query], Decoding.FULL, None)
        except Exception:
            logger.exception("bundle %s failed on a shadowed request", ranker.version)

    def _next_entries(self) -> list[_Waiting]:
        """The oldest requests that are for the same bundle as the very oldest; others keep their place."""
        ranker = self._waiting[0].ranker
        taken: list[_Waiting] = []
        passed_over: list[_Waiting] = []
        while self._waiting and len(taken) < self._batch_requests:
            entry = self._waiting.popleft()
            if entry.answer.done():
                self._candidates -= len(entry.query.item_ids)
            elif entry.ranker is ranker:
                self._candidates -= len(entry.query.item_ids)
                taken.append(entry)
            else:
                passed_over.append(entry)
        self._waiting.extendleft(reversed(passed_over))
        return taken

    def _rank_entries(self, entries: Sequence[_Waiting]) -> None:
        now = self._clock()
        by_decoding: dict[Decoding, list[_Waiting]] = {}
        candidates = sum(len(entry.query.item_ids) for entry in entries)
        for entry in entries:
            wait = now - entry.arrived
            if now >= entry.deadline:
                entry.answer.set_exception(DeadlinePassedError())
            elif wait > self._queue_seconds:
                retry_after = self._costs.estimate(Decoding.FULL, self._candidates)
                entry.answer.set_exception(OverloadedError(wait, self._queue_seconds, retry_after))
            else:
                decoding = self._affordable(entry.ranker, candidates, entry.deadline - now)
                by_decoding.setdefault(decoding, []).append(entry)
        # What is most urgent first.
        for decoding in sorted(by_decoding, key=list(Decoding).index, reverse=True):
            self._answer(by_decoding[decoding], decoding)

    def _affordable(self, ranker: SlateRanker, candidates: int, remaining: float) -> Decoding:
        for decoding in ranker.decodings:
            if self._costs.estimate(decoding, candidates) <= remaining:
                return decoding
        return ranker.decodings[-1]

    def _answer(self, entries: Sequence[_Waiting], decoding: Decoding) -> None:
        now = self._clock()
        waits = tuple(now - entry.arrived for entry in entries)
        try:
            answers = self._rank(entries[0].ranker, [entry.query for entry in entries], decoding, waits)
        except Exception as error:
            for entry in entries:
                entry.answer.set_exception(error)
            return
        for entry, answer in zip(entries, answers, strict=True):
            if isinstance(answer, InvalidRequestError):
                entry.answer.set_exception(answer)
            else:
                entry.answer.set_result(answer)

    def _rank(
        self, ranker: SlateRanker, queries: Sequence[SlateQuery], decoding: Decoding, waits: tuple[float, ...] | None
    ) -> Sequence[Slate | InvalidRequestError]:
        begun = self._clock()
        answers = ranker.rank_batch(queries, decoding)
        seconds = self._clock() - begun
        self._costs.observe(decoding, sum(len(query.item_ids) for query in queries), seconds)
        if self._observe is not None:
            self._observe(Batch(ranker.version, decoding, seconds, waits, answers))
        return answers
