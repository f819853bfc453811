"""Off-policy value of slates: what the logged items would have earned in the order that another policy gives them.

What is identified. A log of slates holds the items that were shown, not those that lost: how the new bundle would
choose among all candidates cannot be told from it. What can be judged is a policy that orders the items of each slate,
the set being as the logger chose it: the mean, over requests, of the rewards of the first positions when the logged
items stand in the policy's order. Where each slate shows all candidates, this is the policy's value without
restriction.

Under which assumptions. The logger's propensities are true; every order that the policy may give has a positive
probability given the set; a request's reward depends on its own slate. The logger's probability of an order given the
set is that of the log where the slate holds all that there was to draw (`SetOrders`), else it is known only of a
Plackett-Luce logger, which the configuration must say. Estimators add what they assume of users. Only requests whose
logger had a choice are judged: where they are a share of the traffic that does not depend on the request, as the
service's `exploration.share`, their value is that of all traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.config import PipelineConfig
from pipelines.evaluation.off_policy import off_policy_row
from pipelines.evaluation.policies import query_of
from pipelines.report.off_policy_metrics import OffPolicyMetrics, SlateValues
from pipelines.slate_value_config import SlateValueConfig
from ranking.lists import RankingLists
from ranking.off_policy import LoggedSlates, discounts
from ranking.off_policy.order_targets import OrderTarget, ordered_target
from ranking.off_policy.order_values import Resampling, order_values
from ranking.off_policy.set_orders import CERTAIN, MAX_DRAWN, SetOrders, drawn_orders
from ranking.off_policy.support import MAX_UNSUPPORTED
from serving.runtime import SlateRanker

JUDGED = ("served", "base", "baseline")
EXPLORED = "served_explored"
CLASSES, SLATES_AT_ONCE = 10, 2048


def evaluate_slates(
    ranker: SlateRanker, lists: RankingLists, rankings: Mapping[str, NDArray[np.floating]], config: PipelineConfig
) -> SlateValues | None:
    """Estimate what the draft as served, as it would explore, the base order and the bundle before would have earned.

    Args:
        ranker: the draft in the serving runtime.
        lists: the evaluation split in logged order.
        rankings: scores `[items]` by policy; those of `JUDGED` that are there are judged.
        config: of the pipeline.

    Returns:
        None where there is nothing to estimate from: no propensities, simulated clicks, or single impressions.
    """
    told = lists.clicks is not None and lists.propensities is not None and lists.positions is not None
    if not told or config.clicks.source != "log" or lists.list_sizes.max(initial=0) < 2:
        return None
    settings = config.evaluation.slate_value
    shown = _Shown.of(lists, rankings)
    drawn = (shown.propensities < CERTAIN).any(axis=1)
    judged = shown.select(drawn) if drawn.any() else shown
    positions = min(settings.positions or config.serving.slate_size, config.serving.slate_size, judged.mask.shape[1])
    orders = drawn_orders(judged.propensities, judged.mask, settings.logger == "plackett_luce", positions)
    no_steps, no_marginals = _unknown(orders, settings)
    known = orders.known if no_steps is None else np.ones(len(judged.mask), bool)
    judged = judged.select(known)
    classes = _classes(judged)
    targets = _targets(ranker, judged, classes, positions, config)
    resampling = Resampling(config.evaluation.confidence, config.evaluation.bootstrap_samples, config.seed)
    rows: dict[str, tuple[OffPolicyMetrics, ...]] = {}
    for name, weights in (("clicks", None), ("discounted_clicks", discounts(positions))):
        log = LoggedSlates(
            rewards=judged.clicks[:, :positions],
            mask=judged.mask[:, :positions],
            request_index=np.arange(len(judged.mask)),
            step_propensities=None if no_steps else orders.steps[known][:, :positions],
            marginal_propensities=None if no_marginals else orders.marginals[known][:, :positions],
            position_weights=weights,
        )
        rows[name] = tuple(
            off_policy_row(policy, estimate, "slates")
            for policy, target in targets.items()
            for estimate in order_values(log, target, classes[:, :positions], resampling, no_steps, no_marginals)
        )
    return SlateValues(
        slates=len(lists),
        drawn=int(drawn.sum()),
        complete=int(orders.complete.sum()),
        positions=positions,
        logger=settings.logger,
        clicks=rows["clicks"],
        discounted_clicks=rows["discounted_clicks"],
    )


@dataclass(frozen=True)
class _Shown:
    """Slates as they were shown, one row each, padded at the end.

    Attributes:
        lists: the same slates as lists by logged position.
        mask: bool `[slates, width]`; `clicks`, `propensities` float64 of the same shape.
        ranks: by policy, int64 `[slates, width]`: its 0-based place for the item logged there.
        base: scores of the base order `[slates, width]`, or of what is served without one.
    """

    lists: RankingLists
    mask: NDArray[np.bool_]
    clicks: NDArray[np.float64]
    propensities: NDArray[np.float64]
    ranks: dict[str, NDArray[np.int64]]
    base: NDArray[np.float64]

    @classmethod
    def of(cls, lists: RankingLists, rankings: Mapping[str, NDArray[np.floating]]) -> _Shown:
        """Slates whose positions count from 1 without a gap; of others a row is in quarantine."""
        assert lists.clicks is not None
        assert lists.propensities is not None
        assert lists.positions is not None
        order = lists.descending_order(-lists.positions.astype(np.float64))
        placed = lists.reordered(-lists.positions.astype(np.float64))
        mask = np.arange(int(lists.list_sizes.max())) < lists.list_sizes[:, None]

        def dense(values: NDArray, padding: float = 0.0) -> NDArray[np.float64]:
            found = np.full(mask.shape, padding)
            found[mask] = values
            return found

        ranks = {}
        for name in JUDGED:
            if name in rankings:
                by_rank = placed.descending_order(rankings[name][order])
                rank = np.empty(len(by_rank), np.int64)
                rank[by_rank] = np.arange(len(by_rank)) - placed.offsets[placed.list_index]
                ranks[name] = dense(rank, mask.shape[1]).astype(np.int64)
        assert placed.clicks is not None
        assert placed.propensities is not None
        assert placed.positions is not None
        base = rankings.get("base", rankings["served"])[order]
        shown = cls(placed, mask, dense(placed.clicks), dense(placed.propensities, 1.0), ranks, dense(base))
        unbroken = (~mask | (dense(placed.positions) == np.arange(1, mask.shape[1] + 1))).all(axis=1)
        return shown if unbroken.all() or not unbroken.any() else shown.select(unbroken)

    def select(self, chosen: NDArray[np.bool_]) -> _Shown:
        """The slates where `chosen` is true."""
        return _Shown(
            self.lists.select(chosen),
            self.mask[chosen],
            self.clicks[chosen],
            self.propensities[chosen],
            {name: ranks[chosen] for name, ranks in self.ranks.items()},
            self.base[chosen],
        )


def _unknown(orders: SetOrders, settings: SlateValueConfig) -> tuple[str | None, str | None]:
    """Why steps, and why marginals, of the logged orders are not known; None where they are."""
    no_steps = None
    if (~orders.known).mean() > MAX_UNSUPPORTED:
        share = f"{(~orders.complete).mean():.0%} of the slates show a part of their candidates"
        if settings.logger == "plackett_luce":
            no_steps = (
                f"{share}, more than {MAX_DRAWN} of them or very unlikely ones: too much to go through their orders"
            )
        else:
            no_steps = (
                f"{share}, and the log does not tell how likely the same items were in another order; set "
                "evaluation.slate_value.logger where the logger is known, or log slates of all candidates"
            )
    if no_steps is not None:
        return no_steps, no_steps
    if orders.marginals_known[orders.known].all():
        return None, None
    if settings.logger == "plackett_luce":
        return None, "slates are too unlikely for their orders to be gone through"
    return None, (
        "the log does not tell how likely each item was at its position whatever stands elsewhere; set "
        "evaluation.slate_value.logger where the logger is known"
    )


def _classes(shown: _Shown) -> NDArray[np.int64]:
    """Items by tenth of their base score, int64 `[slates, width]`."""
    bounds = np.quantile(shown.base[shown.mask], np.arange(1, CLASSES) / CLASSES)
    return np.searchsorted(bounds, shown.base)


def _targets(
    ranker: SlateRanker, shown: _Shown, classes: NDArray[np.int64], positions: int, config: PipelineConfig
) -> dict[str, OrderTarget]:
    """Every policy's probabilities on the logged slates, its choices by class."""
    settings = config.evaluation.slate_value
    targets = {name: _ordered(ranks, shown.mask, classes, positions) for name, ranks in shown.ranks.items()}
    if settings.exploration == "epsilon":
        slate_size = config.serving.slate_size
        passing = [
            int(ranker.rank(query_of(ranker, shown.lists, index, slate_size)).passed.sum())
            for index in range(len(shown.lists))
        ]
        targets[EXPLORED] = _ordered(
            shown.ranks["served"], shown.mask, classes, positions, settings.epsilon, np.array(passing)
        )
    elif settings.exploration == "temperature":
        targets[EXPLORED] = OrderTarget(_sampled_steps(ranker, shown, positions, config))
    return targets


