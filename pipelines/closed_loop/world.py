"""The marketplace day by day: tastes that change and new items, the same for all who serve it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.closed_loop.settings import WeekSettings
from pipelines.simulation.catalogue import CATEGORIES, Catalogue, make_catalogue
from pipelines.simulation.marketplace import (
    CONTEXT_FEATURES,
    ITEM_FEATURES,
    START,
    SimulationSettings,
    clicks_of_users,
    contexts,
    features_of,
    item_id,
    lists_by_style,
    logged_order,
    row_quantile,
    utility_of,
)

ITEMS = 720
FALLING, RISING = 0, 5
# What fashion adds to the utility of the falling category's items at first, and takes from the rising one's.
FASHION = 1.5
RISING_STOCK_AT_FIRST = 0.25
# Days from the first one on within which all change takes place.
CHANGE_DAYS = 3
# Kinds of chance, so that none depends on how much of another was drawn.
CLICKS, LOGGER = 1, 2


@dataclass(frozen=True)
class Requests:
    """Some requests of one day.

    Attributes:
        ids: object (str) `[requests]`.
        candidates: int64 `[requests, width]`, rows of the catalogue; behind the last one anything.
        mask: bool `[requests, width]`, where candidates stand.
        context: float32 `[requests, context features]`.
        features: float32 `[requests, width, item features]`; behind the last candidate zeros.
        wanted: bool `[requests, width]`: the truth, which nobody is told.
    """

    ids: NDArray[np.object_]
    candidates: NDArray[np.int64]
    mask: NDArray[np.bool_]
    context: NDArray[np.float32]
    features: NDArray[np.float32]
    wanted: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.ids)

    def part(self, rows: slice) -> Requests:
        """Those of some rows."""
        return Requests(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def item_ids(self, row: int) -> list[str]:
        """Names of the candidates of one request."""
        return [item_id(item) for item in self.candidates[row, self.mask[row]]]


class World:
    """The marketplace of a week: docs/marketplace.md with fashion and new stock.

    Everything is a function of the settings' seed, the day and the request: whoever serves the day meets the same
    requests and the same users, who examine the same places.
    """

    def __init__(self, settings: WeekSettings) -> None:
        self.settings = settings
        self.market = SimulationSettings(items=ITEMS, seed=settings.seed)

    @cached_property
    def catalogue(self) -> Catalogue:
        """All items that are ever on sale."""
        return make_catalogue(ITEMS, np.random.default_rng(self.settings.seed))

    def change(self, day: int) -> float:
        """How much of the change has come about on a day, 0 (days 0 and 1) to `drift`."""
        return self.settings.drift * min(1.0, max(0, day - 1) / CHANGE_DAYS)

    def fashion(self, day: int) -> NDArray[np.float64]:
        """What a category adds to the utility of its items, float64 `[categories]`."""
        level = FASHION * (1 - 2 * self.change(day))
        values = np.zeros(CATEGORIES)
        values[FALLING], values[RISING] = level, -level
        return values

    def on_sale(self, day: int) -> NDArray[np.int64]:
        """Rows of the catalogue that can be candidates; the rising category's come in one after another."""
        rising = np.flatnonzero(self.catalogue.category == RISING)
        share = RISING_STOCK_AT_FIRST + (1 - RISING_STOCK_AT_FIRST) * self.change(day)
        others = np.flatnonzero(self.catalogue.category != RISING)
        return np.concatenate([others, rising[: max(1, round(share * len(rising)))]])

    def requests(self, day: int, count: int) -> Requests:
        """The requests of a day; day 0 is before the service."""
        rng, market = np.random.default_rng([self.settings.seed, day]), self.market
        stock = self.on_sale(day)
        sizes = rng.integers(market.min_candidates, market.max_candidates + 1, size=count)
        mask = np.arange(market.max_candidates)[None, :] < sizes[:, None]
        drawn = np.argsort(rng.random((count, len(stock))), axis=1)[:, : market.max_candidates]
        candidates = stock[drawn]
        context, hour = contexts(count, rng)
        utility = utility_of(self.catalogue, candidates, context, rng)
        utility = utility + self.fashion(day)[self.catalogue.category[candidates]]
        cut = row_quantile(utility, mask, 1 - market.relevant_share)
        rows = np.repeat(np.arange(count), sizes)
        columns = features_of(self.catalogue, candidates[mask], context[rows], hour[rows])
        features = np.zeros((*mask.shape, len(ITEM_FEATURES)), np.float32)
        features[mask] = np.column_stack([columns[name] for name in ITEM_FEATURES])
        of_context = np.column_stack([columns[name] for name in CONTEXT_FEATURES])
        return Requests(
            ids=np.array([f"d{day:02d}-{row:06d}" for row in range(count)], dtype=object),
            candidates=candidates,
            mask=mask,
            context=of_context[np.concatenate([[0], np.cumsum(sizes)[:-1]])].astype(np.float32),
            features=features,
            wanted=mask & (utility >= cut[:, None]),
        )

    def clicks(self, day: int, part: int, requests: Requests, slates: NDArray[np.int64]) -> NDArray[np.float32]:
        """Who clicks what on the slates that were shown.

        Args:
            day, part: name the chance; a day is served in parts.
            requests: of that part.
            slates: int64 `[requests, slate_size]`, columns of the candidates in shown order.

        Returns:
            float32 `[requests, slate_size]`, 0 or 1.
        """
        width = requests.mask.shape[1]
        placed = np.zeros(requests.mask.shape, bool)
        np.put_along_axis(placed, slates, True, axis=1)
        # What is not shown stands behind, unclicked: how near two items are is judged among all candidates.
        rest = np.argsort(placed | ~requests.mask, axis=1, kind="stable")[:, : width - slates.shape[1]]
        order = np.concatenate([slates, rest], axis=1)
        rows = np.take_along_axis(requests.candidates, order, axis=1)[requests.mask]
        wanted = np.take_along_axis(requests.wanted, order, axis=1)[requests.mask]
        sizes = requests.mask.sum(axis=1)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        lists = lists_by_style(requests.ids, offsets, self.catalogue, rows)
        chance = np.random.default_rng([self.settings.seed, day, CLICKS, part])
        clicked = np.zeros(requests.mask.shape, np.float32)
        clicked[requests.mask] = clicks_of_users(self.market, lists, wanted, chance)
        return clicked[:, : slates.shape[1]]

    def first_log(self) -> pa.Table:
        """The click log of day 0: slates of the marketplace's logging ranker, which explores."""
        settings = self.settings
        requests = self.requests(0, settings.first_requests)
        rng = np.random.default_rng([settings.seed, 0, LOGGER])
        order, propensity = logged_order(self.market, self.catalogue, requests.candidates, requests.mask, rng)
        slates = order[:, : settings.slate_size]
        clicks = self.clicks(0, 0, requests, slates)
        shown = np.repeat(np.arange(len(requests)), settings.slate_size)
        items = np.take_along_axis(requests.candidates, slates, axis=1).ravel()
        columns: dict[str, pa.Array] = {
            "request_id": pa.array(requests.ids[shown], pa.string()),
            "timestamp": pa.array(START + shown.astype("timedelta64[s]")),
            "item_id": pa.array([item_id(item) for item in items]),
            "position": pa.array(np.tile(np.arange(1, settings.slate_size + 1, dtype=np.int32), len(requests))),
            "clicked": pa.array(clicks.ravel().astype(np.int8)),
            "propensity": pa.array(propensity[:, : settings.slate_size].ravel()),
        }
        of_items = np.take_along_axis(requests.features, slates[:, :, None], axis=1).reshape(len(items), -1)
        columns |= {name: pa.array(requests.context[shown, place]) for place, name in enumerate(CONTEXT_FEATURES)}
        columns |= {name: pa.array(of_items[:, place]) for place, name in enumerate(ITEM_FEATURES)}
        return pa.table(columns)
