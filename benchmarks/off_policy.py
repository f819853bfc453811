"""Do off-policy estimates reach the value that a policy really had, on a public log and where the truth is known?

Open Bandit: the click rate of Thompson sampling (`bts`) is estimated from the log of uniform exploration (`random`)
and the other way round; the truth is the click rate of the policy's own log, which has an interval too (`agrees`
allows for it). What `bts` shows is learned from the items (never the clicks) of its log: its share of each item at
each position. The mean of the logged propensities by item and position would be wrong: an item is logged more often
while its propensity is high, so that mean is too large (the figures give its sum over items, which should be 1). The
same shares, of the log that is judged on, serve as "propensity by item and position": right where a click depends on
item and position, whenever shown.

Simulated slates: three kinds of users, two fixed policies, new logs until the time is over; the truth is exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import parse_options, report
from benchmarks.off_policy_slates import WORLDS, judged_worlds
from pipelines.readers.open_bandit import Campaign, read_campaign
from ranking.click_models import fit_position_based
from ranking.lists import RankingLists
from ranking.metrics.intervals import MetricInterval, bootstrap_interval
from ranking.off_policy import (
    LoggedChoices,
    LoggedImpressions,
    LoggedSlates,
    LogisticRewards,
    OffPolicyEstimate,
    TabularRewards,
    cross_fitted_rewards,
    direct_method,
    doubly_robust,
    inverse_propensity_score,
    position_based_score,
    self_normalised_inverse_propensity_score,
    switch_doubly_robust,
)

NEEDS = {"minutes": 10, "least": 2, "data": ["open_bandit"]}
DATA = Path("../shared/data/open_bandit")
POSITIONS, CLIP, SWITCH = 3, 10.0, 10.0
POLICIES = ("random", "bts")


def main() -> None:
    """Judge both directions on the public log, then the simulated slates, and report."""
    options = parse_options(
        "off_policy",
        __doc__ or "",
        ("--data", {"type": Path, "default": DATA, "help": "folder with random/ and bts/"}),
        ("--campaign", {"default": "women", "help": "campaign: women, men or all"}),
    )
    end = time.monotonic() + 60 * options.budget
    campaigns = {policy: read_campaign(options.extra.data / policy / options.extra.campaign) for policy in POLICIES}
    rows = []
    for log, target in (POLICIES, POLICIES[::-1]):
        setting = f"{target} from the log of {log}"
        rows += [{"setting": setting, **row} for row in _direction(campaigns[log], campaigns[target])]
    simulated, runs = judged_worlds(end)
    settings = {
        "campaign": options.extra.campaign,
        "clip": CLIP,
        "switch": SWITCH,
        "simulated_runs": runs,
        "worlds": "; ".join(f"{name}: {world.users}" for name, world in WORLDS.items()),
    }
    public = [row for row in rows if row["estimator"] != "on-policy"]
    figures = {
        "open_bandit_share_covered": float(np.mean([row["covers"] == "yes" for row in public])),
        "open_bandit_share_that_agrees": float(np.mean([row["agrees"] == "yes" for row in public])),
        "bts_propensity_means_sum": _sum_of_means(campaigns["bts"]),
    }
    error = {row["estimator"]: row["relative error"] for row in simulated if "cascade" in row["setting"]}
    for name in ("RIPS", "cascade-DR", "SN-SIPS", "SN-RIPS", "SN-cascade-DR"):
        figures[f"error_over_sips_for_cascade_users_{name}"] = error[name] / error["SIPS"]
    report(options, settings, figures, rows + simulated)


def _direction(log: Campaign, target: Campaign) -> Iterator[dict[str, Any]]:
    """Rows of every estimator of `target`'s click rate from `log`."""
    truth = bootstrap_interval(target.log["click"].to_numpy(np.float64))
    yield _row("on-policy", truth, f"{truth.count} impressions", truth)
    for name, found in _estimates(log, known_policy(target)):
        yield _judged(name, found, truth)


def _estimates(campaign: Campaign, policy: NDArray[np.float64]) -> Iterator[tuple[str, OffPolicyEstimate]]:
    """Every estimator that single impressions admit; `policy` is `[items, positions]`, columns adding to 1."""
    log = campaign.log
    rows = np.arange(len(log))
    place = log["position"].to_numpy(np.int64) - 1
    action = campaign.items.index.get_indexer(log["item_id"])
    clicks = log["click"].to_numpy(np.float64)
    logged = LoggedImpressions(clicks, log["propensity_score"].to_numpy(np.float64), rows)
    chosen, everything = policy[action, place], policy[:, place].T
    shares = shown_shares(campaign)
    pooled = LoggedImpressions(clicks, shares[action, place], rows)

    yield "IPS", inverse_propensity_score(logged, chosen, clip=CLIP)
    yield "SNIPS", self_normalised_inverse_propensity_score(logged, chosen, clip=CLIP)
    yield "IPS, propensity by item and position", inverse_propensity_score(pooled, chosen, clip=CLIP)
    yield "SNIPS, propensity by item and position", self_normalised_inverse_propensity_score(pooled, chosen, clip=CLIP)
    choices = LoggedChoices(
        actions=action,
        action_count=len(campaign.items),
        positions=place + 1,
        context_features=campaign.users.to_numpy(np.float64),
        action_features=campaign.items.to_numpy(np.float64),
        pair_features=campaign.affinities.astype(np.float64),
    )
    for name, model in (("table", TabularRewards()), ("logistic", LogisticRewards())):
        predictions = cross_fitted_rewards(model, logged, choices, everything)
        yield f"DM, {name}", direct_method(logged, predictions)
        yield f"DR, {name}", doubly_robust(logged, chosen, predictions, clip=CLIP)
        yield f"SNDR, {name}", doubly_robust(logged, chosen, predictions, self_normalised=True, clip=CLIP)
        yield f"Switch-DR, {name}", switch_doubly_robust(logged, chosen, predictions, SWITCH)
        yield (
            f"DR, {name}, propensity by item and position",
            doubly_robust(pooled, chosen, predictions, clip=CLIP),
        )
    yield "PBM", _position_based(campaign, action, place, clicks, policy, shares)


