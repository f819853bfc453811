"""One part of a day: the service ranks its requests, users click, the clicks are sent to the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.closed_loop.service import PATIENCE_SECONDS
from pipelines.closed_loop.world import Requests, World
from pipelines.simulation.marketplace import CONTEXT_FEATURES, ITEM_FEATURES
from seriatim_errors import ServiceError
from serving.client import AsyncRankingClient, RankedSlate, RankRequest, clicked
from serving.events.records import Event

CALLS_AT_ONCE, REQUESTS_A_CALL, EVENTS_A_CALL = 4, 32, 1000


@dataclass(frozen=True)
class Served:
    """What became of some requests, in their order.

    Attributes:
        clicks: float32 `[requests]`, clicks on the slate.
        wanted: float32 `[requests]`, items of the slate that the user wanted, clicked or not: the truth.
        explored: bool `[requests]`, whether the slate was drawn at random.
        versions: str `[requests]`, the bundle that ranked.
    """

    clicks: NDArray[np.float32]
    wanted: NDArray[np.float32]
    explored: NDArray[np.bool_]
    versions: NDArray[np.str_]

    def save(self, path: Path) -> None:
        """Write the arrays under `path`, in one step."""
        partial = path.with_name(f".{path.name}.partial.npz")
        np.savez_compressed(partial, **{field.name: getattr(self, field.name) for field in fields(self)})
        partial.rename(path)

    @staticmethod
    def load(path: Path) -> Served:
        """What `save` wrote."""
        with np.load(path) as arrays:
            return Served(**{field.name: arrays[field.name] for field in fields(Served)})


def joined(parts: list[Served]) -> Served:
    """Parts of a day, one after another."""
    return Served(**{field.name: np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Served)})


async def serve_part(
    client: AsyncRankingClient, world: World, day: int, part: int, requests: Requests, slate_size: int
) -> Served:
    """Rank all requests, several calls at once, let the users click and record what they clicked.

    Raises:
        ServiceError: a request was refused, or a slate did not come into the log.
    """
    slates = await _ranked(client, requests, slate_size)
    columns = np.array([_columns(requests, row, slate) for row, slate in enumerate(slates)], np.int64)
    clicks = world.clicks(day, part, requests, columns)
    events: list[Event] = [
        clicked(f"click-{slates[row].request_id}-{place}", slates[row].request_id, slates[row].items[place].item_id)
        for row, place in np.argwhere(clicks > 0)
    ]
    for start in range(0, len(events), EVENTS_A_CALL):
        await client.record_events(events[start : start + EVENTS_A_CALL])
    return Served(
        clicks=clicks.sum(axis=1),
        wanted=np.take_along_axis(requests.wanted, columns, axis=1).sum(axis=1).astype(np.float32),
        explored=np.array([slate.propensity is not None for slate in slates]),
        versions=np.array([slate.bundle_version for slate in slates]),
    )


async def _ranked(client: AsyncRankingClient, requests: Requests, slate_size: int) -> list[RankedSlate]:
    free = asyncio.Semaphore(CALLS_AT_ONCE)

    async def call(start: int) -> list[RankedSlate]:
        async with free:
            batch = [_request(requests, row, slate_size) for row in range(start, min(start + step, len(requests)))]
            answers = await client.rank_many(batch, timeout=PATIENCE_SECONDS)
        slates = []
        for answer in answers:
            if not isinstance(answer, RankedSlate):
                raise answer
            if not answer.logged:
                raise ServiceError(f"the slate of {answer.request_id} is not in the event log; is the disk full?")
            slates.append(answer)
        return slates

    step = REQUESTS_A_CALL
    parts = await asyncio.gather(*(call(start) for start in range(0, len(requests), step)))
    return [slate for part in parts for slate in part]


def _request(requests: Requests, row: int, slate_size: int) -> RankRequest:
    mask = requests.mask[row]
    return RankRequest(
        request_id=requests.ids[row],
        item_ids=requests.item_ids(row),
        features=requests.features[row, mask],
        slate_size=slate_size,
        context=requests.context[row],
        feature_names=ITEM_FEATURES,
        context_names=CONTEXT_FEATURES,
    )


def _columns(requests: Requests, row: int, slate: RankedSlate) -> list[int]:
    """Where the slate's items stand among the candidates."""
    place = {item: column for column, item in enumerate(requests.item_ids(row))}
    return [place[item.item_id] for item in slate.items]
