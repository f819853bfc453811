"""The shipped configurations and those on the pages, made small enough to run in seconds."""

import shutil

import yaml

from tests.house.modules import ROOT
from tests.pipelines.shown_commands.collected import blocks

# What makes a run short: few features to compute statistics of, and no networks where a page is not about them.
EVALUATION = {
    "evaluation.bootstrap_samples": 100,
    "evaluation.model_analysis": False,
    "evaluation.blessing_margin": 1.0,
    "serving.slate_size": 2,
    "serving.golden_requests": 2,
}
SHORT = EVALUATION | {
    "base_ranker.trees": 5,
    "base_ranker.folds": 2,
    "gate": None,
    "seq2slate": None,
    "labeller": None,
    "images": None,
}
# Its log is there already, with few of its columns.
MARKETPLACE = {
    "evaluation.slices": ["context_mobile"],
    "evaluation.diversity": ["item_price"],
    "evaluation.item_groups": [{"column": "item_price", "buckets": 2}],
}
CHANGES = {
    "marketplace.yaml": SHORT | MARKETPLACE,
    "mq2008.yaml": SHORT,
    # The gate is all that it trains.
    "open_bandit.yaml": {"gate.epochs": 1, "gate.folds": 2} | EVALUATION,
    "closed_loop.yaml": {"base_ranker.trees": 5, "evaluation.bootstrap_samples": 100},
    "service/local.yaml": {"listen.port": 0, "monitoring.port": 0},
}
# Configurations that a page shows: their file, the page, and words of that block alone.
ON_PAGES = {
    "shop.yaml": ("docs/incremental.md", "{version}"),
    "mine.yaml": ("docs/users/ml_engineers.md", "name: mine"),
    "hour.yaml": ("docs/newcomer.md", "name: hour"),
}


def write_configs(folder):
    """`configs/` and the pages' own files under `folder`, and `absent.yaml`, whose data are nowhere."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    for name, changes in CHANGES.items():
        path = folder / "configs" / name
        path.write_text(yaml.safe_dump(changed(yaml.safe_load(path.read_text()), changes)))
    # The page's own words, so that a key there that is none is found.
    for name, (page, words) in ON_PAGES.items():
        shown = next(block for block in blocks(page) if block.language == "yaml" and words in block.text)
        (folder / name).write_text(yaml.safe_dump(changed(yaml.safe_load(shown.text), SHORT)))
    (folder / "absent.yaml").write_text("name: absent\ndata: {path: nowhere.parquet}\n")


def changed(config, changes):
    """The configuration with dotted keys replaced."""
    for key, value in changes.items():
        *above, last = key.split(".")
        part = config
        for name in above:
            part[name] = part.get(name) or {}
            part = part[name]
        part[last] = value
    return config
