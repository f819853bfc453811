"""The benchmark of off-policy estimates on simulated traffic draws what it says and counts what it finds."""

from __future__ import annotations

import time
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import off_policy_traffic as benchmark
from benchmarks.off_policy_plot import off_policy_plot
from benchmarks.off_policy_population import ITEMS, LOGGERS, TARGETS, USERS, made_population, made_traffic
from ranking.off_policy import discounts

POPULATION = made_population(requests=400)


def test_the_value_of_a_policy_is_that_of_its_closed_form() -> None:
    users, policy = USERS["position-based"][1], TARGETS["best order"]
    value, error = POPULATION.value(users, policy, 200, np.random.default_rng(0))
    order = np.argsort(-POPULATION.scores["new"], axis=1)
    attraction = np.take_along_axis(POPULATION.attraction, order, axis=1)
    exact = float((attraction * users.examination * discounts(ITEMS)).sum(axis=1).mean())
    assert value == pytest.approx(exact, abs=4 * error)
    assert POPULATION.examination(users, np.random.default_rng(0)) == pytest.approx(users.examination, abs=0.1)


@pytest.mark.parametrize("logger", LOGGERS)
def test_logged_propensities_are_the_frequencies_of_the_draw(logger: str) -> None:
    policy, draws = LOGGERS[logger], 20_000
    scores = np.repeat(POPULATION.scores["base"][:1], draws, axis=0)
    order = policy.order(scores, np.random.default_rng(1))
    found = policy.on(np.take_along_axis(scores, order, axis=1))
    assert found.marginals is not None
    for shown in np.unique(order, axis=0):
        same = (order == shown).all(axis=1)
        assert found.steps[same][0].prod() == pytest.approx(same.mean(), abs=0.02)
        for place in range(ITEMS):
            assert found.marginals[same][0, place] == pytest.approx((order[:, place] == shown[place]).mean(), abs=0.02)


def test_estimators_and_fixed_clicks_stand_beside_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "SLATES", 300)
    monkeypatch.setattr(benchmark, "SIZES", (300, 600))
    monkeypatch.setattr(benchmark, "SAMPLES", 50)
    monkeypatch.setattr(benchmark, "LEAST_LOGS", 2)
    truths = benchmark.known_truths(POPULATION, 5)
    found, logs = benchmark.judged_logs(POPULATION, truths, time.monotonic())
    assert logs == 2
    rows = [benchmark._row(key, one, truths) for key, one in found.items()]
    assert len(rows) == 6 * (len(USERS) * len(LOGGERS) * len(TARGETS) + 1)
    assert all(row["logs"] + row["untold"] == 2 for row in rows)
    figures = benchmark._figures(rows)
    assert 0 <= figures["least_covered_by_recommended"] <= figures["covered_by_recommended"] <= 1
    assert figures["error_of_fixed_clicks_over_recommended_cascade"] > 0
    drawing = ElementTree.fromstring(off_policy_plot(rows))
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}polyline")) == 6


def test_estimates_are_near_the_truth_on_one_log() -> None:
    users = USERS["cascade"][1]
    truth, _ = POPULATION.value(users, TARGETS["drawn order"], 20, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    traffic = made_traffic(POPULATION, users, LOGGERS["temperature"], 4000, rng)
    found = {name: value for name, value, *_ in benchmark.estimates(traffic, TARGETS["drawn order"], np.ones(4), rng)}
    for name in (benchmark.RECOMMENDED, "SN-RIPS"):
        assert found[name] == pytest.approx(truth, rel=0.08)
    assert abs(found[benchmark.FIXED] / truth - 1) > 0.08
