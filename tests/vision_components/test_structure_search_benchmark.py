"""The benchmark of structure search compares networks of one cost, makes each once, and pairs them by seed."""

import json
import re

import numpy as np
import pytest

from benchmarks.structure_plot import structure_plot
from benchmarks.structure_search import (
    FIGS,
    RANDOM,
    UNIFORM,
    WHOLE,
    Kept,
    Trial,
    filled,
    summary,
    whole_network,
    widths_of,
)
from vision_components.structure import ChannelGraph, FLOPs


@pytest.mark.parametrize("method", [UNIFORM, RANDOM])
def test_networks_of_a_budget_cost_as_much(method, tmp_path):
    cost = FLOPs(ChannelGraph(whole_network(8)))
    for budget in (0.25, 0.5):
        widths = widths_of(Trial(method, budget, 0), 8, None, 1, Kept(tmp_path))
        assert 0.95 * budget < cost.of_widths(widths) / cost.full <= budget


def test_filling_stops_where_no_group_can_have_a_channel_more():
    cost = FLOPs(ChannelGraph(whole_network(4)))
    widths = dict.fromkeys(cost.graph.groups, 1)
    found = filled(widths, cost, 0.3 * cost.full)
    assert cost.of_widths(found) <= 0.3 * cost.full
    assert all(cost.of_widths(found | {name: width + 1}) > 0.3 * cost.full for name, width in found.items())


def test_what_is_kept_is_not_made_again(tmp_path):
    assert Kept(tmp_path).result("one", lambda: {"accuracy": 0.5}) == {"accuracy": 0.5}
    again = Kept(tmp_path).result("one", lambda: pytest.fail("made again"))
    assert again == {"accuracy": 0.5}
    assert json.loads((tmp_path / "results.jsonl").read_text()) == {"key": "one", "result": {"accuracy": 0.5}}


def test_differences_from_the_uniform_multiplier_are_paired_by_seed():
    made = {FIGS: (0.80, 0.70, 0.75), UNIFORM: (0.78, 0.66, 0.69)}
    results = {Trial(WHOLE, 1.0, seed): {"accuracy": 0.9, "share": 1.0, "parameters": 10} for seed in range(3)}
    for method, values in made.items():
        for seed, value in enumerate(values):
            results[Trial(method, 0.25, seed)] = {"accuracy": value, "share": 0.25, "parameters": 10}
    rows, figures = summary(results, dict.fromkeys(results, 0.4))
    # Differences 0.02, 0.04, 0.06; Student's t for two degrees of freedom is 4.3027.
    half = 4.3027 * 0.02 / np.sqrt(3)
    [row] = [row for row in rows if row["method"] == FIGS]
    assert row["minus uniform"] == pytest.approx(0.04)
    assert (row["low"], row["high"]) == pytest.approx((0.04 - half, 0.04 + half), abs=1e-5)
    assert figures["figs_minus_uniform_at_0.25"] == pytest.approx(0.04)
    assert row["time left"] == pytest.approx(0.4)


def test_the_picture_places_what_is_more_accurate_farther_to_the_right():
    rows = [
        {"budget": "25 %", "method": method, "test accuracy": value, "standard error": error, "time left": left}
        for method, value, error, left in ((UNIFORM, 0.6, 0.01, 0.3), (FIGS, 0.7, "", ""))
    ]
    drawn = structure_plot(rows)
    assert drawn.startswith("<svg")
    assert "30%" in drawn
    places = [float(one) for one in re.findall(r'<circle cx="([0-9.]+)"', drawn)]
    assert places == sorted(places)
    assert len(set(places)) == 2
