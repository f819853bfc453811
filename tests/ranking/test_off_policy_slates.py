from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.off_policy import (
    LoggedImpressions,
    LoggedSlates,
    RewardPredictions,
    cascade_doubly_robust,
    cross_fitted_slate_rewards,
    discounts,
    independent_inverse_propensity_score,
    inverse_propensity_score,
    position_based_score,
    reward_interaction_inverse_propensity_score,
    self_normalised_inverse_propensity_score,
    slate_inverse_propensity_score,
)
from tests.ranking.enumerated_slates import (
    ITEMS,
    POSITIONS,
    SLATES,
    Policy,
    cascade_rewards,
    expected_value,
    independent_rewards,
    interacting_rewards,
    logged_slates,
    random_policy,
    true_value,
)

SEEDS = st.integers(0, 1000)
BY_STEPS = [slate_inverse_propensity_score, reward_interaction_inverse_propensity_score]


def world(seed: int, rewards=interacting_rewards, alpha: np.ndarray | None = None):
    rng = np.random.default_rng(seed)
    logger, target = random_policy(rng), random_policy(rng)
    return logger, target, logged_slates(logger, rewards(rng), alpha)


def drawn(logger: Policy, log: LoggedSlates, count: int, seed: int) -> tuple[LoggedSlates, np.ndarray]:
    """A log of `count` slates with clicks, and which slate each is."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(SLATES), count, p=logger.slates())
    clicks = (rng.random((count, POSITIONS)) < log.rewards[rows]).astype(float)
    assert log.step_propensities is not None
    assert log.marginal_propensities is not None
    made = LoggedSlates(
        clicks,
        np.ones_like(clicks, bool),
        np.arange(count),
        log.step_propensities[rows],
        log.marginal_propensities[rows],
        log.position_weights,
    )
    return made, rows


def exact_predictions(target: Policy, log: LoggedSlates) -> RewardPredictions:
    """`Q_k` and its mean under the policy by enumeration, for rewards of a cascade."""
    rewards, steps, chosen = log.weighted_rewards, target.steps(), target.chosen()
    q, v = np.zeros(SLATES.shape), np.zeros((len(SLATES), POSITIONS + 1))
    for k in reversed(range(POSITIONS)):
        q[:, k] = rewards[:, k] + v[:, k + 1]
        for row, slate in enumerate(SLATES):
            alike = (SLATES[:, :k] == slate[:k]).all(axis=1)
            for item in range(ITEMS):
                same = alike & (SLATES[:, k] == item)
                if same.any():
                    v[row, k] += steps[row, k, item] * q[np.argmax(same), k]
    assert chosen.shape == q.shape
    return RewardPredictions(q, v[:, :POSITIONS])


@given(seed=SEEDS)
@settings(max_examples=10)
def test_sips_is_unbiased_whatever_users_do(seed: int) -> None:
    logger, target, log = world(seed, interacting_rewards, discounts(POSITIONS))
    found = expected_value(logger, log, slate_inverse_propensity_score, target.chosen())
    assert found == pytest.approx(true_value(target, log), rel=1e-9)


@given(seed=SEEDS)
@settings(max_examples=10)
def test_rips_is_unbiased_where_users_read_from_the_top(seed: int) -> None:
    logger, target, log = world(seed, cascade_rewards, discounts(POSITIONS))
    found = expected_value(logger, log, reward_interaction_inverse_propensity_score, target.chosen())
    assert found == pytest.approx(true_value(target, log), rel=1e-9)


@given(seed=SEEDS)
@settings(max_examples=10)
def test_cascade_dr_is_unbiased_under_a_cascade_whatever_its_model_says(seed: int) -> None:
    logger, target, log = world(seed, cascade_rewards)
    # The mean under the policy must be that of the same wrong Q for every item.
    table = np.random.default_rng(seed).normal(size=(POSITIONS, ITEMS))
    q, under = table[np.arange(POSITIONS), SLATES], (target.steps() * table).sum(axis=2)

    def estimate(one: LoggedSlates, steps: np.ndarray, of_logged: np.ndarray, mean: np.ndarray, samples: int):
        return cascade_doubly_robust(one, steps, RewardPredictions(of_logged, mean), samples=samples)

    found = expected_value(logger, log, estimate, target.chosen(), q, under)
    assert found == pytest.approx(true_value(target, log), rel=1e-9)


@given(seed=SEEDS)
@settings(max_examples=10)
def test_iips_is_unbiased_where_positions_do_not_interact(seed: int) -> None:
    logger, target, log = world(seed, independent_rewards, discounts(POSITIONS))
    found = expected_value(logger, log, independent_inverse_propensity_score, target.marginals())
    assert found == pytest.approx(true_value(target, log), rel=1e-9)


def test_iips_is_biased_where_positions_interact_and_rips_is_not() -> None:
    logger, target, log = world(3, cascade_rewards)
    truth = true_value(target, log)
    iips = expected_value(logger, log, independent_inverse_propensity_score, target.marginals())
    rips = expected_value(logger, log, reward_interaction_inverse_propensity_score, target.chosen())
    assert abs(iips - truth) > 0.02
    assert rips == pytest.approx(truth, rel=1e-9)


def test_rips_is_biased_where_a_reward_depends_on_items_below_and_sips_is_not() -> None:
    logger, target, log = world(3, interacting_rewards)
    truth = true_value(target, log)
    rips = expected_value(logger, log, reward_interaction_inverse_propensity_score, target.chosen())
    sips = expected_value(logger, log, slate_inverse_propensity_score, target.chosen())
    assert abs(rips - truth) > 0.02
    assert sips == pytest.approx(truth, rel=1e-9)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_unrolled_sum_is_the_recursion(seed: int) -> None:
    _, target, log = world(seed, cascade_rewards, discounts(POSITIONS))
    rng = np.random.default_rng(seed)
    predictions = RewardPredictions(rng.normal(size=SLATES.shape), rng.normal(size=SLATES.shape))
    values = []
    for row in range(len(SLATES)):
        v = 0.0
        for k in reversed(range(POSITIONS)):
            assert log.step_propensities is not None
            w = target.chosen()[row, k] / log.step_propensities[row, k]
            v = predictions.under_policy[row, k] + w * (
                log.weighted_rewards[row, k] + v - predictions.of_logged[row, k]
            )
        values.append(v)
    found = cascade_doubly_robust(log, target.chosen(), predictions, samples=2)
    assert found.value == pytest.approx(np.mean(values), rel=1e-9)


@given(seed=SEEDS, normalised=st.booleans())
@settings(max_examples=20)
def test_cascade_dr_with_a_model_of_zero_is_rips(seed: int, normalised: bool) -> None:
    _, target, log = world(seed)
    nothing = RewardPredictions(np.zeros(SLATES.shape), np.zeros(SLATES.shape))
    options = {"self_normalised": normalised, "clip": 1.5, "samples": 30}
    with_model = cascade_doubly_robust(log, target.chosen(), nothing, **options)
    without = reward_interaction_inverse_propensity_score(log, target.chosen(), **options)
    for name in ("value", "low", "high", "clipped_value", "clipped_low", "clipped_high"):
        assert getattr(with_model, name) == pytest.approx(getattr(without, name), rel=1e-9)
    assert with_model.diagnostics == without.diagnostics


def test_the_exact_model_leaves_cascade_dr_without_variance_where_rewards_are_their_means() -> None:
    _, target, log = world(5, cascade_rewards)
    found = cascade_doubly_robust(log, target.chosen(), exact_predictions(target, log), samples=20)
    assert found.value == pytest.approx(true_value(target, log), rel=1e-9)
    assert found.low == pytest.approx(found.high, rel=1e-9)


def test_the_exact_model_keeps_cascade_dr_right_where_propensities_are_wrong() -> None:
    logger, target, log = world(5, cascade_rewards)
    predictions = exact_predictions(target, log)
    wrong = replace(log, step_propensities=np.full(SLATES.shape, 0.5))

    def estimate(one: LoggedSlates, steps: np.ndarray, of_logged: np.ndarray, mean: np.ndarray, samples: int):
        return cascade_doubly_robust(one, steps, RewardPredictions(of_logged, mean), samples=samples)

    arrays = (target.chosen(), predictions.of_logged, predictions.under_policy)
    assert expected_value(logger, wrong, estimate, *arrays) == pytest.approx(true_value(target, log), rel=1e-9)
    rips = expected_value(logger, wrong, reward_interaction_inverse_propensity_score, target.chosen())
    assert abs(rips - true_value(target, log)) > 0.02


def every_estimate(log: LoggedSlates, steps: np.ndarray, marginals: np.ndarray, **options):
    nothing = RewardPredictions(np.zeros(log.rewards.shape), np.zeros(log.rewards.shape))
    for normalised in (False, True):
        for estimate in BY_STEPS:
            yield estimate(log, steps, self_normalised=normalised, **options)
        yield independent_inverse_propensity_score(log, marginals, self_normalised=normalised, **options)
        yield cascade_doubly_robust(log, steps, nothing, self_normalised=normalised, **options)
    theta = 1.0 / np.arange(1, log.rewards.shape[1] + 1)
    same = np.repeat(np.eye(len(theta))[None], len(log), axis=0)
    yield position_based_score(replace(log, mask=np.ones_like(log.mask)), theta, same, **options)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_logging_policy_itself_is_worth_exactly_the_logged_mean_by_every_estimator(seed: int) -> None:
    logger, _, log = world(seed, interacting_rewards, discounts(POSITIONS))
    for found in every_estimate(log, logger.chosen(), logger.marginals(), clip=1.0, samples=5):
        assert found.value == pytest.approx(found.logged_value, rel=1e-12), found.estimator
        assert found.clipped_value == pytest.approx(found.logged_value, rel=1e-12)
        assert found.clip_bias == pytest.approx(0.0, abs=1e-12)
        assert found.diagnostics is not None
        assert found.diagnostics.effective_sample_size == pytest.approx(len(log))
        assert found.diagnostics.mean_weight == pytest.approx(1.0)


def test_slates_of_unlike_length_are_judged_as_if_each_were_alone() -> None:
    logger, target, log = world(1)
    rng = np.random.default_rng(1)
    mask = np.arange(POSITIONS) < rng.integers(1, POSITIONS + 1, len(SLATES))[:, None]
    rubbish = np.where(mask, log.rewards, np.nan)
    assert log.step_propensities is not None
    short = replace(log, rewards=rubbish, mask=mask, step_propensities=np.where(mask, log.step_propensities, np.nan))
    steps = np.where(mask, target.chosen(), np.nan)
    w = np.where(mask, target.chosen() / logger.chosen(), 1.0)
    r = np.where(mask, log.rewards, 0.0)
    sips = slate_inverse_propensity_score(short, steps, samples=2)
    rips = reward_interaction_inverse_propensity_score(short, steps, samples=2)
    assert sips.value == pytest.approx((w.prod(axis=1) * r.sum(axis=1)).mean())
    assert rips.value == pytest.approx((w.cumprod(axis=1) * r).sum(axis=1).mean())


@given(seed=SEEDS, constant=st.floats(-5, 5))
@settings(max_examples=20)
def test_self_normalised_values_move_with_a_constant_added_to_all_rewards(seed: int, constant: float) -> None:
    _, target, log = world(seed, interacting_rewards, discounts(POSITIONS))
    moved = replace(log, rewards=log.rewards + constant)
    shift = constant * discounts(POSITIONS).sum()
    for estimate, policy in [(e, target.chosen()) for e in BY_STEPS] + [
        (independent_inverse_propensity_score, target.marginals())
    ]:
        before, after = (estimate(which, policy, self_normalised=True, samples=2) for which in (log, moved))
        assert after.value == pytest.approx(before.value + shift, abs=1e-8)


@given(seed=SEEDS, clip=st.floats(0.3, 5))
@settings(max_examples=20)
def test_a_cap_lowers_rewards_above_zero_and_its_bias_is_shown(seed: int, clip: float) -> None:
    _, target, log = world(seed)
    for found in every_estimate(log, target.chosen(), target.marginals(), clip=clip, samples=2):
        if not found.estimator.startswith("sn"):
            assert found.clip_bias is not None
            assert found.clip_bias <= 1e-12
            assert found.clipped_value == pytest.approx(found.value + found.clip_bias)
    rips = reward_interaction_inverse_propensity_score(log, target.chosen(), clip=clip, samples=2)
    assert log.step_propensities is not None
    capped = np.minimum((target.chosen() / log.step_propensities).cumprod(axis=1), clip)
    assert rips.clipped_value == pytest.approx((capped * log.rewards).sum(axis=1).mean())


def test_rips_weighs_more_slates_than_sips_and_says_so() -> None:
    logger, target, log = world(2, cascade_rewards)
    big, _ = drawn(logger, log, 2000, 0)
    chosen = target.chosen()[np.random.default_rng(0).choice(len(SLATES), 2000, p=logger.slates())]
    sips, rips = (estimate(big, chosen, samples=50) for estimate in BY_STEPS)
    assert sips.diagnostics is not None
    assert rips.diagnostics is not None
    assert rips.diagnostics.effective_sample_size > sips.diagnostics.effective_sample_size
    assert rips.diagnostics.mean_weight == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("normalised", [False, True])
def test_estimates_from_a_drawn_log_cover_the_truth(normalised: bool) -> None:
    logger, target, world_log = world(7, cascade_rewards)
    log, rows = drawn(logger, world_log, 20_000, 1)
    truth = true_value(target, world_log)
    steps = target.steps()[rows]
    predictions = cross_fitted_slate_rewards(log, SLATES[rows], steps)
    chosen = target.chosen()[rows]
    estimates = [partial(cascade_doubly_robust, predictions=predictions), *BY_STEPS]
    widths = []
    for estimate in estimates:
        found = estimate(log, chosen, self_normalised=normalised, samples=200)
        assert found.low is not None
        assert found.high is not None
        assert found.low < truth < found.high
        assert found.caution is None
        widths.append(found.high - found.low)
    cascade_dr, sips, rips = widths
    assert cascade_dr < rips < sips


def test_one_item_a_slate_is_a_log_of_impressions() -> None:
    rng = np.random.default_rng(4)
    rewards, propensities, target = rng.random(30), rng.uniform(0.1, 0.9, 30), rng.uniform(0.0, 1.0, 30)
    place = rng.integers(0, 3, 30)
    mask = place[:, None] == np.arange(3)
    spread = lambda values: np.where(mask, values[:, None], np.nan)  # noqa: E731
    slates = LoggedSlates(spread(rewards), mask, np.arange(30) // 2, marginal_propensities=spread(propensities))
    impressions = LoggedImpressions(rewards, propensities, np.arange(30) // 2)
    iips = independent_inverse_propensity_score(slates, spread(target), samples=50)
    ips = inverse_propensity_score(impressions, target, samples=50)
    for name in ("value", "low", "high", "logged_value", "count"):
        assert getattr(iips, name) == pytest.approx(getattr(ips, name))
    assert ips.diagnostics is not None
    assert iips.diagnostics is not None
    assert iips.diagnostics.effective_sample_size == pytest.approx(ips.diagnostics.effective_sample_size)


def test_self_normalised_sips_of_one_position_is_snips() -> None:
    rng = np.random.default_rng(4)
    rewards, propensities, target = rng.random(30), rng.uniform(0.1, 0.9, 30), rng.uniform(0.0, 1.0, 30)
    slates = LoggedSlates(rewards[:, None], np.ones((30, 1), bool), np.arange(30), propensities[:, None])
    snips = self_normalised_inverse_propensity_score(
        LoggedImpressions(rewards, propensities, np.arange(30)), target, samples=50
    )
    for estimate in BY_STEPS:
        found = estimate(slates, target[:, None], self_normalised=True, samples=50)
        assert (found.value, found.low, found.high) == pytest.approx((snips.value, snips.low, snips.high))


def test_mass_that_leaves_the_support_is_counted_as_often_as_the_policy_gets_there() -> None:
    # Two steps: the first is a fair coin, after heads the logger always goes on with item 2 and the policy never.
    steps = np.array([[0.5, 1.0], [0.5, 0.5], [0.5, 0.5]])
    target = np.array([[0.2, 0.0], [0.8, 0.5], [0.8, 0.5]])
    log = LoggedSlates(np.ones((3, 2)), np.ones((3, 2), bool), np.arange(3), steps)
    found = reward_interaction_inverse_propensity_score(log, target)
    assert not found.identifiable
    assert found.diagnostics is not None
    assert found.diagnostics.unsupported_mass == pytest.approx(0.4 / 3)
    known = slate_inverse_propensity_score(
        replace(log, step_propensities=np.full((3, 2), 0.5)), target, np.full(3, 0.3)
    )
    assert known.reason is not None
    assert "30.0%" in known.reason


def test_predictions_of_a_slate_do_not_depend_on_its_own_rewards() -> None:
    logger, target, world_log = world(7, cascade_rewards)
    log, rows = drawn(logger, world_log, 60, 1)
    steps = target.steps()[rows]
    before = cross_fitted_slate_rewards(log, SLATES[rows], steps, folds=60)
    changed = log.rewards.copy()
    changed[17] = 50.0
    after = cross_fitted_slate_rewards(replace(log, rewards=changed), SLATES[rows], steps, folds=60)
    assert (after.of_logged[17] == before.of_logged[17]).all()
    assert (after.of_logged[18] != before.of_logged[18]).any()