def _position_based(
    campaign: Campaign,
    action: NDArray[np.int64],
    place: NDArray[np.int64],
    clicks: NDArray[np.float64],
    policy: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> OffPolicyEstimate:
    """Clicks at one position tell of the item at the others, by an examination estimated on the same log."""
    rows = len(clicks)
    lists = RankingLists(
        request_ids=np.arange(rows).astype(str).astype(object),
        offsets=np.arange(rows + 1),
        item_ids=campaign.items.index.to_numpy()[action].astype(str).astype(object),
        features=np.zeros((rows, 0), np.float32),
        feature_names=(),
        clicks=clicks.astype(np.float32),
        positions=(place + 1).astype(np.int32),
    )
    examination = np.array(fit_position_based(lists, samples=0).model.examination)
    mask = place[:, None] == np.arange(POSITIONS)
    # A row is one position of a slate; which one is a matter of chance.
    of_position = np.bincount(place, minlength=POSITIONS) / rows

    def placements(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.zeros((rows, POSITIONS, POSITIONS))
        found[np.arange(rows), place] = probabilities[action] * of_position
        return found

    log = LoggedSlates(np.where(mask, clicks[:, None], 0.0), mask, np.arange(rows))
    return position_based_score(log, examination, placements(policy), placements(shares), clip=CLIP)


def known_policy(campaign: Campaign) -> NDArray[np.float64]:
    """Probability of each item at each position under the policy that wrote a log, float64 `[items, positions]`.

    One propensity for all is the uniform policy, exactly; else what was shown tells.
    """
    items = len(campaign.items)
    if np.allclose(campaign.log["propensity_score"], 1.0 / items):
        return np.full((items, POSITIONS), 1.0 / items)
    return shown_shares(campaign)


def shown_shares(campaign: Campaign) -> NDArray[np.float64]:
    """Share of each item among what was shown at each position, float64 `[items, positions]`, columns adding to 1."""
    counts = np.zeros((len(campaign.items), POSITIONS))
    shown = campaign.items.index.get_indexer(campaign.log["item_id"])
    np.add.at(counts, (shown, campaign.log["position"].to_numpy(np.int64) - 1), 1.0)
    return counts / counts.sum(axis=0)


def _sum_of_means(campaign: Campaign) -> float:
    """Mean logged propensity by item and position, summed over items and averaged over positions."""
    means = campaign.log.groupby(["item_id", "position"])["propensity_score"].mean()
    return float(means.groupby("position").sum().mean())


def _judged(name: str, found: OffPolicyEstimate, truth: MetricInterval) -> dict[str, Any]:
    words = []
    if found.diagnostics is not None:
        weights = found.diagnostics
        words.append(
            f"effective {weights.effective_sample_size:.0f}, mean weight {weights.mean_weight:.3g}, "
            f"largest {weights.max_weight:.4g}"
        )
    if found.clipped_value is not None:
        words.append(f"clipped {found.clipped_value:.4g} ({found.clip_bias:+.2g})")
    if found.caution is not None:
        words.append(f"CAUTION: {found.caution}")
    if found.value is None or found.low is None or found.high is None:
        return _row(name, None, found.reason or "", truth)
    return _row(name, MetricInterval(found.value, found.low, found.high, found.count), "; ".join(words), truth)


def _row(name: str, interval: MetricInterval | None, remark: str, truth: MetricInterval) -> dict[str, Any]:
    row: dict[str, Any] = {"estimator": name, "estimate": "-", "low": "-", "high": "-", "truth": truth.value}
    row |= {"relative error": "-", "covers": "-", "agrees": "-", "remark": remark}
    if interval is None:
        return row
    row |= {"estimate": interval.value, "low": interval.low, "high": interval.high}
    row["relative error"] = abs(interval.value / truth.value - 1.0)
    row["covers"] = "yes" if interval.low <= truth.value <= interval.high else "no"
    # Two independent logs: the halves of their intervals that face each other add as standard errors do.
    below = interval.value < truth.value
    facing = (interval.high - interval.value, truth.value - truth.low)
    if not below:
        facing = (interval.value - interval.low, truth.high - truth.value)
    row["agrees"] = "yes" if abs(interval.value - truth.value) <= np.hypot(*facing) else "no"
    return row


if __name__ == "__main__":
    main()
