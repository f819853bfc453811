"""Do off-policy estimates find a new policy's value on simulated traffic, and do they beat the usual fixed clicks?

Requests, items and users are the simulated marketplace's, four items a request, all of them shown. The base order is
logged with exploration by temperature or by epsilon, with the propensities that the service would log. The new
policy orders by a score that knows what users care for; its true value, discounted clicks a slate, is that of clicks
simulated anew on its own orders. Estimates come from independent logs, drawn until the time is over.

The fixed-click metric leaves clicks on the items that they fell on: the discounted gain of the logged clicks in the new
order. Its best form weighs each click by how much more the new position is looked at than the old one, with the
examination that a randomised experiment on all traffic would find (this is PBM, right where users look at each position
by itself).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import parse_options, report
from benchmarks.off_policy_population import (
    ITEMS,
    LOGGERS,
    TARGETS,
    USERS,
    Policy,
    Population,
    Traffic,
    made_population,
    made_traffic,
)
from ranking.metrics.intervals import bootstrap_interval
from ranking.off_policy import (
    cascade_doubly_robust,
    cross_fitted_slate_rewards,
    discounts,
    independent_inverse_propensity_score,
    placements_of_ranks,
    position_based_score,
    reward_interaction_inverse_propensity_score,
    slate_inverse_propensity_score,
)

NEEDS = {"minutes": 10, "least": 2, "small": ["--requests", "4000"]}
SLATES, SIZES = 5000, (500, 1000, 2000, 5000, 10_000)
# The error by size of the log is drawn for one setting.
BY_SIZE = ("diverse", "temperature", "best order")
CLASSES, SAMPLES, ROUNDS, LEAST_LOGS, MOST_LOGS = 10, 400, 50, 5, 1000
FIXED, DEBIASED, RECOMMENDED = "fixed clicks", "fixed clicks by examination", "SN-cascade-DR"
NAIVE = (FIXED, DEBIASED)
LEVEL = 0.95


@dataclass(frozen=True)
class Truth:
    """What is known of users: each target's value with its standard error, and how often positions are looked at."""

    values: dict[str, tuple[float, float]]
    examination: NDArray[np.float64]


@dataclass
class Found:
    """Estimates of one value from independent logs."""

    values: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)
    effective: list[float] = field(default_factory=list)
    untold: int = 0

    def add(self, value: float | None, low: float | None, high: float | None, effective: float | None) -> None:
        """One log's estimate; None where it could not be told."""
        if value is None or low is None or high is None:
            self.untold += 1
            return
        self.values.append(value)
        self.ends.append((low, high))
        if effective is not None:
            self.effective.append(effective)

    def error(self, truth: float) -> float:
        """Root mean squared error as a share of the truth."""
        return float(np.sqrt(np.mean((np.array(self.values) / truth - 1.0) ** 2)))

    def covered(self, truth: float) -> float:
        """Share of the intervals that hold the truth."""
        return float(np.mean([low <= truth <= high for low, high in self.ends]))


def main() -> None:
    """Draw logs until the time is over, and report."""
    options = parse_options(
        "off_policy_traffic",
        __doc__ or "",
        ("--requests", {"type": int, "default": 20_000, "help": "requests that traffic is drawn from"}),
    )
    end = time.monotonic() + 60 * options.budget
    population = made_population(options.extra.requests)
    truths = known_truths(population, ROUNDS)
    found, logs = judged_logs(population, truths, end)
    rows = [_row(key, estimates, truths) for key, estimates in found.items()]
    settings = {
        "items a slate": ITEMS,
        "slates a log": SLATES,
        "logs": logs,
        "resamples": SAMPLES,
        "value": "discounted clicks a slate, clicks / log2(position + 1)",
        "users": "; ".join(f"{name}: {words}" for name, (words, _) in USERS.items()),
        "loggers": ", ".join(f"{name} {_setting(policy)}" for name, policy in LOGGERS.items()),
        "targets": ", ".join(f"{name} {_setting(policy)}" for name, policy in TARGETS.items()),
        "largest standard error of a truth": max(
            error for truth in truths.values() for _, error in truth.values.values()
        ),
    }
    report(options, settings, _figures(rows), rows)


def known_truths(population: Population, rounds: int) -> dict[str, Truth]:
    """By kind of users."""
    truths = {}
    for number, (name, (_, users)) in enumerate(USERS.items()):
        rng = np.random.default_rng([number, 1])
        values = {target: population.value(users, policy, rounds, rng) for target, policy in TARGETS.items()}
        truths[name] = Truth(values, population.examination(users, rng))
    return truths


