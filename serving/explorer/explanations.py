"""Explanations for the explorer, computed beside the event loop so that nobody who asks for a slate waits for one."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from seriatim_errors import ServiceError
from serving.explanations import Background, described, explain, load_background, usual_context
from serving.runtime.query import Slate, SlateQuery
from serving.runtime.ranker import SlateRanker

MOST_UNFINISHED = 4
MOST_CONTRIBUTIONS, MOST_EFFECTS = 12, 8


class Explanations:
    """One thread that explains, and a short queue before it; used in one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "explanations")
        self._unfinished: list[Future[dict[str, Any]]] = []
        # A version that leaves memory takes its background along.
        self._backgrounds: WeakKeyDictionary[SlateRanker, Background] = WeakKeyDictionary()

    async def explain(self, ranker: SlateRanker, query: SlateQuery, slate: Slate, row: int) -> dict[str, Any]:
        """Why candidate `row` of `query` stands where it stands in `slate`, as JSON.

        Raises:
            BundleError: the bundle's golden requests were changed since it was loaded.
            ServiceError: too many explanations wait.
        """
        self._unfinished = [future for future in self._unfinished if not future.done()]
        if len(self._unfinished) >= MOST_UNFINISHED:
            raise ServiceError(f"{len(self._unfinished)} explanations are being made; ask again in a moment")
        future = self._thread.submit(self._explained, ranker, query, slate, row)
        self._unfinished.append(future)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish the explanation at hand and forget those that wait."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _explained(self, ranker: SlateRanker, query: SlateQuery, slate: Slate, row: int) -> dict[str, Any]:
        background = self._backgrounds.get(ranker)
        if background is None:
            background = load_background(ranker.bundle, usual_context(ranker.bundle))
            self._backgrounds[ranker] = background
        [item] = explain(ranker, background, query, slate, [row], MOST_EFFECTS)
        return {
            "item_id": query.item_ids[row],
            "version": slate.version,
            "place": slate.order.index(row) + 1 if row in slate.order else None,
            "base_rank": int(slate.base_ranks[row]) + 1,
            **described(item, query, ranker.features.names, MOST_CONTRIBUTIONS),
        }
