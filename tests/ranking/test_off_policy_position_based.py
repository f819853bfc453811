from __future__ import annotations

import numpy as np
import pytest

from ranking.off_policy import (
    LoggedSlates,
    discounts,
    placements_of_ranks,
    position_based_score,
    reward_interaction_inverse_propensity_score,
)
from tests.ranking.enumerated_slates import (
    ITEMS,
    POSITIONS,
    SLATES,
    expected_value,
    logged_slates,
    random_policy,
    true_value,
)


def test_the_position_based_estimator_is_unbiased_under_its_model_with_exploration() -> None:
    rng = np.random.default_rng(0)
    logger, target = random_policy(rng), random_policy(rng)
    theta, attraction = np.array([1.0, 0.6, 0.3]), rng.random(ITEMS)
    log = logged_slates(logger, theta * attraction[SLATES], discounts(POSITIONS))
    by_target, by_logger = target.placements()[SLATES], logger.placements()[SLATES]

    def estimate(one: LoggedSlates, new: np.ndarray, old: np.ndarray, samples: int):
        return position_based_score(one, theta, new, old, samples=samples)

    found = expected_value(logger, log, estimate, by_target, by_logger)
    assert found == pytest.approx(true_value(target, log), rel=1e-9)


def test_the_position_based_estimator_judges_another_order_from_a_deterministic_logger() -> None:
    rng = np.random.default_rng(0)
    theta, attraction = np.array([1.0, 0.6, 0.3]), rng.random((200, POSITIONS))
    mask, index = np.ones((200, POSITIONS), bool), np.arange(200)
    log = LoggedSlates(theta * attraction, mask, index, np.ones((200, POSITIONS)))
    ranks = np.argsort(-attraction, axis=1).argsort(axis=1) + 1
    found = position_based_score(log, theta, placements_of_ranks(ranks, POSITIONS), samples=20)
    assert found.value == pytest.approx((attraction * theta[ranks - 1]).sum(axis=1).mean())
    assert found.diagnostics is not None
    assert found.diagnostics.mean_weight == pytest.approx(1.0)
    assert found.caution is None
    steps = (ranks == np.arange(1, POSITIONS + 1)).astype(float)
    refused = reward_interaction_inverse_propensity_score(log, steps)
    assert refused.reason is not None
    assert "the logging policy is deterministic" in refused.reason


def test_the_position_based_estimator_has_no_number_for_items_that_were_not_shown() -> None:
    log = LoggedSlates(np.ones((2, 2)), np.ones((2, 2), bool), np.arange(2))
    ranks = np.array([[1, 9], [2, 1]])
    found = position_based_score(log, np.array([1.0, 0.5]), placements_of_ranks(ranks, 2))
    assert not found.identifiable
    assert found.value is None
    assert found.reason is not None
    assert "16.7% of what users would look at" in found.reason