def judged_logs(
    population: Population, truths: dict[str, Truth], end: float
) -> tuple[dict[tuple[str, str, str, int, str], Found], int]:
    """Every estimator on new logs, by users, logger, target, size of the log and estimator; and the number of logs.

    Args:
        population, truths: what logs are drawn from, and the examination that fixed clicks may know.
        end: `time.monotonic()` after which no further round is begun, once there are `LEAST_LOGS`.
    """
    found: dict[tuple[str, str, str, int, str], Found] = {}
    logs = 0
    while logs < LEAST_LOGS or (logs < MOST_LOGS and time.monotonic() < end):
        for number, (users, (_, model)) in enumerate(USERS.items()):
            for place, (logger, policy) in enumerate(LOGGERS.items()):
                # The largest log comes last, and the seed tells the sizes apart.
                for size in SIZES if (users, logger) == BY_SIZE[:2] else (SLATES,):
                    rng = np.random.default_rng([logs, number, place, size])
                    traffic = made_traffic(population, model, policy, size, rng)
                    for target in TARGETS if size == SLATES else BY_SIZE[2:]:
                        for name, *estimate in estimates(traffic, TARGETS[target], truths[users].examination, rng):
                            found.setdefault((users, logger, target, size, name), Found()).add(*estimate)
        logs += 1
    return found, logs


def estimates(
    traffic: Traffic, target: Policy, examination: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[str, float | None, float | None, float | None, float | None]]:
    """Name, value, interval and effective sample size of every estimator, fixed clicks first."""
    log, scores = traffic.log, traffic.scores[target.score]
    ranks = np.argsort(target.order(scores, rng), axis=1)
    fixed = bootstrap_interval((log.rewards * discounts(ITEMS)[ranks]).sum(axis=1), LEVEL, SAMPLES)
    yield FIXED, fixed.value, fixed.low, fixed.high, None
    shown = target.on(scores)
    assert shown.marginals is not None
    classes = np.searchsorted(np.quantile(scores, np.arange(1, CLASSES) / CLASSES), scores)
    choices = shown.choices_of_classes(classes, CLASSES)
    assert choices is not None
    predictions = cross_fitted_slate_rewards(log, classes, choices)
    common: dict[str, Any] = {"confidence": LEVEL, "samples": SAMPLES}
    weighed = {
        DEBIASED: position_based_score(log, examination, placements_of_ranks(ranks + 1, ITEMS), **common),
        "SN-IIPS": independent_inverse_propensity_score(log, shown.marginals, self_normalised=True, **common),
        "SN-SIPS": slate_inverse_propensity_score(log, shown.steps, self_normalised=True, **common),
        "SN-RIPS": reward_interaction_inverse_propensity_score(log, shown.steps, self_normalised=True, **common),
        RECOMMENDED: cascade_doubly_robust(log, shown.steps, predictions, self_normalised=True, **common),
    }
    for name, one in weighed.items():
        effective = None if one.diagnostics is None else one.diagnostics.effective_sample_size
        yield name, one.value, one.low, one.high, effective


def _row(key: tuple[str, str, str, int, str], found: Found, truths: dict[str, Truth]) -> dict[str, Any]:
    users, logger, target, size, name = key
    truth, values = truths[users].values[target][0], np.array(found.values)
    covered = found.covered(truth)
    spread = float(values.std(ddof=1) / np.sqrt(len(values)))
    bias = float(values.mean()) - truth
    return {
        "users": users,
        "logger": logger,
        "policy": target,
        "slates": size,
        "estimator": name,
        "truth": truth,
        "bias": bias / truth,
        "certain bias": "yes" if abs(bias) > 3 * np.hypot(spread, truths[users].values[target][1]) else "no",
        "relative error": found.error(truth),
        "covers": covered,
        "standard error of covers": float(np.sqrt(max(covered * (1 - covered), 1e-9) / len(values))),
        "relative width": float(np.mean([high - low for low, high in found.ends])) / truth,
        "effective": "-" if not found.effective else round(float(np.mean(found.effective))),
        "logs": len(values),
        "untold": found.untold,
    }


def _figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Coverage of the recommended estimator, and by how much it beats the better form of fixed clicks."""
    figures = {}
    of_table = [row for row in rows if row["slates"] == SLATES]
    recommended = [row for row in of_table if row["estimator"] == RECOMMENDED]
    figures["covered_by_recommended"] = float(np.mean([row["covers"] for row in recommended]))
    figures["least_covered_by_recommended"] = min(row["covers"] for row in recommended)
    for users in USERS:
        mine = [row for row in of_table if row["users"] == users]
        figures[f"covered_{users}"] = float(np.mean([row["covers"] for row in mine if row["estimator"] == RECOMMENDED]))
        for name in NAIVE:
            ratios = [
                _error(mine, row["logger"], row["policy"], name) / row["relative error"]
                for row in mine
                if row["estimator"] == RECOMMENDED
            ]
            figures[f"error_of_{name.replace(' ', '_')}_over_recommended_{users}"] = float(
                np.exp(np.mean(np.log(ratios)))
            )
    return figures


def _error(rows: list[dict[str, Any]], logger: str, target: str, name: str) -> float:
    return next(
        row["relative error"]
        for row in rows
        if (row["logger"], row["policy"], row["estimator"]) == (logger, target, name)
    )


def _setting(policy: Policy) -> str:
    if policy.temperature is not None:
        return f"({policy.score} scores at temperature {policy.temperature:g})"
    return f"({policy.score} scores, epsilon {policy.epsilon:g})" if policy.epsilon else f"({policy.score} scores)"


if __name__ == "__main__":
    main()
