"""Intervals at nominal 95 % cover the true value in 90 to 98 % of simulated data sets of few and of many requests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ranking.metrics import MetricInterval, bootstrap_interval, bootstrap_ratio_interval, paired_difference_interval
from ranking.metrics import request_sums as request_sums_module

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, ...]]
REQUESTS_FOR_THE_TRUTH = 2_000_000
# Data sets and resamples for each number of requests: many requests are slow, and less to be doubted.
SIZES = {50: (600, 1000), 200: (300, 500), 2000: (200, 200)}


def ndcg(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    """A quarter of the requests at 0, a quarter at 1, the rest between."""
    which = rng.random(requests)
    return (np.where(which < 0.25, 0.0, np.where(which < 0.5, 1.0, rng.beta(4, 2, requests))),)


def high_ndcg(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    """Nearly all at 1, few at 0."""
    which = rng.random(requests)
    return (np.where(which < 0.03, 0.0, np.where(which < 0.85, 1.0, rng.beta(4, 2, requests))),)


def reciprocal_ranks(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    return (1.0 / np.minimum(rng.geometric(0.35, requests), 20),)


def hits(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    return ((rng.random(requests) < 0.9).astype(float),)


def rare_hits(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    return ((rng.random(requests) < 0.1).astype(float),)


def rank_gains(requests: int, rng: np.random.Generator) -> tuple[np.ndarray]:
    return (3 * rng.standard_t(5, requests) + rng.exponential(6, requests) * (rng.random(requests) < 0.2),)


def pairs(requests: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two policies that agree on half the requests and share how hard a request is."""
    hardness, agree = rng.beta(1.5, 1.5, requests), rng.random(requests) < 0.5
    one, other = (np.clip(hardness + rng.normal(shift, 0.2, requests), 0, 1) for shift in (0.03, 0.0))
    return np.where(agree, other, one), other


def rarely_different_pairs(requests: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two policies that differ on 15 % of the requests."""
    steps = [0.0, -0.37, 0.37, 0.5, -0.5, 1.0]
    return rng.choice(steps, requests, p=[0.85, 0.04, 0.05, 0.03, 0.02, 0.01]), np.zeros(requests)


def recall_of_a_gate(requests: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Few positive items a request, of which about 95 % pass, in some requests fewer."""
    positives = 1 + rng.poisson(1.0, requests)
    return rng.binomial(positives, rng.beta(9.5, 0.5, requests)).astype(float), positives.astype(float)


def click_rate(requests: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lists of very different length and very different click rate."""
    items = rng.geometric(0.1, requests)
    return rng.binomial(items, rng.beta(0.5, 4.5, requests)).astype(float), items.astype(float)


def weighted_ndcg(requests: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A few requests weigh as much as all others."""
    weights = rng.lognormal(0, 1, requests)
    return weights * ndcg(requests, rng)[0], weights


MEANS = (ndcg, high_ndcg, reciprocal_ranks, hits, rare_hits, rank_gains)
PAIRS = (pairs, rarely_different_pairs)
RATIOS = (recall_of_a_gate, click_rate, weighted_ndcg)
CASES = [
    *((draw, bootstrap_interval) for draw in MEANS),
    *((draw, paired_difference_interval) for draw in PAIRS),
    *((draw, bootstrap_ratio_interval) for draw in RATIOS),
]


def coverage(draw: Draw, interval: Callable[..., MetricInterval], requests: int, trials: int, samples: int) -> float:
    """The share of `trials` data sets whose interval covers the value of a very large one."""
    parts = draw(REQUESTS_FOR_THE_TRUTH, np.random.default_rng(99))
    if interval is bootstrap_ratio_interval:
        truth = parts[0].sum() / parts[1].sum()
    else:
        truth = (parts[0] - (parts[1] if len(parts) > 1 else 0)).mean()
    rng = np.random.default_rng(5)
    found = [interval(*draw(requests, rng), samples=samples, seed=trial) for trial in range(trials)]
    return sum(one.low <= truth <= one.high for one in found) / trials


@pytest.mark.slow
@pytest.mark.parametrize("requests", SIZES)
@pytest.mark.parametrize(("draw", "interval"), CASES, ids=[draw.__name__ for draw, _ in CASES])
def test_intervals_cover_as_often_as_they_promise(
    draw: Draw, interval: Callable[..., MetricInterval], requests: int
) -> None:
    assert 0.90 <= coverage(draw, interval, requests, *SIZES[requests]) <= 0.98


@pytest.mark.parametrize("draw", [hits, rare_hits])
def test_high_and_low_hit_rates_are_covered_on_fifty_requests(draw: Draw) -> None:
    # Plain percentile intervals cover 88 % of them.
    assert coverage(draw, bootstrap_interval, 50, 400, 500) >= 0.93


@pytest.mark.parametrize(
    ("draw", "interval"), [(high_ndcg, bootstrap_interval), (click_rate, bootstrap_ratio_interval)]
)
def test_groups_of_requests_cover_as_often(
    monkeypatch: pytest.MonkeyPatch, draw: Draw, interval: Callable[..., MetricInterval]
) -> None:
    monkeypatch.setattr(request_sums_module, "GROUPS", 256)
    assert 0.91 <= coverage(draw, interval, 1500, 300, 300) <= 0.98
