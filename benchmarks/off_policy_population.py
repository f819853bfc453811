"""Traffic for `benchmarks.off_policy_traffic`: the simulated marketplace's requests, who logs, and who clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.simulation.marketplace import SimulationSettings, simulate_marketplace
from ranking.click_models import Cascade, ClickModel, DependentClicks, DiverseClicks, PositionBased
from ranking.lists import RankingLists
from ranking.off_policy import LoggedSlates, discounts
from ranking.off_policy.order_targets import OrderTarget, drawn_target, ordered_target
from ranking.off_policy.set_orders import drawn_orders

ITEMS, STYLES, REQUESTS = 4, 4, 20_000
USERS: dict[str, tuple[str, ClickModel]] = {
    "position-based": (
        "a click is examination of the position times attraction of the item",
        PositionBased((1.0, 0.7, 0.5, 0.35)),
    ),
    "cascade": ("reads from the top and leaves at the first click", DependentClicks()),
    "diverse": (
        "looks at position k with probability 1 / k**0.5 and skips what is like something clicked above",
        DiverseClicks(Cascade(0.5), 0.5),
    ),
}


@dataclass(frozen=True)
class Policy:
    """Orders a request's items by a score.

    Attributes:
        score: `base` or `new`, which scores.
        temperature: of a draw in proportion to `exp(score / temperature)`; None: the best first.
        epsilon: probability of an evenly drawn order instead.
    """

    score: str
    temperature: float | None = None
    epsilon: float = 0.0

    def order(self, scores: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """The items first to last, int64 `[requests, items]`."""
        if self.temperature is not None:
            return np.argsort(-(scores / self.temperature + rng.gumbel(size=scores.shape)), axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")
        evenly = np.argsort(rng.random(scores.shape), axis=1)
        return np.where(rng.random((len(scores), 1)) < self.epsilon, evenly, best)

    def on(self, scores: NDArray[np.float64]) -> OrderTarget:
        """Its exact probabilities of logged slates; `scores` `[slates, items]` as the items were shown."""
        mask = np.ones(scores.shape, bool)
        if self.temperature is None:
            ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
            return ordered_target(ranks, mask, ITEMS, self.epsilon)
        drawn = drawn_target(scores / self.temperature, mask, ITEMS)
        return OrderTarget(drawn.steps, drawn_orders(drawn.steps, mask, plackett_luce=True).marginals, drawn.choices)


LOGGERS = {"temperature": Policy("base", temperature=1.0), "epsilon": Policy("base", epsilon=0.4)}
TARGETS = {"best order": Policy("new"), "drawn order": Policy("new", temperature=0.7)}


@dataclass(frozen=True)
class Population:
    """Requests that traffic is drawn from.

    Attributes:
        style: float32 `[requests, items, styles]`, which the likeness of items is measured by.
        attraction: `[requests, items]`, probability of a click on an item that is looked at.
        scores: by name, `[requests, items]`: `base`, which knows price and quality, and `new`, which knows all that
            users care for but the picture. Both have standard deviation 1.
    """

    style: NDArray[np.float32]
    attraction: NDArray[np.float64]
    scores: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.attraction)

    def clicks(
        self, users: ClickModel, requests: NDArray[np.int64], order: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Clicks on the items of `requests` shown in `order`, float64 `[slates, positions]`."""
        slates = len(requests)
        rows = requests[:, None]
        lists = RankingLists(
            request_ids=np.zeros(slates, object),
            offsets=np.arange(slates + 1) * ITEMS,
            item_ids=np.zeros(slates * ITEMS, object),
            features=self.style[rows, order].reshape(-1, STYLES),
            feature_names=tuple(f"style_{index}" for index in range(STYLES)),
        )
        return users.clicks(lists, self.attraction[rows, order].ravel(), rng).reshape(slates, ITEMS).astype(np.float64)

    def examination(self, users: ClickModel, rng: np.random.Generator) -> NDArray[np.float64]:
        """How often each position is looked at, as evenly drawn orders of all requests tell it, the first one 1."""
        everyone = np.tile(np.arange(len(self)), 5)
        order = np.argsort(rng.random((len(everyone), ITEMS)), axis=1)
        rates = self.clicks(users, everyone, order, rng).mean(axis=0)
        return np.minimum(rates / rates[0], 1.0)

    def value(self, users: ClickModel, policy: Policy, rounds: int, rng: np.random.Generator) -> tuple[float, float]:
        """Discounted clicks a slate of `policy` by clicks simulated anew on its own orders, and the standard error."""
        means = []
        everyone = np.arange(len(self))
        for _ in range(rounds):
            order = policy.order(self.scores[policy.score], rng)
            means.append(float((self.clicks(users, everyone, order, rng) @ discounts(ITEMS)).mean()))
        return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(rounds))


@dataclass(frozen=True)
class Traffic:
    """A log of slates and what any policy scores their items with.

    Attributes:
        log: the slates, with exact step and marginal propensities and position weights.
        scores: by name, `[slates, items]`, as the items were shown.
    """

    log: LoggedSlates
    scores: dict[str, NDArray[np.float64]]


def made_population(requests: int = REQUESTS, seed: int = 0) -> Population:
    """Requests of the simulated marketplace with few candidates each."""
    settings = SimulationSettings(requests=requests, min_candidates=ITEMS, max_candidates=ITEMS, seed=seed)
    market = simulate_marketplace(settings)

    def column(name: str) -> NDArray[np.float64]:
        return market.log[name].to_numpy().astype(np.float64).reshape(-1, ITEMS)

    style = np.stack([column(f"item_style_{index}") for index in range(STYLES)], axis=2)
    taste = np.stack([column(f"context_taste_{index}") for index in range(STYLES)], axis=2)
    price, quality = column("item_price"), column("item_quality")
    overspent = np.maximum(price - column("context_budget"), 0.0)
    new = (np.tanh(style) * taste).sum(axis=2) + 2 * quality * (1 + column("item_freshness") / 2) - 1.5 * overspent
    utility = market.truth["utility"].to_numpy().reshape(-1, ITEMS)
    scores = {"base": quality - 0.3 * price, "new": new}
    return Population(
        style=style.astype(np.float32),
        attraction=0.05 + 0.75 / (1.0 + np.exp(1.5 - utility)),
        scores={name: (values - values.mean()) / values.std() for name, values in scores.items()},
    )


def made_traffic(
    population: Population, users: ClickModel, logger: Policy, slates: int, rng: np.random.Generator
) -> Traffic:
    """A log of requests drawn from the population, ordered by `logger` and clicked by `users`."""
    requests = rng.integers(len(population), size=slates)
    order = logger.order(population.scores[logger.score][requests], rng)
    shown = {name: np.take_along_axis(values[requests], order, axis=1) for name, values in population.scores.items()}
    propensities = logger.on(shown[logger.score])
    log = LoggedSlates(
        rewards=population.clicks(users, requests, order, rng),
        mask=np.ones(order.shape, bool),
        request_index=np.arange(slates),
        step_propensities=propensities.steps,
        marginal_propensities=propensities.marginals,
        position_weights=discounts(ITEMS),
    )
    return Traffic(log, shown)
