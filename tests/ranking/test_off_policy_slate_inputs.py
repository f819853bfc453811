from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranking.off_policy import (
    LoggedSlates,
    RewardPredictions,
    cascade_doubly_robust,
    cross_fitted_slate_rewards,
    discounts,
    independent_inverse_propensity_score,
    placements_of_ranks,
    position_based_score,
    reward_interaction_inverse_propensity_score,
    slate_inverse_propensity_score,
)
from seriatim_errors import ConfigError, DataError, TrainingError
from tests.ranking.enumerated_slates import (
    SLATES,
)
from tests.ranking.generated_lists import lists_of

BY_STEPS = [slate_inverse_propensity_score, reward_interaction_inverse_propensity_score]


@pytest.mark.parametrize("normalised", [False, True])
def test_without_weights_there_is_a_reason_and_no_number(normalised: bool) -> None:
    cases = [
        (LoggedSlates(np.ones((2, 2)), np.ones((2, 2), bool), np.arange(2)), "propensities"),
        (
            LoggedSlates(np.ones((0, 2)), np.ones((0, 2), bool), np.arange(0), np.ones((0, 2)), np.ones((0, 2))),
            "no slates",
        ),
        (
            LoggedSlates(
                np.ones((2, 2)), np.ones((2, 2), bool), np.arange(2), np.full((2, 2), 0.5), np.full((2, 2), 0.5)
            ),
            "none of the logged choices",
        ),
    ]
    for log, reason in cases:
        policy = np.zeros(log.rewards.shape)
        for estimate in (*BY_STEPS, independent_inverse_propensity_score):
            found = estimate(log, policy, self_normalised=normalised, clip=1.0)
            assert not found.identifiable
            assert found.reason is not None
            assert reason in found.reason
            assert (found.value, found.low, found.clipped_value, found.clip_bias) == (None, None, None, None)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_deterministic_logger_supports_no_other_slate_and_the_one_it_shows(normalised: bool) -> None:
    ones, half = np.ones((4, 2)), np.full((4, 2), 0.5)
    log = LoggedSlates(np.eye(4)[:, :2], ones > 0, np.arange(4), ones, ones)
    zeros = RewardPredictions(np.zeros((4, 2)), np.zeros((4, 2)))
    for estimate in (
        *BY_STEPS,
        independent_inverse_propensity_score,
        lambda log, policy, **options: cascade_doubly_robust(log, policy, zeros, **options),
    ):
        other = estimate(log, half, self_normalised=normalised)
        assert other.value is None
        assert other.reason is not None
        assert "the logging policy is deterministic" in other.reason
        assert estimate(log, ones, self_normalised=normalised).value == pytest.approx(0.5)


def test_a_position_that_nothing_normalises_has_a_reason() -> None:
    log = LoggedSlates(np.ones((2, 2)), np.ones((2, 2), bool), np.arange(2), np.full((2, 2), 0.5))
    target = np.array([[0.5, 0.0], [0.5, 0.0]])
    found = reward_interaction_inverse_propensity_score(log, target, self_normalised=True)
    assert found.reason is not None
    assert "nothing normalises" in found.reason
    assert reward_interaction_inverse_propensity_score(log, target).value == pytest.approx(1.0)


FINE = np.full((2, 2), 0.5)
WHOLE = np.ones((2, 2), bool)
TWO = np.arange(2)


def with_value(value: float) -> np.ndarray:
    changed = FINE.copy()
    changed[1, 0] = value
    return changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rewards": with_value(np.nan)}, "rewards: slate 1, position 1 has nan"),
        ({"step_propensities": with_value(0.0)}, "step_propensities: slate 1, position 1 has 0.0"),
        ({"step_propensities": with_value(np.nan)}, "step_propensities: slate 1, position 1 has nan"),
        ({"marginal_propensities": with_value(1.2)}, "marginal_propensities: slate 1, position 1 has 1.2"),
        ({"step_propensities": FINE[:1]}, r"step_propensities: shape \(1, 2\)"),
        ({"mask": WHOLE[:1]}, r"mask: shape \(1, 2\)"),
        ({"mask": FINE}, "mask: values of type float64"),
        ({"rewards": np.ones(2)}, r"rewards: shape \(2,\)"),
        ({"request_index": np.arange(3)}, r"request_index: shape \(3,\) for 2 slates"),
        ({"position_weights": np.zeros(2)}, "position_weights"),
        ({"position_weights": np.array([1.0, np.nan])}, "position_weights"),
        ({"position_weights": np.ones(3)}, "give 2 finite weights"),
    ],
)
def test_a_bad_log_of_slates_is_named(arguments: dict, message: str) -> None:
    good = {"rewards": FINE, "mask": WHOLE, "request_index": TWO, "step_propensities": FINE}
    with pytest.raises(DataError, match=message):
        LoggedSlates(**{**good, **arguments})


