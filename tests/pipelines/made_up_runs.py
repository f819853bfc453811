"""Folders of runs whose metrics are made up."""

import os

import yaml

from tests.pipelines.made_up_metrics import make_metrics


def make_run(runs, name, age=0, config=None, **changes):
    """A finished run under `runs`, `age` seconds old; `changes` replace parts of its metrics."""
    folder = runs / name
    folder.mkdir(parents=True)
    metrics = folder / "metrics.json"
    made = make_metrics(**changes)
    made.model_copy(update={"run": made.run.model_copy(update={"name": name})}).save(metrics)
    os.utime(metrics, (1_700_000_000 - age,) * 2)
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder
