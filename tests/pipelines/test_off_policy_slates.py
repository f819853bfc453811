"""Off-policy value of slates from a log: it covers what clicks simulated anew say, or says why there is none."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.config import PipelineConfig
from pipelines.evaluation.policies import query_of
from pipelines.evaluation.slate_value import evaluate_slates
from ranking.click_models import Cascade, DiverseClicks, PositionBased, clicks_on_order
from ranking.lists import RankingLists
from ranking.off_policy import discounts
from ranking.off_policy.order_targets import ordered_target
from serving.runtime.epsilon_slates import step_probabilities

ITEMS, CONTEXT, ITEM = 4, ("context_hour",), ("price", "quality", "age")
DIVERSE, POSITIONS = DiverseClicks(Cascade(0.5), 0.5), PositionBased((1.0, 0.6, 0.4, 0.2))


def config(slate_size=ITEMS, **slate_value):
    # So many intervals are held against the truth that one of 95 % would miss by chance.
    evaluation = {"bootstrap_samples": 200, "confidence": 0.99, "slate_value": slate_value}
    fields = {"name": "made", "data": {"path": "log"}, "evaluation": evaluation, "serving": {"slate_size": slate_size}}
    return PipelineConfig.model_validate(fields)


class Market:
    """Requests of four candidates with three item features, the first of which attracts and the second misleads."""

    def __init__(self, requests, seed=0):
        rng = np.random.default_rng(seed)
        self.rng, self.requests = rng, requests
        self.features = rng.normal(size=(requests, ITEMS, 1 + len(ITEM))).astype(np.float32)
        self.features[:, :, 0] = self.features[:, :1, 0]
        self.attraction = 1 / (1 + np.exp(1 - 1.5 * self.features[:, :, 1]))
        self.good, self.bad = self.features[:, :, 1], 0.4 * self.features[:, :, 1] + self.features[:, :, 2]

    def drawn(self, logits):
        """Orders and step propensities of a Plackett-Luce draw."""
        order = np.argsort(-(logits + self.rng.gumbel(size=logits.shape)), axis=1)
        weights = np.exp(np.take_along_axis(logits, order, axis=1))
        left = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
        return order, weights / left

    def lists(self, order):
        """The requests shown in `order`, without clicks; and each item's attraction."""
        rows, shown = np.arange(self.requests)[:, None], order.shape[1]
        lists = RankingLists(
            request_ids=np.array([f"r{row}" for row in range(self.requests)], dtype=object),
            offsets=np.arange(self.requests + 1) * shown,
            item_ids=np.array([f"i{item}" for item in order.ravel()], dtype=object),
            features=self.features[rows, order].reshape(-1, 1 + len(ITEM)),
            feature_names=(*CONTEXT, *ITEM),
        )
        return lists, self.attraction[rows, order].ravel()

    def logged(self, users, order, steps):
        """A log of these orders with clicks; the fourth item of a slate may be cut off."""
        lists, attraction = self.lists(order)
        return replace(
            lists,
            clicks=users.clicks(lists, attraction, self.rng),
            positions=np.tile(np.arange(1, order.shape[1] + 1), self.requests).astype(np.int32),
            propensities=steps.astype(np.float32).ravel(),
        )

    def scores(self, values, order):
        return np.take_along_axis(values, order, axis=1).ravel()


def value_of(users, lists, attraction, scores, rounds=60):
    """Clicks a slate, and discounted ones, when the items of `lists` are shown by descending `scores`."""
    rng = np.random.default_rng(1)
    rank = np.empty(len(scores), np.int64)
    rank[lists.descending_order(scores)] = np.arange(len(scores)) - lists.offsets[lists.list_index]
    counts = discounts(int(lists.list_sizes.max()))[rank]
    found = [clicks_on_order(users, lists, attraction, scores, rng) for _ in range(rounds)]
    return [float(np.mean([(clicks * weight).sum() / len(lists) for clicks in found])) for weight in (1.0, counts)]


def row_of(rows, policy, estimator):
    [row] = [row for row in rows if (row.policy, row.estimator) == (policy, estimator)]
    return row


def test_the_value_of_another_order_covers_what_clicks_simulated_anew_say():
    market = Market(4000)
    order, steps = market.drawn(market.bad)
    log = market.logged(DIVERSE, order, steps)
    rankings = {"base": market.scores(market.bad, order), "served": market.scores(market.good, order)}
    found = evaluate_slates(None, log, rankings, config(logger="plackett_luce"))
    assert (found.slates, found.drawn, found.complete, found.positions) == (4000, 4000, 4000, ITEMS)
    lists, attraction = market.lists(order)
    for policy, scores in rankings.items():
        truths = value_of(DIVERSE, lists, attraction, scores)
        for rows, truth in zip((found.clicks, found.discounted_clicks), truths, strict=True):
            assert [row.estimator for row in rows if row.policy == policy] == [
                "sn_cascade_dr", "snrips", "sniips", "snsips",
            ]  # fmt: skip
            for estimator in ("sn_cascade_dr", "snrips", "snsips"):
                row = row_of(rows, policy, estimator)
                assert row.low < truth < row.high
                assert row.value == pytest.approx(truth, rel=0.1)
                assert row.caution is None
    logged = log.clicks.sum() / len(log)
    assert [row.logged_value for row in found.clicks] == pytest.approx([logged] * len(found.clicks))
    # Fixed clicks cannot tell the orders apart: all four items are shown in any of them.
    assert abs(value_of(DIVERSE, lists, attraction, rankings["served"])[0] / logged - 1) > 0.05


def test_users_who_look_at_positions_are_judged_by_marginals_that_follow_from_the_steps():
    market = Market(3000, seed=2)
    order, steps = market.drawn(market.bad)
    log = market.logged(POSITIONS, order, steps)
    rankings = {"served": market.scores(market.good, order)}
    found = evaluate_slates(None, log, rankings, config(logger="plackett_luce"))
    truth, _ = value_of(POSITIONS, *market.lists(order), rankings["served"])
    iips, sips = (row_of(found.clicks, "served", name) for name in ("sniips", "snsips"))
    assert iips.low < truth < iips.high
    assert iips.effective_sample_size > 3 * sips.effective_sample_size
    unknown = row_of(evaluate_slates(None, log, rankings, config()).clicks, "served", "sniips")
    assert unknown.value is None
    assert "set evaluation.slate_value.logger" in unknown.reason


def test_a_deterministic_logger_leaves_other_orders_unidentified():
    market = Market(300)
    order = np.argsort(-market.bad, axis=1)
    log = market.logged(DIVERSE, order, np.ones(order.shape))
    rankings = {"base": market.scores(market.bad, order), "served": market.scores(market.good, order)}
    found = evaluate_slates(None, log, rankings, config())
    assert found.drawn == 0
    for row in found.clicks:
        if row.policy == "served":
            assert (row.identifiable, row.value, row.low) == (False, None, None)
            assert "the logging policy is deterministic" in row.reason
        else:
            assert row.value == pytest.approx(row.logged_value)


def test_slates_of_a_part_of_the_candidates_need_a_known_logger():
    market = Market(4000, seed=3)
    order, steps = market.drawn(market.bad)
    order, steps = order[:, :3], steps[:, :3]
    log = market.logged(DIVERSE, order, steps)
    rankings = {"served": market.scores(market.good, order)}
    unknown = evaluate_slates(None, log, rankings, config())
    assert unknown.complete == 0
    for row in unknown.clicks:
        assert not row.identifiable
        assert "100% of the slates show a part of their candidates" in row.reason
        assert "set evaluation.slate_value.logger" in row.reason
    found = evaluate_slates(None, log, rankings, config(logger="plackett_luce"))
    truth, _ = value_of(DIVERSE, *market.lists(order), rankings["served"])
    for estimator in ("sn_cascade_dr", "snrips", "snsips"):
        row = row_of(found.clicks, "served", estimator)
        assert row.low < truth < row.high
        assert row.caution is None


def test_only_the_share_of_the_traffic_that_explores_is_judged():
    market = Market(1200)
    order, steps = market.drawn(market.bad)
    greedy = np.arange(1200) % 3 > 0
    order[greedy], steps[greedy] = np.argsort(-market.bad[greedy], axis=1), 1.0
    log = market.logged(DIVERSE, order, steps)
    rankings = {"served": market.scores(market.good, order)}
    found = evaluate_slates(None, log, rankings, config())
    assert (found.slates, found.drawn) == (1200, 400)
    scores = rankings["served"].reshape(-1, ITEMS)[~greedy].ravel()
    alone = evaluate_slates(None, log.select(~greedy), {"served": scores}, config())
    assert found.clicks == alone.clicks


def test_fewer_positions_count_fewer_clicks():
    market = Market(500)
    order, steps = market.drawn(market.bad)
    log = market.logged(POSITIONS, order, steps)
    rankings = {"served": market.scores(market.good, order)}
    found = evaluate_slates(None, log, rankings, config(positions=2))
    assert found.positions == 2
    assert found.clicks[0].logged_value == pytest.approx(log.clicks.reshape(-1, ITEMS)[:, :2].sum() / 500)


class Drawer:
    """Stands in for a bundle: best quality first, of what has a price above the threshold first; drawn likewise."""

    features = SimpleNamespace(context=CONTEXT)

    def __init__(self, threshold):
        self.threshold = threshold

    def rank(self, query):
        passed = query.features[:, 0] > self.threshold
        order = np.lexsort((-query.features[:, 1], ~passed))
        return SimpleNamespace(order=tuple(order.tolist()), passed=passed, ranks=np.argsort(order))

    def order_probabilities(self, query, order):
        weights = np.exp(query.features[:, 1] / query.temperature)
        passed, found = query.features[:, 0] > self.threshold, []
        behind = [row for row in self.rank(query).order if not passed[row]]
        for place, row in enumerate(order):
            left = [other for other in order[place:] if passed[other]]
            if left:
                found.append(weights[row] / weights[left].sum() if passed[row] else 0.0)
            else:
                found.append(float(row == behind[place - int(passed.sum())]))
        return np.array(found)


@pytest.mark.parametrize("threshold", [-np.inf, -1.0])
@pytest.mark.parametrize(("policy", "strength"), [("temperature", 0.7), ("epsilon", 0.5)])
def test_the_draft_as_it_would_explore_is_judged_by_its_own_probabilities(threshold, policy, strength):
    requests, ranker = 800, Drawer(threshold)
    market = Market(requests, seed=6)
    order, steps = market.drawn(np.zeros((requests, ITEMS)))
    lists, attraction = market.lists(order)
    queries = [replace(query_of(ranker, lists, index, ITEMS), temperature=0.7) for index in range(requests)]
    slates = [ranker.rank(query) for query in queries]
    served = -np.concatenate([slate.ranks for slate in slates]).astype(float)
    settings = config(exploration=policy, **{policy: strength})
    found = evaluate_slates(ranker, market.logged(POSITIONS, order, steps), {"served": served}, settings)
    truth = 0.0
    for query, slate, attracts in zip(queries, slates, attraction.reshape(-1, ITEMS), strict=True):
        for shown in itertools.permutations(range(ITEMS)):
            if policy == "temperature":
                chance = np.prod(ranker.order_probabilities(query, shown))
            else:
                chance = chance_by_epsilon(shown, slate, strength)
            truth += chance * (np.array(POSITIONS.examination) @ attracts[list(shown)]) / requests
    rows = [row for row in found.clicks if row.policy == "served_explored"]
    estimators = {row.estimator for row in rows}
    assert estimators == {"snrips", "snsips"} | ({"sn_cascade_dr", "sniips"} if policy == "epsilon" else set())
    for row in rows:
        assert row.identifiable == (row.estimator != "sniips")
        if row.identifiable:
            assert row.low < truth < row.high
            assert row.mean_weight == pytest.approx(1.0, abs=0.25)


def chance_by_epsilon(shown, slate, epsilon):
    """Probability of an order when what passes the gate is drawn evenly with probability `epsilon`."""
    greedy, movable = slate.order, int(slate.passed.sum())
    reachable = set(shown[:movable]) == set(greedy[:movable]) and shown[movable:] == greedy[movable:]
    return (1 - epsilon) * (shown == greedy) + epsilon * reachable / math.factorial(movable)


def test_orders_by_epsilon_have_the_probabilities_that_the_service_logs():
    ranks = np.array(list(itertools.permutations(range(ITEMS))))
    found = ordered_target(ranks, np.ones(ranks.shape, bool), 3, 0.3)
    for rank, steps in zip(ranks, found.steps, strict=True):
        # Items are named by their place in the service's best order.
        assert steps == pytest.approx(step_probabilities(rank[:3], np.arange(3), ITEMS, 0.3))


def test_logs_without_what_it_takes_have_no_values():
    market = Market(20)
    order, steps = market.drawn(market.bad)
    log = market.logged(POSITIONS, order, steps)
    rankings = {"served": market.scores(market.good, order)}
    assert evaluate_slates(None, replace(log, propensities=None), rankings, config()) is None
    assert evaluate_slates(None, replace(log, clicks=None), rankings, config()) is None
    assert evaluate_slates(None, log.top(1), {"served": rankings["served"][::ITEMS]}, config()) is None


def test_slates_that_lost_a_row_are_left_out():
    market = Market(100)
    order, steps = market.drawn(market.bad)
    log = market.logged(POSITIONS, order, steps)
    positions = log.positions.copy()
    positions[1:4] += 1
    rankings = {"served": market.scores(market.good, order)}
    found = evaluate_slates(None, replace(log, positions=positions), rankings, config())
    assert (found.slates, found.drawn) == (100, 99)


def test_a_handful_of_slates_has_no_model_of_rewards():
    market = Market(3)
    order, steps = market.drawn(market.bad)
    rankings = {"served": market.scores(market.bad, order)}
    found = evaluate_slates(None, market.logged(POSITIONS, order, steps), rankings, config())
    assert "too few for a model of rewards" in row_of(found.clicks, "served", "sn_cascade_dr").reason


@pytest.mark.parametrize("logger", ["unknown", "plackett_luce"])
def test_propensities_whose_products_are_no_numbers_cost_the_value_and_not_the_run(logger, monkeypatch):
    monkeypatch.setattr("tests.pipelines.test_off_policy_slates.ITEMS", 10)
    market = Market(40)
    order = np.argsort(-market.good, axis=1)
    for last in (1.2e-38, 1.0):
        steps = np.full(order.shape, 1.2e-38)
        steps[:, -1] = last
        rankings = {"served": market.scores(market.good, order)}
        found = evaluate_slates(None, market.logged(POSITIONS, order, steps), rankings, config(10, logger=logger))
        sips = row_of(found.clicks, "served", "snsips")
        assert sips.value is None
        assert sips.reason
