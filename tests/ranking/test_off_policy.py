from __future__ import annotations

import gzip
import itertools
from collections import Counter
from csv import DictReader
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.off_policy import (
    LoggedImpressions,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
)
from seriatim_errors import DataError
from tests.ranking.generated_lists import lists_of

ESTIMATORS = [inverse_propensity_score, self_normalised_inverse_propensity_score]
SEEDS = st.integers(0, 1000)
OPEN_BANDIT = Path(__file__).parents[3] / "shared" / "data" / "open_bandit"


def impressions(seed: int, count: int = 40) -> tuple[LoggedImpressions, np.ndarray]:
    """A log with exploration and another policy's probabilities of its choices."""
    rng = np.random.default_rng(seed)
    logged = LoggedImpressions(
        rewards=rng.integers(0, 2, count).astype(float),
        propensities=rng.uniform(0.1, 0.9, count),
        request_index=np.arange(count) // 2,
    )
    return logged, rng.uniform(0.05, 1.0, count)


def policies(seed: int, contexts: int = 4, actions: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logging policy, target policy and mean rewards, `[contexts, actions]` each."""
    rng = np.random.default_rng(seed)
    logging, target = rng.dirichlet(np.ones(actions), (2, contexts))
    return np.maximum(logging, 0.02), target, rng.random((contexts, actions))


@given(seed=SEEDS)
@settings(deadline=None)
def test_ips_is_unbiased_by_enumeration_of_every_log_of_three_contexts(seed: int) -> None:
    logging, target, reward = policies(seed, contexts=3)
    logging /= logging.sum(axis=1, keepdims=True)
    contexts = np.arange(3)
    expectation = 0.0
    for actions in itertools.product(range(3), repeat=3):
        shown = (contexts, np.array(actions))
        logged = LoggedImpressions(reward[shown], logging[shown], contexts)
        estimate = inverse_propensity_score(logged, target[shown], samples=2)
        assert estimate.value is not None
        expectation += logging[shown].prod() * estimate.value
    assert expectation == pytest.approx((target * reward).sum(axis=1).mean())


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_estimates_approach_the_policys_value_and_their_interval_covers_it(estimate: object) -> None:
    assert callable(estimate)
    logging, target, reward = policies(3)
    logging /= logging.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    contexts = rng.integers(0, 4, 50_000)
    actions = (rng.random((50_000, 1)) > logging[contexts].cumsum(axis=1)).sum(axis=1).clip(0, 2)
    clicks = (rng.random(50_000) < reward[contexts, actions]).astype(float)
    logged = LoggedImpressions(clicks, logging[contexts, actions], np.arange(50_000))
    found = estimate(logged, target[contexts, actions], samples=200)
    truth = (target * reward).sum(axis=1)[contexts].mean()
    assert found.low < truth < found.high
    assert found.value == pytest.approx(truth, abs=0.03)
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("estimate", ESTIMATORS)
@given(seed=SEEDS)
@settings(deadline=None, max_examples=30)
def test_the_logging_policy_itself_is_worth_exactly_the_logged_mean(estimate: object, seed: int) -> None:
    assert callable(estimate)
    logged, _ = impressions(seed)
    found = estimate(logged, logged.propensities, clip=1.5, samples=20)
    assert found.value == pytest.approx(found.logged_value, rel=1e-12)
    assert found.clipped_value == pytest.approx(found.logged_value, rel=1e-12)
    assert found.diagnostics.effective_sample_size == pytest.approx(len(logged))


@given(seed=SEEDS, constant=st.floats(-5, 5))
@settings(deadline=None)
def test_snips_moves_with_a_constant_added_to_all_rewards_and_ips_need_not(seed: int, constant: float) -> None:
    logged, target = impressions(seed)
    shifted = replace(logged, rewards=logged.rewards + constant)
    before = self_normalised_inverse_propensity_score(logged, target, samples=50)
    after = self_normalised_inverse_propensity_score(shifted, target, samples=50)
    for name in ("value", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) + constant, abs=1e-9)
    plain, moved = (inverse_propensity_score(log, target, samples=5) for log in (logged, shifted))
    assert plain.diagnostics is not None
    assert plain.value is not None
    assert moved.value == pytest.approx(plain.value + constant * plain.diagnostics.mean_weight, abs=1e-9)


@given(seed=SEEDS)
@settings(deadline=None)
def test_snips_stays_within_the_rewards(seed: int) -> None:
    logged, target = impressions(seed)
    found = self_normalised_inverse_propensity_score(logged, target, clip=0.7, samples=50)
    for value in (found.value, found.low, found.high, found.clipped_value):
        assert value is not None
        assert -1e-9 <= value <= 1 + 1e-9


@given(seed=SEEDS, clip=st.floats(0.2, 20))
@settings(deadline=None)
def test_clipping_is_shown_beside_the_value_and_lowers_ips_of_rewards_above_zero(seed: int, clip: float) -> None:
    logged, target = impressions(seed)
    found = inverse_propensity_score(logged, target, clip=clip, samples=5)
    unclipped = inverse_propensity_score(logged, target, samples=5)
    assert logged.propensities is not None
    assert found.value == unclipped.value
    assert unclipped.clipped_value is None
    capped = np.minimum(target / logged.propensities, clip) * logged.rewards
    assert found.clipped_value == pytest.approx(capped.mean())
    assert found.value is not None
    assert found.clipped_value <= found.value + 1e-12


@given(seed=SEEDS)
@settings(deadline=None)
def test_diagnostics_are_their_definitions(seed: int) -> None:
    logged, target = impressions(seed)
    target[:4] = 0.0
    assert logged.propensities is not None
    weights = target / logged.propensities
    found = inverse_propensity_score(logged, target, samples=2).diagnostics
    assert found is not None
    assert found.effective_sample_size == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.max_weight == weights.max()
    assert found.mean_weight == pytest.approx(weights.mean())
    assert found.zero_weight_share == pytest.approx(4 / 40)
    assert found.unsupported_mass == 0.0


def test_the_interval_draws_whole_requests() -> None:
    count = 400
    rewards = np.repeat(np.random.default_rng(0).integers(0, 2, count // 20), 20).astype(float)
    propensities, target = np.full(count, 0.5), np.full(count, 0.5)
    together = LoggedImpressions(rewards, propensities, np.arange(count) // 20)
    apart = replace(together, request_index=np.arange(count))
    wide, narrow = (inverse_propensity_score(log, target) for log in (together, apart))
    assert wide.value == narrow.value
    assert wide.high is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


@pytest.mark.parametrize("estimate", ESTIMATORS)
@pytest.mark.parametrize(
    ("propensities", "target", "reason"),
    [
        (None, [0.5, 0.5], "no propensities"),
        ([1.0, 1.0], [0.5, 1.0], "the logging policy is deterministic: 25.0%"),
        ([0.5, 1.0], [0.5, 0.4], "never makes some of the policy's choices: 30.0%"),
        ([0.5, 0.5], [0.0, 0.0], "none of the logged choices"),
    ],
)
def test_without_support_there_is_a_reason_and_no_number(
    estimate: object, propensities: list[float] | None, target: list[float], reason: str
) -> None:
    assert callable(estimate)
    given_ = None if propensities is None else np.array(propensities)
    found = estimate(LoggedImpressions(np.array([1.0, 0.0]), given_, np.arange(2)), np.array(target), clip=2.0)
    assert not found.identifiable
    assert reason in found.reason
    assert (found.value, found.low, found.high, found.clipped_value) == (None, None, None, None)
    assert found.logged_value == 0.5


def test_a_deterministic_logger_supports_the_policy_that_it_is() -> None:
    logged = LoggedImpressions(np.array([1.0, 0.0, 0.0]), np.ones(3), np.arange(3))
    found = inverse_propensity_score(logged, np.ones(3))
    assert found.identifiable
    assert found.value == pytest.approx(1 / 3)


def test_unsupported_mass_that_the_caller_knows_makes_the_value_not_identifiable() -> None:
    logged, target = impressions(0)
    found = inverse_propensity_score(logged, target, unsupported_mass=np.full(40, 0.2))
    assert not found.identifiable
    assert found.reason is not None
    assert "20.0%" in found.reason
    assert inverse_propensity_score(logged, target, unsupported_mass=np.full(40, 0.001)).identifiable


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_an_empty_log_is_not_identifiable(estimate: object) -> None:
    assert callable(estimate)
    found = estimate(LoggedImpressions(np.zeros(0), np.zeros(0), np.zeros(0, np.int64)), np.zeros(0))
    assert (found.identifiable, found.count, found.value) == (False, 0, None)


def test_lists_become_impressions_grouped_by_request() -> None:
    lists = replace(lists_of([2, 1]), propensities=np.array([0.5, 0.25, 1.0], np.float32))
    logged = LoggedImpressions.from_lists(lists)
    assert lists.clicks is not None
    assert logged.rewards.tolist() == lists.clicks.tolist()
    assert logged.propensities is not None
    assert logged.propensities.tolist() == [0.5, 0.25, 1.0]
    assert logged.request_index.tolist() == [0, 0, 1]


def test_lists_without_clicks_are_refused() -> None:
    with pytest.raises(DataError, match="clicks: the lists hold none"):
        LoggedImpressions.from_lists(replace(lists_of([2]), clicks=None))


@pytest.mark.parametrize(
    ("rewards", "propensities", "index", "message"),
    [
        ([np.nan, 0.0], [0.5, 0.5], [0, 1], "rewards: impression 0 has nan"),
        ([1.0, 0.0], [0.5, 0.0], [0, 1], r"propensities: impression 1 has 0\.0"),
        ([1.0, 0.0], [0.5, 1.1], [0, 1], r"propensities: impression 1 has 1\.1"),
        ([1.0, 0.0], [0.5, np.nan], [0, 1], "propensities: impression 1 has nan"),
        ([1.0, 0.0], [0.5], [0, 1], "propensities: 1 values for 2 rewards"),
        ([1.0, 0.0], [0.5, 0.5], [0], "request_index: 1 values for 2 rewards"),
    ],
)
def test_a_bad_log_is_named(rewards: list[float], propensities: list[float], index: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LoggedImpressions(np.array(rewards), np.array(propensities), np.array(index))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0.5], r"target_probabilities: shape \(1,\) for 2 impressions"),
        ([0.5, -0.1], r"target_probabilities: impression 1 has -0\.1"),
        ([np.nan, 0.1], "target_probabilities: impression 0 has nan"),
    ],
)
def test_bad_target_probabilities_are_named(target: list[float], message: str) -> None:
    logged = LoggedImpressions(np.zeros(2), np.full(2, 0.5), np.arange(2))
    with pytest.raises(DataError, match=message):
        inverse_propensity_score(logged, np.array(target))


def test_a_cap_that_is_not_positive_is_refused() -> None:
    logged, target = impressions(0)
    with pytest.raises(ValueError, match="clip: 0"):
        inverse_propensity_score(logged, target, clip=0)


def test_a_sound_log_of_another_policy_calls_for_no_caution() -> None:
    rng = np.random.default_rng(0)
    logging, target = np.array([0.6, 0.4]), np.array([0.3, 0.7])
    actions = (rng.random(2000) < logging[1]).astype(int)
    logged = LoggedImpressions(actions.astype(float), logging[actions], np.arange(2000))
    assert inverse_propensity_score(logged, target[actions]).caution is None


def test_weights_that_a_few_impressions_rule_call_for_caution() -> None:
    propensities = np.full(1000, 0.5)
    propensities[0] = 1e-6
    logged = LoggedImpressions(np.ones(1000), propensities, np.arange(1000))
    found = self_normalised_inverse_propensity_score(logged, np.full(1000, 0.5))
    assert found.caution is not None
    assert "1000 impressions weigh no more than 1.0" in found.caution


def test_propensities_that_do_not_fit_the_log_call_for_caution() -> None:
    logged = LoggedImpressions(np.ones(1000), np.full(1000, 0.5), np.arange(1000))
    found = inverse_propensity_score(logged, np.full(1000, 0.2))
    assert found.caution is not None
    assert "the mean weight is 0.4 [0.4, 0.4] and should be 1" in found.caution


@pytest.mark.real_data
@pytest.mark.skipif(not OPEN_BANDIT.is_dir(), reason="the Open Bandit sample is not beside the checkout")
def test_the_click_rate_of_thompson_sampling_is_estimated_from_uniform_exploration() -> None:
    uniform, thompson = (open_bandit_rows(policy) for policy in ("random", "bts"))
    shown = Counter((row["position"], row["item_id"]) for row in thompson)
    at_position = Counter(row["position"] for row in thompson)
    target = [shown[row["position"], row["item_id"]] / at_position[row["position"]] for row in uniform]
    logged = LoggedImpressions(
        np.array([float(row["click"]) for row in uniform]),
        np.array([float(row["propensity_score"]) for row in uniform]),
        np.arange(len(uniform)),
    )
    on_policy = np.mean([float(row["click"]) for row in thompson])
    for estimate in ESTIMATORS:
        found = estimate(logged, np.array(target))
        assert found.low is not None
        assert found.high is not None
        assert found.low <= on_policy <= found.high
        assert found.caution is None
        assert found.diagnostics is not None
        assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=0.03)


def open_bandit_rows(policy: str) -> list[dict[str, str]]:
    """The sampled impressions of the women's campaign under one logging policy."""
    with gzip.open(OPEN_BANDIT / policy / "women" / "women.csv.gz", "rt", encoding="utf-8") as text:
        return list(DictReader(text))
