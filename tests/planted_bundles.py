"""A real bundle whose re-ranker's context is known: who hangs on whom is planted."""

import lightgbm
import numpy as np

from serving.bundle import (
    BaseRankerStage,
    Bundle,
    Features,
    GoldenRequests,
    Manifest,
    Seq2SlateStage,
    TrainingDataSummary,
    open_bundle,
    write_bundle,
)
from serving.runtime import SlateQuery, SlateRanker
from tests.pointer_graphs import PLANTED, planted_pointer

VERSION, STEPS = "20240103T000000Z-00000000", 4
# In the planted request: `wishes` comes first for the sake of `gives` alone, `follows` second for that of `wishes`.
ITEMS = ("gives", "plain", "wishes", "follows", "good", "fair", "poor", "worst")
QUALITIES = (-2.0, 0.4, 0.1, -1.0, 1.0, 0.7, -0.3, -0.9)


def planted_query(**changes):
    """The planted request; `changes` replace its fields."""
    features = np.zeros((len(ITEMS), len(PLANTED) - 1), np.float32)
    features[:, 0] = QUALITIES
    features[ITEMS.index("wishes"), 1] = features[ITEMS.index("gives"), 2] = 2.0
    features[ITEMS.index("follows"), 3] = features[ITEMS.index("wishes"), 4] = 2.0
    fields = {
        "request_id": "planted",
        "item_ids": ITEMS,
        "context": np.zeros(1, np.float32),
        "features": features,
        "slate_size": STEPS,
    }
    return SlateQuery(**{**fields, **changes})


def planted_bundle(root):
    """Write the bundle under `root` and open it; its one golden request is the planted one."""
    sources = root / "planted"
    sources.mkdir(parents=True)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, len(PLANTED)))
    settings = {"objective": "regression", "num_leaves": 5, "verbosity": -1, "num_threads": 1, "seed": 0}
    data = lightgbm.Dataset(features, features[:, 1] + 0.2 * features[:, 2])
    lightgbm.train(settings, data, num_boost_round=5).save_model(sources / "model.txt")
    files = {
        "base_ranker/model.txt": sources / "model.txt",
        "seq2slate/model.onnx": planted_pointer(sources / "seq2slate.onnx", STEPS),
    }
    manifest = Manifest(
        version=VERSION,
        name="planted",
        created="2024-01-03T00:00:00+00:00",
        features=Features(context=PLANTED[:1], item=PLANTED[1:]),
        stages=(
            BaseRankerStage(file="base_ranker/model.txt", trees=5),
            Seq2SlateStage(file="seq2slate/model.onnx", slate_size=STEPS, max_list_size=50),
        ),
        training_data=TrainingDataSummary(fingerprint="f", requests=1, rows=1),
        config_fingerprint="c",
        seed=0,
    )
    draft = write_bundle(root / "draft", manifest, files, _golden(None))
    return open_bundle(write_bundle(root / "bundles", manifest, files, _golden(SlateRanker(Bundle(draft, manifest)))))


def _golden(ranker):
    query = planted_query()
    slate = None if ranker is None else ranker.rank(query)
    return GoldenRequests(
        offsets=np.array([0, len(ITEMS)]),
        item_ids=np.array(ITEMS),
        context=query.context[np.newaxis],
        features=query.features,
        slate_sizes=np.array([STEPS]),
        slates=np.full((1, STEPS), -1) if slate is None else np.array([slate.order]),
        base_scores=np.zeros(len(ITEMS), np.float32) if slate is None else slate.base_scores,
    )
