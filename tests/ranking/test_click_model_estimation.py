from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ranking.click_models import (
    Cascade,
    DependentClicks,
    PositionBased,
    clicks_on_order,
    fit_dependent_clicks,
    fit_examination_decay,
    fit_first_click,
    fit_position_based,
)
from ranking.lists import RankingLists
from seriatim_errors import ConfigError, DataError, TrainingError

SEEDS = st.integers(0, 1000)
THETA = (1.0, 0.6, 0.35, 0.2)
POSITION_FITS = [fit_position_based, fit_examination_decay]


def shown(items: np.ndarray, clicks: np.ndarray | None = None, **columns: np.ndarray) -> RankingLists:
    """Requests that each show a row of `items`, `[requests, positions]`."""
    requests, positions = items.shape
    return RankingLists(
        request_ids=np.array([f"r{row}" for row in range(requests)], object),
        offsets=np.arange(requests + 1) * positions,
        item_ids=np.array([f"i{item}" for item in items.ravel()], object),
        features=np.zeros((items.size, 1), np.float32),
        feature_names=("x",),
        clicks=None if clicks is None else clicks.astype(np.float32).ravel(),
        **columns,
    )


def simulated(model, attraction: np.ndarray, requests: int, seed: int, positions: int = 4) -> RankingLists:
    """Requests with random items, clicked by `model`."""
    rng = np.random.default_rng(seed)
    items = rng.random((requests, len(attraction))).argsort(axis=1)[:, :positions]
    lists = shown(items)
    return lists.with_clicks(model.clicks(lists, attraction[items.ravel()], rng))


ATTRACTION = np.array([0.9, 0.5, 0.3, 0.2, 0.1, 0.05])


def test_position_bias_is_recovered() -> None:
    lists = simulated(PositionBased(THETA), ATTRACTION, 8000, 0)
    found = fit_position_based(lists, samples=0)
    assert found.parameters == pytest.approx(THETA, abs=0.05)
    assert found.parameters[0] == 1.0
    assert found.attraction == pytest.approx(ATTRACTION, abs=0.05)
    assert found.model.examination == pytest.approx(found.parameters)
    assert (found.low, found.high) == (None, None)


def test_intervals_of_position_bias_cover_it_about_as_often_as_they_say() -> None:
    covered = []
    for seed in range(15):
        found = fit_position_based(simulated(PositionBased(THETA), ATTRACTION, 1000, seed), samples=60, confidence=0.9)
        covered += [low <= theta <= high for low, theta, high in zip(found.low, THETA, found.high, strict=True)][1:]
    assert 0.75 < np.mean(covered) < 1.0


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_the_decay_of_examination_is_recovered_and_its_interval_covers_it(eta: float) -> None:
    lists = simulated(Cascade(eta), ATTRACTION, 8000, 1)
    found = fit_examination_decay(lists, samples=60, confidence=0.99)
    assert found.parameters[0] == pytest.approx(eta, abs=0.06)
    assert found.low[0] <= eta <= found.high[0]
    assert found.model == Cascade(found.parameters[0])
    assert found.attraction == pytest.approx(ATTRACTION, abs=0.05)


def test_no_position_bias_is_found_where_there_is_none() -> None:
    lists = simulated(Cascade(0.0), ATTRACTION, 8000, 2)
    assert fit_examination_decay(lists, samples=0).parameters[0] == pytest.approx(0.0, abs=0.03)


def test_rare_clicks_are_no_obstacle() -> None:
    lists = simulated(PositionBased(THETA), 0.02 * ATTRACTION, 60_000, 0)
    found = fit_position_based(lists, samples=0)
    assert found.parameters == pytest.approx(THETA, abs=0.15)
    assert len(found.log_likelihoods) < 500


def every_trace(lists: RankingLists):
    for fit in (*POSITION_FITS, fit_dependent_clicks):
        yield fit(lists, samples=0).log_likelihoods


@given(seed=SEEDS)
@settings(max_examples=10)
def test_the_likelihood_never_falls(seed: int) -> None:
    lists = simulated(DependentClicks((0.7, 0.4)), ATTRACTION, 150, seed)
    for trace in every_trace(lists):
        assert len(trace) > 1
        assert (np.diff(trace) >= -1e-7).all()