def _ordered(
    ranks: NDArray[np.int64],
    mask: NDArray[np.bool_],
    classes: NDArray[np.int64],
    positions: int,
    epsilon: float = 0.0,
    movable: NDArray[np.int64] | None = None,
) -> OrderTarget:
    """`ordered_target` with its choices added up by class, some slates at a time."""
    parts = []
    for start in range(0, len(mask), SLATES_AT_ONCE):
        rows = slice(start, start + SLATES_AT_ONCE)
        part = ordered_target(ranks[rows], mask[rows], positions, epsilon, None if movable is None else movable[rows])
        parts.append((part.steps, part.marginals, part.choices_of_classes(classes[rows], CLASSES)))
    steps, marginals, choices = (np.concatenate(each) for each in zip(*parts, strict=True))
    return OrderTarget(steps, marginals, choices)


def _sampled_steps(ranker: SlateRanker, shown: _Shown, positions: int, config: PipelineConfig) -> NDArray[np.float64]:
    """Step probabilities of the logged orders were the draft to explore by temperature, `[slates, positions]`."""
    steps = np.ones((len(shown.lists), positions))
    for index, size in enumerate(shown.lists.list_sizes):
        query = query_of(ranker, shown.lists, index, config.serving.slate_size)
        tempered = replace(query, temperature=config.evaluation.slate_value.temperature)
        places = min(positions, int(size))
        steps[index, :places] = ranker.order_probabilities(tempered, range(places))
    return np.clip(steps, 0.0, 1.0)
