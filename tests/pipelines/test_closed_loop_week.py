"""Days and nights with the whole pipeline: a sound night, a broken one that the blessing refuses, going on."""

import json
import multiprocessing

import pytest
from click.testing import CliRunner

from pipelines.commands.simulate import simulate

CONFIG = """
name: closed_loop
data: {path: events, format: event_log}
base_ranker: {trees: 30, learning_rate: 0.2, patience: 0, folds: 2}
gate: null
seq2slate: null
evaluation:
  {cutoffs: [5], blessing_metric: ndcg_at_5, blessing_margin: 0.22, bootstrap_samples: 100, model_analysis: false}
serving: {item_features: false, golden_requests: 2}
"""


def test_options_before_the_week_are_refused_instead_of_lost(tmp_path):
    answer = CliRunner().invoke(simulate, ["--seed", "7", "week", "--out", str(tmp_path / "week")])
    assert answer.exit_code == 2
    assert "--seed before week has no effect; put it behind" in answer.output
    assert not (tmp_path / "week").exists()


@pytest.mark.slow
def test_three_days_of_which_the_second_night_learns_from_wrong_labels(tmp_path):
    config, out = tmp_path / "nights.yaml", tmp_path / "week"
    config.write_text(CONFIG)
    command = ["week", str(config), "--out", str(out), "--arm", "retrained", "--days", "3"]
    command += ["--requests-per-day", "600", "--first-requests", "300", "--break-day", "2"]
    command += ["--break-kind", "training_labels"]
    ended = CliRunner().invoke(simulate, command, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    week = json.loads((out / "week.json").read_text())
    first, second, third = week["days"]
    assert first["canary"] is None
    assert first["night"]["decision"].startswith("blessed: ")
    assert second["canary"]["version"] == first["night"]["version"] in second["requests_by_bundle"]
    assert second["night"]["decision"].startswith("not blessed: ")
    assert third["canary"] is None
    assert set(third["requests_by_bundle"]) == {third["bundle"]} == {second["bundle"]}
    assert multiprocessing.active_children() == []
    for broken in (out / "week.json", out / "retrained" / "days" / "day-03.json"):
        broken.unlink()
    again = CliRunner().invoke(simulate, command, catch_exceptions=False)
    assert again.exit_code == 0, again.output
    resumed = json.loads((out / "week.json").read_text())
    assert resumed["days"] == week["days"], "finished days and nights stand, the others come out the same"
    assert (out / "week.html").read_text().count("<svg") == 2