def test_bad_arguments_of_slate_estimators_are_named() -> None:
    log = LoggedSlates(FINE, WHOLE, TWO, FINE, FINE)
    gap = replace(log, mask=np.array([[True, True], [False, True]]))
    zeros = RewardPredictions(np.zeros((2, 2)), np.zeros((2, 2)))
    square = np.repeat(np.eye(2)[None], 2, axis=0)
    sips, iips = slate_inverse_propensity_score, independent_inverse_propensity_score
    for call, message in [
        (lambda: sips(log, with_value(1.5)), "target_step_probabilities: slate 1, position 1 has 1.5"),
        (lambda: sips(log, FINE[:1]), r"target_step_probabilities: shape \(1, 2\)"),
        (lambda: iips(log, with_value(np.nan)), "target_marginals: slate 1, position 1 has nan"),
        (lambda: sips(gap, FINE), "slate 1 has a gap above its last item; SIPS needs"),
        (lambda: sips(log, FINE, np.full(3, 0.1)), "unsupported_mass: shape"),
        (lambda: cascade_doubly_robust(log, FINE, RewardPredictions(TWO, TWO)), r"predictions: shape \(2,\)"),
        (lambda: RewardPredictions(np.zeros(2), np.zeros(3)), "under_policy: shape"),
        (lambda: RewardPredictions(np.zeros(2), np.array([0, np.nan])), "under_policy: row 1 is not finite"),
        (lambda: position_based_score(log, [1.0, 0.0], square), "examination"),
        (lambda: position_based_score(log, [1.0], square), "examination"),
        (lambda: position_based_score(log, [1.0, 0.5], square[:1]), "target_placements: shape"),
        (lambda: position_based_score(log, [1.0, 0.5], square + 0.0 * square[:, ::-1] + 0.5), "target_placements"),
        (lambda: position_based_score(log, [1.0, 0.5], np.full((2, 2, 2), 0.9)), "add to 1.8"),
        (lambda: position_based_score(log, [1.0, 0.5], square, 0.0 * square), "logged_placements: slate 0 shows"),
        (lambda: position_based_score(gap, [1.0, 0.5], square), "slate 1 has a gap"),
        (lambda: placements_of_ranks(np.array([[0, 1]]), 2), "ranks: 0"),
        (lambda: cross_fitted_slate_rewards(log, SLATES[:2, :2], FINE, folds=2), "target_steps: shape"),
        (lambda: cross_fitted_slate_rewards(log, SLATES[:2, :2], square[:, :, :1], folds=2), "adds to 0"),
        (lambda: cross_fitted_slate_rewards(log, np.full((2, 2), 7), square, folds=2), "items: 7 to 7"),
        (lambda: cross_fitted_slate_rewards(log, SLATES[:1, :2], square, folds=2), r"items: shape \(1, 2\)"),
    ]:
        with pytest.raises(DataError, match=message):
            call()
    with pytest.raises(ValueError, match="clip: -1"):
        sips(log, FINE, clip=-1)
    with pytest.raises(ConfigError, match="strength: 0"):
        cross_fitted_slate_rewards(log, SLATES[:2, :2], square, strength=0, folds=2)
    with pytest.raises(TrainingError, match="folds: 3 for 2 requests"):
        cross_fitted_slate_rewards(log, SLATES[:2, :2], square, folds=3)
    assert cascade_doubly_robust(log, FINE, zeros).identifiable


def test_lists_become_slates_in_the_order_of_their_positions() -> None:
    lists = replace(
        lists_of([3, 1, 2]),
        clicks=np.array([1, 0, 0, 1, 0, 1], np.float32),
        positions=np.array([2, 1, 3, 1, 2, 1], np.int32),
        propensities=np.array([0.5, 0.25, 1.0, 0.75, 1.0, 0.125], np.float32),
    )
    log = LoggedSlates.from_lists(lists)
    assert log.rewards.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert log.mask.tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    assert log.step_propensities is not None
    assert log.step_propensities[0].tolist() == [0.25, 0.5, 1.0]
    assert log.step_propensities[2, :2].tolist() == [0.125, 1.0]
    short = LoggedSlates.from_lists(lists, slate_size=2, position_weights=discounts(2))
    assert short.rewards.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert short.weighted_rewards[0].tolist() == [0.0, discounts(2)[1]]
    bare = LoggedSlates.from_lists(replace(lists, propensities=None, positions=None))
    assert bare.step_propensities is None
    assert bare.rewards[0].tolist() == [1, 0, 0]


def test_lists_that_are_no_slates_are_refused() -> None:
    with pytest.raises(DataError, match="clicks: the lists hold none"):
        LoggedSlates.from_lists(replace(lists_of([2]), clicks=None))
    with pytest.raises(DataError, match="slate_size: 0"):
        LoggedSlates.from_lists(lists_of([0]))
