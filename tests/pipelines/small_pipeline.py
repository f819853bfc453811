"""A small configuration of the whole pipeline, quick enough to run in tests."""

from pipelines.config import load_config
from pipelines.phases import PHASES
from pipelines.run import RunProgress, run

CONFIG = """
name: small
seed: 3
data:
  path: {root}/market/clicks.parquet
  simulate: {{requests: 240, seed: 1}}
  items: {root}/market/items.parquet
base_ranker: {{trees: 40, folds: 2}}
gate: {{hidden_sizes: [], epochs: 4, folds: 3}}
seq2slate: {{hidden_size: 8, epochs: 2, learning_rate: 0.003, batch_size: 64}}
labeller: {{ridge: 0.1, folds: 2, held_out_share: 0.5}}
images: {{backbones: [resnet8_2, resnet8_4], image_size: 8, embedding_width: 3, epochs: 3, cache_root: {root}/cache}}
evaluation:
  bootstrap_samples: 100
  model_analysis: false
  blessing_margin: 1.0
  slices: [context_mobile]
  min_slice_requests: 20
  diversity: [item_style_0, item_style_1]
  item_groups: [{{column: item_price, buckets: 3}}, item_category_0]
  slate_value: {{logger: plackett_luce, exploration: temperature, positions: 1}}
serving: {{slate_size: 4, golden_requests: 3}}
run_root: {root}/runs
bundle_root: {root}/bundles
"""


def write_config(root):
    path = root / "small.yaml"
    path.write_text(CONFIG.format(root=root))
    return path


def run_small(root, last=PHASES[-1], **overrides):
    """Run the small pipeline under `root`; returns the finished run and its components' caching by name.

    It ends after the phase `last`; then there is no finished run.
    """
    config = load_config(write_config(root), {key.replace("__", "."): value for key, value in overrides.items()})
    cached = {}
    progress = told_to(cached)
    return run(config, progress, last), cached


def told_to(cached):
    """Progress that says nothing, and keeps of every component whether it came from the cache."""
    return RunProgress(
        say=lambda message: None,
        plan=lambda components: None,
        start=lambda component: None,
        finish=lambda time: cached.update({time.component: time.cached}),
    )


def artifact(root, component, output):
    """The folder of a component's output that the first run left to have it."""
    folder = root / "runs" / "small" / "artifacts" / component / output
    return min(folder.iterdir(), key=lambda path: int(path.name))
