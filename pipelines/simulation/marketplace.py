"""Requests, the logging ranker that explores, and users who click."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.ranges import require_in_range
from pipelines.simulation.catalogue import CATEGORIES, DIGIT_APPEAL, STYLES, Catalogue, make_catalogue
from ranking.click_models import Cascade, DiverseClicks
from ranking.lists import RankingLists
from seriatim_errors import ConfigError

START = np.datetime64("2024-01-01T00:00:00", "us")
WEEK_MICROSECONDS = 7 * 24 * 3600 * 10**6
CONTEXT_FEATURES = (
    "context_hour_sin",
    "context_hour_cos",
    "context_mobile",
    "context_budget",
    *(f"context_taste_{index}" for index in range(STYLES)),
)
ITEM_FEATURES = (
    "item_price",
    "item_quality",
    "item_freshness",
    "item_brightness",
    *(f"item_style_{index}" for index in range(STYLES)),
    *(f"item_category_{index}" for index in range(CATEGORIES)),
    "price_over_budget",
)


@dataclass(frozen=True)
class SimulationSettings:
    """Size and parameters of the marketplace; see docs/marketplace.md for the model.

    Attributes:
        requests: number of requests.
        items: size of the catalogue.
        min_candidates, max_candidates: candidates of a request, uniformly.
        relevant_share: share of a request's candidates that the user would want.
        eta: position i is examined with probability `1 / i ** eta`.
        similarity_quantile: a wanted item is skipped when it lies nearer to an item already clicked than
            this quantile of the request's pairwise distances.
        temperature: of the logging ranker's Plackett-Luce draw; higher explores more.
        noise: standard deviation of what the logging ranker does not know.
        seed: fixes everything.

    Raises:
        ConfigError: a value is outside of its range.
    """

    requests: int = 3000
    items: int = 600
    min_candidates: int = 20
    max_candidates: int = 40
    relevant_share: float = 0.25
    eta: float = 0.3
    similarity_quantile: float = 0.3
    temperature: float = 0.5
    noise: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.min_candidates <= self.max_candidates <= self.items:
            raise ConfigError(
                f"min_candidates {self.min_candidates}, max_candidates {self.max_candidates} and items {self.items} "
                "must be at least 1 and ascend; a request draws its candidates without repetition"
            )
        require_in_range(
            self,
            ("requests", 1, math.inf),
            ("relevant_share", 0, 1),
            ("similarity_quantile", 0, 1),
            ("eta", 0, math.inf),
            ("temperature", sys.float_info.min, math.inf),
            ("noise", 0, math.inf),
            ("seed", 0, math.inf),
        )

    def as_dict(self) -> dict[str, float]:
        """Plain values, for `simulation.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Marketplace:
    """A simulated log and its truth, row by row in shown order.

    Attributes:
        catalogue: the items.
        log: the click log by its contract.
        truth: request_id, item_id, utility float64, relevant bool: what no logged column says.
    """

    catalogue: Catalogue
    log: pa.Table
    truth: pa.Table


def simulate_marketplace(settings: SimulationSettings) -> Marketplace:
    """Draw a marketplace: the same settings give the same log."""
    rng = np.random.default_rng(settings.seed)
    catalogue = make_catalogue(settings.items, rng)
    sizes = rng.integers(settings.min_candidates, settings.max_candidates + 1, size=settings.requests)
    width = settings.max_candidates
    mask = np.arange(width)[None, :] < sizes[:, None]
    # The first columns of a random permutation: candidates without repetition.
    candidates = np.argsort(rng.random((settings.requests, settings.items)), axis=1)[:, :width]
    context, hour = contexts(settings.requests, rng)
    utility = utility_of(catalogue, candidates, context, rng)
    cut = row_quantile(utility, mask, 1 - settings.relevant_share)
    relevant = mask & (utility >= cut[:, None])
    order, propensity = logged_order(settings, catalogue, candidates, mask, rng)
    shown = np.take_along_axis(candidates, order, axis=1)
    relevant_shown = np.take_along_axis(relevant, order, axis=1)[mask]
    item_rows = shown[mask]
    request_rows = np.repeat(np.arange(settings.requests), sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    request_ids = np.array([f"r{index:06d}" for index in range(settings.requests)], dtype=object)
    lists = lists_by_style(request_ids, offsets, catalogue, item_rows)
    clicks = clicks_of_users(settings, lists, relevant_shown, rng)
    times = np.sort(rng.integers(WEEK_MICROSECONDS, size=settings.requests))
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(lists.request_ids[request_rows], pa.string()),
        "timestamp": pa.array((START + times.astype("timedelta64[us]"))[request_rows]),
        "item_id": pa.array(lists.item_ids, pa.string()),
        "position": pa.array((np.arange(len(item_rows)) - offsets[request_rows] + 1).astype(np.int32)),
        "clicked": pa.array(clicks.astype(np.int8)),
        "propensity": pa.array(propensity[mask]),
        "user_id": pa.array([f"u{index % 997:03d}" for index in request_rows], pa.string()),
    }
    features = features_of(catalogue, item_rows, context[request_rows], hour[request_rows])
    for name in CONTEXT_FEATURES + ITEM_FEATURES:
        columns[name] = pa.array(features[name].astype(np.float32))
    truth = pa.table(
        {
            "request_id": columns["request_id"],
            "item_id": columns["item_id"],
            "utility": pa.array(np.take_along_axis(utility, order, axis=1)[mask]),
            "relevant": pa.array(relevant_shown),
        }
    )
    return Marketplace(catalogue, pa.table(columns), truth)


def logged_order(
    settings: SimulationSettings,
    catalogue: Catalogue,
    candidates: NDArray[np.int64],
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What the logging ranker shows: it knows quality and price, nothing of the request, and explores.

    Arguments and result as in `plackett_luce`; `candidates` are rows of the catalogue, int64 `[requests, width]`.
    """
    scores = catalogue.quality[candidates] - 0.3 * catalogue.price[candidates]
    scores = scores + rng.normal(scale=settings.noise, size=scores.shape)
    return plackett_luce(scores / settings.temperature, mask, rng)


def lists_by_style(
    request_ids: NDArray[np.object_], offsets: NDArray[np.int64], catalogue: Catalogue, item_rows: NDArray[np.int64]
) -> RankingLists:
    """Items in shown order with what makes two of them alike; `item_rows` are rows of the catalogue."""
    return RankingLists(
        request_ids=request_ids,
        offsets=offsets,
        item_ids=np.array([item_id(row) for row in item_rows], dtype=object),
        features=catalogue.style[item_rows].astype(np.float32),
        feature_names=tuple(f"item_style_{index}" for index in range(STYLES)),
    )


def clicks_of_users(
    settings: SimulationSettings, lists: RankingLists, wanted: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Who clicks what of `lists`: wanted items that are looked at and unlike those clicked before; 0 or 1 an item."""
    user = DiverseClicks(Cascade(settings.eta), settings.similarity_quantile)
    return user.clicks(lists, wanted.astype(np.float32), rng)


def item_id(row: int) -> str:
    """The `item_id` of a row of the catalogue."""
    return f"i{row:04d}"


def plackett_luce(
    logits: NDArray[np.float64], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw orders item by item with probability proportional to `exp(logit)` among the remaining.

    Args:
        logits: float `[requests, width]`.
        mask: bool `[requests, width]`, true where a candidate stands.
        rng: source of chance.

    Returns:
        The order, int64 `[requests, width]`, candidates first, and the probability of each choice given
        those before it, float64 `[requests, width]`, 1 at padding.
    """
    hidden = np.where(mask, logits, -np.inf)
    order = np.argsort(-np.where(mask, logits + rng.gumbel(size=logits.shape), -np.inf), axis=1, kind="stable")
    sorted_logits = np.take_along_axis(hidden, order, axis=1)
    with np.errstate(invalid="ignore"):
        remaining = np.logaddexp.accumulate(sorted_logits[:, ::-1], axis=1)[:, ::-1]
        probability = np.exp(sorted_logits - remaining)
    return order, np.where(np.isfinite(sorted_logits), probability, 1.0)


def row_quantile(values: NDArray[np.float64], mask: NDArray[np.bool_], level: float) -> NDArray[np.float64]:
    """The value below which `level` of each row's masked entries lie."""
    ascending = np.sort(np.where(mask, values, np.inf), axis=1)
    count = mask.sum(axis=1)
    index = np.minimum(np.floor(level * count).astype(np.int64), count - 1)
    return ascending[np.arange(len(values)), index]


def contexts(requests: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Context `[requests, 2 + styles]` (mobile, budget, taste) and the hour of day `[requests]`."""
    mobile = rng.uniform(size=requests) < 0.6
    budget = np.exp(rng.normal(scale=0.4, size=requests))
    taste = rng.normal(size=(requests, STYLES))
    return np.column_stack([mobile, budget, taste]), rng.uniform(0, 24, size=requests)


def utility_of(
    catalogue: Catalogue,
    candidates: NDArray[np.int64],
    context: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """What an item is worth to the user of a request, `[requests, width]`; not linear in any feature."""
    budget, taste = context[:, 1], context[:, 2:]
    match = np.einsum("rws,rs->rw", np.tanh(catalogue.style[candidates]), taste)
    overspent = np.maximum(catalogue.price[candidates] - budget[:, None], 0)
    appeal = DIGIT_APPEAL[catalogue.digit[candidates]]
    quality = 2.0 * catalogue.quality[candidates] * (1 + 0.5 * catalogue.freshness[candidates])
    return match + quality - 1.5 * overspent + 0.7 * appeal + rng.normal(scale=0.4, size=candidates.shape)


def features_of(
    catalogue: Catalogue,
    item_rows: NDArray[np.int64],
    context: NDArray[np.float64],
    hour: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """The logged features by name, each `[rows]`; the thumbnail shows only by its brightness."""
    angle = 2 * np.pi * hour / 24
    columns = {
        "context_hour_sin": np.sin(angle),
        "context_hour_cos": np.cos(angle),
        "context_mobile": context[:, 0],
        "context_budget": context[:, 1],
        "item_price": catalogue.price[item_rows],
        "item_quality": catalogue.quality[item_rows],
        "item_freshness": catalogue.freshness[item_rows],
        "item_brightness": catalogue.thumbnails[item_rows].mean(axis=(1, 2)) / 255,
        "price_over_budget": catalogue.price[item_rows] / context[:, 1],
    }
    for index in range(STYLES):
        columns[f"context_taste_{index}"] = context[:, 2 + index]
        columns[f"item_style_{index}"] = catalogue.style[item_rows, index]
    for index in range(CATEGORIES):
        columns[f"item_category_{index}"] = (catalogue.category[item_rows] == index).astype(float)
    return columns
