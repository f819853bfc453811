from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.off_policy import (
    LoggedChoices,
    LoggedImpressions,
    LogisticRewards,
    RewardPredictions,
    TabularRewards,
    cross_fitted_rewards,
    direct_method,
    doubly_robust,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
    switch_doubly_robust,
)
from seriatim_errors import ConfigError, DataError, TrainingError

SEEDS = st.integers(0, 1000)
CONTEXTS, ACTIONS = 3, 3


def policies(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logging policy, target policy and mean rewards, `[contexts, actions]` each."""
    rng = np.random.default_rng(seed)
    logging, target = (0.1 + rng.dirichlet(np.ones(ACTIONS), CONTEXTS) for _ in range(2))
    normal = [policy / policy.sum(axis=1, keepdims=True) for policy in (logging, target)]
    return normal[0], normal[1], rng.random((CONTEXTS, ACTIONS))


def expected(logging: np.ndarray, propensities: np.ndarray, target, reward, model, **options) -> float:
    """Mean of the doubly robust estimate over all logs of three contexts, with stated propensities."""
    contexts, total = np.arange(CONTEXTS), 0.0
    for actions in itertools.product(range(ACTIONS), repeat=CONTEXTS):
        shown = (contexts, np.array(actions))
        log = LoggedImpressions(reward[shown], propensities[shown], contexts)
        predictions = RewardPredictions(model[shown], (target * model).sum(axis=1))
        found = doubly_robust(log, target[shown], predictions, samples=1, **options)
        assert found.value is not None
        total += logging[shown].prod() * found.value
    return total


@given(seed=SEEDS)
@settings(max_examples=15)
def test_dr_is_right_when_the_propensities_are(seed: int) -> None:
    logging, target, reward = policies(seed)
    wrong = np.random.default_rng(seed).normal(size=reward.shape)
    truth = (target * reward).sum(axis=1).mean()
    assert expected(logging, logging, target, reward, wrong) == pytest.approx(truth)


@given(seed=SEEDS)
@settings(max_examples=15)
def test_dr_is_right_when_the_model_is(seed: int) -> None:
    logging, target, reward = policies(seed)
    truth = (target * reward).sum(axis=1).mean()
    wrong = np.full_like(logging, 0.3)
    assert expected(logging, wrong, target, reward, reward) == pytest.approx(truth)
    assert expected(logging, wrong, target, reward, reward, self_normalised=True) == pytest.approx(truth)


def test_dr_is_wrong_when_both_are() -> None:
    logging, target, reward = policies(0)
    truth = (target * reward).sum(axis=1).mean()
    assert abs(expected(logging, np.full_like(logging, 0.2), target, reward, np.zeros_like(reward)) - truth) > 0.02


def drawn(seed: int, count: int = 400) -> tuple[LoggedImpressions, np.ndarray, np.ndarray, np.ndarray]:
    """A log with clicks, the target's probabilities, the rows' contexts and actions."""
    logging, target, reward = policies(seed)
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, CONTEXTS, count)
    actions = (rng.random((count, 1)) > logging[contexts].cumsum(axis=1)).sum(axis=1).clip(0, ACTIONS - 1)
    clicks = (rng.random(count) < reward[contexts, actions]).astype(float)
    return LoggedImpressions(clicks, logging[contexts, actions], np.arange(count)), target, contexts, actions


def exact(seed: int, target: np.ndarray, contexts: np.ndarray, actions: np.ndarray) -> RewardPredictions:
    reward = policies(seed)[2]
    return RewardPredictions(reward[contexts, actions], (target * reward).sum(axis=1)[contexts])


def test_with_the_exact_model_the_correction_has_mean_zero_and_dr_is_narrower_than_ips() -> None:
    log, target, contexts, actions = drawn(1, 20_000)
    chosen, predictions = target[contexts, actions], exact(1, target, contexts, actions)
    dr = doubly_robust(log, chosen, predictions, samples=200)
    dm = direct_method(log, predictions, samples=200)
    ips = inverse_propensity_score(log, chosen, samples=200)
    assert dr.value == pytest.approx(dm.value, abs=0.015)
    assert dr.high - dr.low < ips.high - ips.low
    truth = (target * policies(1)[2]).sum(axis=1)[contexts].mean()
    assert dr.low < truth < dr.high
    assert dm.value == pytest.approx(truth)
    assert dm.caution == "the interval leaves out the error of the reward model"


@given(seed=SEEDS, normalised=st.booleans())
def test_dr_with_a_model_of_zero_is_ips(seed: int, normalised: bool) -> None:
    log, target, contexts, actions = drawn(seed, 40)
    nothing, chosen = RewardPredictions(np.zeros(40), np.zeros(40)), target[contexts, actions]
    found = doubly_robust(log, chosen, nothing, self_normalised=normalised, clip=1.1, samples=20)
    plain = self_normalised_inverse_propensity_score if normalised else inverse_propensity_score
    other = plain(log, chosen, clip=1.1, samples=20)
    for name in ("value", "low", "high", "clipped_value", "clipped_low", "logged_value"):
        assert getattr(found, name) == pytest.approx(getattr(other, name), abs=1e-12)
    assert found.diagnostics == other.diagnostics


@given(seed=SEEDS)
def test_the_logging_policy_is_worth_the_logged_mean_with_a_model_of_zero(seed: int) -> None:
    log, _, _, _ = drawn(seed, 40)
    nothing = RewardPredictions(np.zeros(40), np.zeros(40))
    assert log.propensities is not None
    for found in (
        doubly_robust(log, log.propensities, nothing, samples=2),
        doubly_robust(log, log.propensities, nothing, self_normalised=True, samples=2),
        switch_doubly_robust(log, log.propensities, nothing, threshold=1.0, samples=2),
    ):
        assert found.value == pytest.approx(found.logged_value, rel=1e-12)


@given(seed=SEEDS)
def test_switch_dr_goes_from_the_model_to_dr(seed: int) -> None:
    log, target, contexts, actions = drawn(seed, 60)
    chosen = target[contexts, actions]
    predictions = RewardPredictions(*np.random.default_rng(seed).random((2, 60)))
    none, every = (switch_doubly_robust(log, chosen, predictions, tau, samples=5) for tau in (0.0, np.inf))
    assert none.value == pytest.approx(direct_method(log, predictions, samples=5).value)
    assert every.value == pytest.approx(doubly_robust(log, chosen, predictions, samples=5).value)


def test_switch_dr_is_judged_by_the_weights_it_uses_and_says_when_the_model_answers_alone() -> None:
    propensities = np.full(400, 0.5)
    propensities[0] = 1e-5
    log = LoggedImpressions(np.zeros(400), propensities, np.arange(400))
    predictions = RewardPredictions(np.zeros(400), np.zeros(400))
    found = switch_doubly_robust(log, np.full(400, 0.5), predictions, threshold=10.0, samples=20)
    assert found.diagnostics is not None
    assert found.diagnostics.max_weight == 1.0
    assert found.diagnostics.effective_sample_size == pytest.approx(399)
    assert found.caution is not None
    assert "the model alone answers for 99% of the weight" in found.caution
    assert "a few decide" not in found.caution
    even = switch_doubly_robust(replace(log, propensities=np.full(400, 0.5)), np.full(400, 0.5), predictions, 10.0)
    assert even.caution is None


@given(seed=SEEDS, clip=st.floats(0.2, 3))
def test_the_cap_of_dr_acts_on_the_weights_of_the_errors_only(seed: int, clip: float) -> None:
    log, target, contexts, actions = drawn(seed, 40)
    chosen, predictions = target[contexts, actions], exact(seed, target, contexts, actions)
    found = doubly_robust(log, chosen, predictions, clip=clip, samples=2)
    assert log.propensities is not None
    capped = np.minimum(chosen / log.propensities, clip)
    by_hand = (predictions.under_policy + capped * (log.rewards - predictions.of_logged)).mean()
    assert found.clipped_value == pytest.approx(by_hand)
    assert found.clip_bias == pytest.approx(by_hand - found.value)


def test_the_direct_method_needs_no_propensities_and_says_where_its_model_is_wrong() -> None:
    log, target, contexts, actions = drawn(2, 2000)
    bare = replace(log, propensities=None)
    predictions = exact(2, target, contexts, actions)
    found = direct_method(bare, predictions)
    assert (found.identifiable, found.diagnostics) == (True, None)
    assert found.caution == "the interval leaves out the error of the reward model"
    wrong = direct_method(bare, RewardPredictions(predictions.of_logged + 0.3, predictions.under_policy + 0.3))
    assert wrong.caution is not None
    assert "the model is wrong by -0.29" in wrong.caution
    guessed = direct_method(bare, predictions, unsupported_mass=np.full(2000, 0.25))
    assert guessed.caution is not None
    assert "25.0% of the policy's choices were never logged" in guessed.caution
    refused = doubly_robust(bare, target[contexts, actions], predictions)
    assert refused.reason is not None
    assert "no propensities" in refused.reason


def test_an_empty_log_has_a_reason() -> None:
    log = LoggedImpressions(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    nothing = RewardPredictions(np.zeros(0), np.zeros(0))
    for found in (
        direct_method(log, nothing),
        doubly_robust(log, np.zeros(0), nothing),
        switch_doubly_robust(log, np.zeros(0), nothing, 1.0),
    ):
        assert (found.identifiable, found.value, found.reason) == (False, None, "the log holds no impressions")


def choices(count: int, seed: int = 0, positions: int = 2) -> LoggedChoices:
    rng = np.random.default_rng(seed)
    return LoggedChoices(
        actions=rng.integers(0, ACTIONS, count),
        action_count=ACTIONS,
        positions=rng.integers(1, positions + 1, count),
        context_features=rng.normal(size=(count, 2)),
        action_features=rng.normal(size=(ACTIONS, 1)),
        pair_features=rng.normal(size=(count, ACTIONS)),
    )


def test_tabular_rewards_are_means_shrunk_by_their_strength() -> None:
    made = choices(500)
    rewards = np.random.default_rng(1).random(500)
    rows = np.arange(500)
    loose = TabularRewards(strength=1e-9).predicted(made, rewards, rows, rows[:10])
    for row in range(10):
        for action in range(ACTIONS):
            alike = (made.actions == action) & (made.positions == made.positions[row])
            assert loose[row, action] == pytest.approx(rewards[alike].mean(), rel=1e-6)
    tight = TabularRewards(strength=1e12).predicted(made, rewards, rows, rows[:10])
    assert tight == pytest.approx(np.full((10, ACTIONS), rewards.mean()), rel=1e-6)


def test_logistic_rewards_recover_a_logistic_truth_for_actions_that_were_not_taken() -> None:
    made = choices(15_000)
    rows = np.arange(15_000)
    logits = np.stack(
        [
            made.design(rows, np.full(15_000, action)) @ np.array([0.5, -0.3, 0.4, 0, 0.5, -0.5, 0.3, -0.3, 0.8])
            for action in range(ACTIONS)
        ],
        axis=1,
    )
    truth = 1 / (1 + np.exp(-logits))
    clicks = (np.random.default_rng(2).random(15_000) < truth[rows, made.actions]).astype(float)
    found = LogisticRewards(l2=1.0).predicted(made, clicks, rows[:12_000], rows[12_000:])
    assert np.abs(found - truth[12_000:]).mean() < 0.015


@pytest.mark.parametrize("model", [TabularRewards(), LogisticRewards()])
def test_predictions_come_from_other_requests_only(model) -> None:
    made = choices(40)
    rng = np.random.default_rng(3)
    log = LoggedImpressions(rng.integers(0, 2, 40).astype(float), np.full(40, 1 / 3), np.arange(40) // 2)
    policy = np.full((40, ACTIONS), 1 / ACTIONS)
    before = cross_fitted_rewards(model, log, made, policy, folds=20)
    changed = log.rewards.copy()
    changed[10:12] = 1 - changed[10:12]
    after = cross_fitted_rewards(model, replace(log, rewards=changed), made, policy, folds=20)
    assert after.of_logged[10:12] == pytest.approx(before.of_logged[10:12], rel=1e-12)
    assert (after.of_logged[12:14] != before.of_logged[12:14]).any()


def test_cross_fitted_predictions_weigh_every_action_by_the_policy() -> None:
    made = choices(200)
    rng = np.random.default_rng(3)
    log = LoggedImpressions(rng.random(200), np.full(200, 1 / 3), np.arange(200))
    only = np.zeros((200, ACTIONS))
    only[np.arange(200), made.actions] = 1.0
    found = cross_fitted_rewards(TabularRewards(), log, made, only)
    assert found.under_policy == pytest.approx(found.of_logged)


def test_bad_arguments_are_named() -> None:
    made = choices(10)
    log = LoggedImpressions(np.arange(10) % 2.0, np.full(10, 0.5), np.arange(10))
    policy, rows = np.full((10, ACTIONS), 1 / ACTIONS), np.arange(10)
    predictions = RewardPredictions(np.zeros(10), np.zeros(10))
    for call, message in [
        (lambda: replace(made, actions=np.full(10, 3)), "actions: 3 to 3; give 0 to 2"),
        (lambda: replace(made, positions=np.zeros(10, int)), "positions: 0"),
        (lambda: replace(made, positions=np.ones(9, int)), "positions: 9 rows, expected 10"),
        (lambda: replace(made, pair_features=np.zeros((10, 2))), "pair_features: shape"),
        (lambda: replace(made, action_features=np.array([[0.0], [np.nan], [0.0]])), "action_features: row 1"),
        (lambda: cross_fitted_rewards(TabularRewards(), log, choices(9), policy), "choices: 9 rows for 10"),
        (lambda: cross_fitted_rewards(TabularRewards(), log, made, policy[:, :2]), "target_policy: shape"),
        (lambda: cross_fitted_rewards(TabularRewards(), log, made, policy / 2), "target_policy: row 0 adds to 0.5"),
        (lambda: doubly_robust(log, np.full(9, 0.5), predictions), "target_probabilities: shape"),
        (lambda: doubly_robust(log, np.full(10, 0.5), RewardPredictions(np.zeros(9), np.zeros(9))), "predictions"),
        (lambda: direct_method(log, RewardPredictions(np.zeros(9), np.zeros(9))), "predictions: shape"),
        (lambda: direct_method(log, predictions, np.full(10, 2.0)), "unsupported_mass: impression 0 has 2.0"),
    ]:
        with pytest.raises(DataError, match=message):
            call()
    for call, message in [
        (lambda: TabularRewards(strength=0.0), "strength: 0"),
        (lambda: LogisticRewards(l2=float("nan")), "l2: nan"),
    ]:
        with pytest.raises(ConfigError, match=message):
            call()
    for call, message in [
        (lambda: LogisticRewards().predicted(made, np.full(10, 0.5), rows, rows), "not all are 0 or 1"),
        (lambda: LogisticRewards().predicted(made, np.zeros(10), rows, rows), "are all alike"),
        (lambda: TabularRewards().predicted(made, np.zeros(10), rows[:0], rows), "no row to learn from"),
        (lambda: cross_fitted_rewards(TabularRewards(), log, made, policy, folds=11), "folds: 11 for 10 requests"),
    ]:
        with pytest.raises(TrainingError, match=message):
            call()
    with pytest.raises(ValueError, match="threshold: -1"):
        switch_doubly_robust(log, np.full(10, 0.5), predictions, threshold=-1)