def cells(lists: RankingLists, positions: int = 4, items: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Impressions and clicks by item and position."""
    shown_, clicked = np.zeros((items, positions)), np.zeros((items, positions))
    item = np.array([int(name[1:]) for name in lists.item_ids])
    position = np.arange(len(item)) % positions
    np.add.at(shown_, (item, position), 1)
    assert lists.clicks is not None
    np.add.at(clicked, (item, position), lists.clicks)
    return shown_, clicked


def best_by_descent(lists: RankingLists, theta_of, size: int) -> float:
    """The greatest log-likelihood that a general optimiser finds from some starts."""
    shown_, clicked = cells(lists)

    def loss(x: np.ndarray) -> float:
        gamma = 1 / (1 + np.exp(-x[size:]))
        both = np.clip(gamma[:, None] * theta_of(x[:size]), 1e-12, 1 - 1e-12)
        return -float((clicked * np.log(both) + (shown_ - clicked) * np.log1p(-both)).sum())

    starts = np.random.default_rng(0).normal(size=(3, size + 6))
    return -min(minimize(loss, start, options={"maxiter": 2000}).fun for start in starts)


@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_is_the_greatest_that_a_general_optimiser_finds(seed: int) -> None:
    lists = simulated(PositionBased((0.5, 0.9, 0.3, 0.2)), ATTRACTION, 300, seed)
    free = fit_position_based(lists, samples=0).log_likelihoods[-1]
    decay = fit_examination_decay(lists, samples=0).log_likelihoods[-1]
    assert free >= best_by_descent(lists, lambda x: 1 / (1 + np.exp(-x)), 4) - 1e-4
    assert decay >= best_by_descent(lists, lambda x: np.arange(1.0, 5.0) ** -np.exp(x[0]), 1) - 1e-4


def test_a_later_position_may_be_looked_at_more_than_the_first() -> None:
    lists = simulated(PositionBased((0.5, 1.0, 0.25, 0.25)), ATTRACTION, 8000, 0)
    found = fit_position_based(lists, samples=0)
    assert found.parameters == pytest.approx([1.0, 2.0, 0.5, 0.5], abs=0.15)
    assert found.model.examination == pytest.approx([0.5, 1.0, 0.25, 0.25], abs=0.06)
    assert found.attraction == pytest.approx(ATTRACTION, abs=0.06)


@given(seed=SEEDS)
@settings(max_examples=5)
def test_weights_are_duplicates(seed: int) -> None:
    lists = simulated(DependentClicks((0.7, 0.4)), ATTRACTION, 120, seed)
    times = np.random.default_rng(seed).integers(0, 4, len(lists))
    weighed = replace(lists, weights=np.repeat(times, 4).astype(np.float32))
    repeated = lists.select(np.repeat(np.arange(len(lists)), times))
    for fit in (*POSITION_FITS, fit_dependent_clicks):
        a, b = fit(weighed, samples=0, tolerance=1e-11), fit(repeated, samples=0, tolerance=1e-11)
        assert a.parameters == pytest.approx(b.parameters, rel=1e-3, abs=1e-4)
        assert a.log_likelihoods[-1] == pytest.approx(b.log_likelihoods[-1], rel=1e-8)
        assert a.attraction == pytest.approx(b.attraction, rel=1e-3, abs=1e-4)


def test_positions_of_the_log_go_before_the_order_of_the_lists() -> None:
    lists = simulated(PositionBased(THETA), ATTRACTION, 500, 0)
    rng = np.random.default_rng(0)
    positions = np.tile(np.arange(1, 5, dtype=np.int32), len(lists))
    placed = replace(lists, positions=positions)
    mixed = placed.reordered(rng.random(len(positions)))
    for fit in (*POSITION_FITS, fit_dependent_clicks):
        a, b = fit(lists, samples=0), fit(mixed, samples=0)
        assert a.parameters == pytest.approx(b.parameters, rel=1e-4)


def test_groups_share_an_attraction() -> None:
    lists = simulated(PositionBased(THETA), np.full(6, 0.4), 4000, 0)
    found = fit_position_based(lists, groups=np.full(len(lists.item_ids), "all"), samples=0)
    assert found.groups.tolist() == ["all"]
    assert found.attraction_of(["all", "all"]) == pytest.approx([0.4, 0.4], abs=0.05)
    with pytest.raises(DataError, match="groups: 'none' was not in the log"):
        found.attraction_of(["none"])


def test_items_without_clicks_attract_nobody_and_change_nothing_else() -> None:
    lists = simulated(PositionBased(THETA), np.append(ATTRACTION[:5], 0.0), 1000, 0)
    found = fit_position_based(lists, samples=0)
    assert found.attraction_of(["i5"])[0] == 0.0
    without = lists.weights if lists.weights is not None else np.ones(len(lists.item_ids), np.float32)
    fewer = replace(lists, weights=without * (lists.item_ids != "i5"))
    assert fit_position_based(fewer, samples=0).parameters == pytest.approx(found.parameters, rel=1e-4)


def test_the_fitted_model_clicks_as_the_log_does() -> None:
    lists = simulated(PositionBased(THETA), ATTRACTION, 8000, 0)
    found = fit_position_based(lists, samples=0)
    again = found.model.clicks(lists, found.attraction_of(lists.item_ids), np.random.default_rng(5))
    for values in (lists.clicks, again):
        assert values is not None
    by_position = [values.reshape(-1, 4).mean(axis=0) for values in (lists.clicks, again)]
    assert by_position[0] == pytest.approx(by_position[1], abs=0.02)


def test_the_first_click_model_is_its_closed_form() -> None:
    lists = simulated(DependentClicks((0.0,)), ATTRACTION, 20_000, 0)
    found = fit_first_click(lists)
    assert found.attraction == pytest.approx(ATTRACTION, abs=0.02)
    assert found.model == DependentClicks((0.0,))
    by_hand_clicks, by_hand_read = np.zeros(6), np.zeros(6)
    assert lists.clicks is not None
    for items, clicks in zip(lists.item_ids.reshape(-1, 4), lists.clicks.reshape(-1, 4), strict=True):
        for item, clicked in zip(items, clicks, strict=True):
            by_hand_read[int(item[1:])] += 1
            by_hand_clicks[int(item[1:])] += clicked
            if clicked:
                break
    assert found.attraction == pytest.approx(by_hand_clicks / by_hand_read)


def test_the_dependent_click_model_is_recovered_and_its_interval_covers_it() -> None:
    truth = (0.8, 0.5, 0.2)
    lists = simulated(DependentClicks(truth), ATTRACTION, 10_000, 3)
    found = fit_dependent_clicks(lists, samples=40, confidence=0.99)
    assert found.parameters == pytest.approx(truth, abs=0.08)
    assert (found.low <= truth).all()
    assert (found.high >= truth).all()
    assert found.attraction == pytest.approx(ATTRACTION, abs=0.03)


def chance_of(clicks: tuple[int, ...], gamma: np.ndarray, rates: tuple[float, ...]) -> float:
    """Probability of a list's clicks by going through the user's decisions."""

    def down(rank: int) -> float:
        if rank == len(clicks):
            return 1.0
        if not clicks[rank]:
            return (1 - gamma[rank]) * down(rank + 1)
        if rank + 1 == len(clicks):
            return gamma[rank]
        stop = (1 - rates[rank]) * (not any(clicks[rank + 1 :]))
        return gamma[rank] * (stop + rates[rank] * down(rank + 1))

    return down(0)


def test_dependent_clicks_fall_as_often_as_the_users_decisions_say() -> None:
    gamma, rates = np.array([0.5, 0.3, 0.6]), (0.7, 0.4)
    lists = shown(np.tile(np.arange(3), (40_000, 1)))
    clicks = DependentClicks(rates).clicks(lists, np.tile(gamma, 40_000), np.random.default_rng(0)).reshape(-1, 3)
    for pattern in itertools.product((0, 1), repeat=3):
        share = (clicks == pattern).all(axis=1).mean()
        assert share == pytest.approx(chance_of(pattern, gamma, rates), abs=0.01)


def test_the_likelihood_of_dependent_clicks_is_that_of_the_users_decisions() -> None:
    lists = simulated(DependentClicks((0.7, 0.4, 0.4)), ATTRACTION, 80, 4)
    found = fit_dependent_clicks(lists, samples=0)
    assert lists.clicks is not None
    total = 0.0
    for items, clicks in zip(lists.item_ids.reshape(-1, 4), lists.clicks.reshape(-1, 4), strict=True):
        total += np.log(chance_of(tuple(clicks), found.attraction_of(items), found.model.continuation))
    assert found.log_likelihoods[-1] == pytest.approx(total, rel=1e-9)


def test_users_who_never_stop_click_as_without_position_bias() -> None:
    lists = shown(np.tile(np.arange(4), (50, 1)))
    relevance = np.tile(ATTRACTION[:4], 50)
    patient = DependentClicks((1.0,)).clicks(lists, relevance, np.random.default_rng(0))
    assert patient.tolist() == Cascade(0.0).clicks(lists, relevance, np.random.default_rng(0)).tolist()
    stopping = clicks_on_order(DependentClicks(), lists, relevance, -np.arange(200.0), np.random.default_rng(0))
    assert stopping.reshape(-1, 4).sum(axis=1).max() == 1


FIXED = np.tile(np.arange(3), (20, 1))
SOME = np.random.default_rng(0).integers(0, 2, (20, 3))


@pytest.mark.parametrize("fit", POSITION_FITS)
@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (shown(FIXED), "clicks: the lists hold none"),
        (shown(FIXED, np.zeros((20, 3))), "clicks: none among 60 impressions"),
        (shown(FIXED[:, :1], SOME[:, :1]), "all impressions stand at position 1"),
        (shown(FIXED, SOME), "no clicked item links position 2 to position 1"),
        (shown(FIXED, SOME * [0, 1, 1]), "position 1 has no click"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(fit, lists: RankingLists, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(lists)


def test_an_item_that_was_shown_at_two_positions_but_never_clicked_links_nothing() -> None:
    items = np.array([[0, 1], [0, 2], [3, 1], [1, 3]])
    clicks = np.array([[1, 0], [1, 1], [0, 0], [0, 0]])
    with pytest.raises(DataError, match="no clicked item links position 2"):
        fit_position_based(shown(items, clicks))


def test_other_bad_arguments_are_named() -> None:
    lists = simulated(PositionBased(THETA), ATTRACTION, 50, 0)
    crowded = shown(np.arange(4).reshape(2, 2), np.array([[1, 1], [0, 0]]))
    for call, message in [
        (lambda: fit_position_based(lists, groups=["a"]), r"groups: shape \(1,\)"),
        (lambda: fit_first_click(crowded), "clicks: request 'r0' has more than one"),
        (lambda: fit_first_click(shown(FIXED, np.zeros((20, 3)))), "clicks: none among"),
        (lambda: fit_dependent_clicks(shown(FIXED, SOME * [0, 0, 1])), "none has an item below it"),
        (
            lambda: fit_dependent_clicks(replace(crowded, weights=np.array([1, 2, 1, 1], np.float32))),
            "weights: those of request 'r0' differ",
        ),
    ]:
        with pytest.raises(DataError, match=message):
            call()
    with pytest.raises(ValueError, match="samples: -1"):
        fit_position_based(lists, samples=-1)
    with pytest.raises(TrainingError, match="still gains"):
        fit_position_based(lists, samples=0, tolerance=0.0, max_steps=1)
    with pytest.raises(ConfigError, match="continuation"):
        DependentClicks((1.2,))


@pytest.mark.real_data
def test_position_bias_on_open_bandit_is_mild(public_data) -> None:
    import pandas as pd

    log = pd.read_csv(public_data / "open_bandit" / "random" / "women" / "women.csv.gz", index_col=0)
    lists = shown(
        log["item_id"].to_numpy()[:, None],
        log["click"].to_numpy()[:, None],
        positions=log["position"].to_numpy(np.int32),
    )
    found = fit_position_based(lists, samples=40)
    assert found.low is not None
    assert found.high is not None
    # Three places side by side: none is looked at twice as often as another beyond what 46 clicks can tell.
    assert (found.low <= 1.0).all()
    assert (found.high >= 1.0).all()
