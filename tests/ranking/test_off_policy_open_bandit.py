"""Estimates on the Open Bandit sample reach the click rate that the other policy really had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranking.off_policy import (
    LoggedChoices,
    LoggedImpressions,
    OffPolicyEstimate,
    TabularRewards,
    cross_fitted_rewards,
    doubly_robust,
    inverse_propensity_score,
    self_normalised_inverse_propensity_score,
    switch_doubly_robust,
)

pytestmark = pytest.mark.real_data
ITEMS, POSITIONS = 46, 3


@dataclass(frozen=True)
class Log:
    item: np.ndarray
    place: np.ndarray
    impressions: LoggedImpressions

    def shares(self) -> np.ndarray:
        """Share of each item among what was shown at each position."""
        counts = np.zeros((ITEMS, POSITIONS))
        np.add.at(counts, (self.item, self.place), 1.0)
        return counts / counts.sum(axis=0)

    def with_shares(self) -> LoggedImpressions:
        """The impressions with propensities by item and position, whenever they were shown."""
        logged = self.impressions
        return LoggedImpressions(logged.rewards, self.shares()[self.item, self.place], logged.request_index)

    def predictions(self, policy: np.ndarray):
        choices = LoggedChoices(self.item, ITEMS, self.place + 1, np.zeros((len(self.item), 0)), np.zeros((ITEMS, 0)))
        return cross_fitted_rewards(TabularRewards(), self.impressions, choices, policy[:, self.place].T)


@pytest.fixture(scope="module")
def logs(public_data: Path) -> dict[str, Log]:
    found = {}
    for policy in ("random", "bts"):
        table = pd.read_csv(public_data / "open_bandit" / policy / "women" / "women.csv.gz", index_col=0)
        rows = np.arange(len(table))
        impressions = LoggedImpressions(table["click"].to_numpy(float), table["propensity_score"].to_numpy(float), rows)
        found[policy] = Log(table["item_id"].to_numpy(), table["position"].to_numpy() - 1, impressions)
    return found


def covers(found: OffPolicyEstimate, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def test_thompson_sampling_is_estimated_from_uniform_exploration_by_weights_with_and_without_a_model(
    logs: dict[str, Log],
) -> None:
    log, policy = logs["random"], logs["bts"].shares()
    truth = logs["bts"].impressions.rewards.mean()
    chosen, predictions = policy[log.item, log.place], log.predictions(policy)
    for found in (
        inverse_propensity_score(log.impressions, chosen),
        self_normalised_inverse_propensity_score(log.impressions, chosen),
        doubly_robust(log.impressions, chosen, predictions),
        doubly_robust(log.impressions, chosen, predictions, self_normalised=True),
    ):
        assert covers(found, truth)
        assert found.caution is None


def test_uniform_exploration_is_estimated_from_thompson_sampling_and_cautions_say_by_what_not(
    logs: dict[str, Log],
) -> None:
    log, policy = logs["bts"], np.full((ITEMS, POSITIONS), 1 / ITEMS)
    truth = logs["random"].impressions.rewards.mean()
    chosen, predictions = policy[log.item, log.place], log.predictions(policy)
    at_once = inverse_propensity_score(log.impressions, chosen)
    assert at_once.caution is not None
    assert "a few decide the value" in at_once.caution
    pooled = inverse_propensity_score(log.with_shares(), chosen)
    assert pooled.caution is None
    switch = switch_doubly_robust(log.impressions, chosen, predictions, threshold=10.0)
    for found in (pooled, doubly_robust(log.with_shares(), chosen, predictions), switch):
        assert covers(found, truth)
        assert at_once.high - at_once.low > 3 * (found.high - found.low)


def test_the_mean_of_logged_propensities_is_not_the_policy(logs: dict[str, Log]) -> None:
    bts = logs["bts"]
    propensities = bts.impressions.propensities
    assert propensities is not None
    table = pd.DataFrame({"item": bts.item, "place": bts.place, "propensity": propensities})
    sums = table.groupby(["item", "place"])["propensity"].mean().groupby("place").sum()
    assert (sums > 1.5).all(), "they would add to 1 over the items"
