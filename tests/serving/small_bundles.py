"""Small real bundles, made without TensorFlow."""

import dataclasses
from pathlib import Path

import lightgbm
import numpy as np
import onnx.utils
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder
from ranking.standardisation import Standardisation
from serving.bundle import (
    BaseRankerStage,
    Bundle,
    Features,
    GateStage,
    GoldenRequests,
    LabellerStage,
    Manifest,
    RateTarget,
    Seq2SlateStage,
    TrainingDataSummary,
    open_bundle,
    write_bundle,
)
from serving.runtime import SlateQuery, SlateRanker
from tests.pointer_graphs import column, pointer_graph
from tests.serving.label_forests import hand_made_forest, write_forest

CONTEXT, ITEM = ("context_hour",), ("price", "quality", "age")
WIDTH = len(CONTEXT) + len(ITEM)
QUALITY = 2
STEPS, LIST_SIZE = 4, 6
IDENTITY = Standardisation(np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))


def make_bundle(
    root: Path,
    version="20240101T000000Z-00000000",
    kinds=("base_ranker", "gate", "seq2slate"),
    decoding="greedy",
    **changes,
):
    """Write a bundle with the stages `kinds` under `root` and open it; `changes` go into the manifest."""
    sources = root / f"sources-{version}"
    sources.mkdir(parents=True)
    stages, files = [], {}
    if "base_ranker" in kinds:
        files["base_ranker/model.txt"] = _base_ranker(sources / "model.txt")
        stages.append(BaseRankerStage(file="base_ranker/model.txt", trees=5))
    if "gate" in kinds:
        files["gate/model.onnx"] = _gate(sources / "gate.onnx")
        target = RateTarget(value=0.95, low=0.9, high=0.99)
        stages.append(GateStage(file="gate/model.onnx", threshold=-0.5, target=target))
    if "seq2slate" in kinds:
        files["seq2slate/model.onnx"] = _pointer(sources / "seq2slate.onnx")
        files["seq2slate/first_step.onnx"] = sources / "first_step.onnx"
        onnx.utils.extract_model(
            str(sources / "seq2slate.onnx"), str(sources / "first_step.onnx"), ["features", "mask"], ["first_logits"]
        )
        stages.append(
            Seq2SlateStage(
                file="seq2slate/model.onnx",
                first_step="seq2slate/first_step.onnx",
                slate_size=STEPS,
                max_list_size=LIST_SIZE,
                decoding=decoding,
            )
        )
    if "labeller" in kinds:
        files["labeller/model.npz"] = write_forest(sources / "labeller.npz", hand_made_forest())
        stages.append(LabellerStage(file="labeller/model.npz", labels=3, edges=2))
    manifest = Manifest(
        version=version,
        name="small",
        created="2024-01-01T00:00:00+00:00",
        features=Features(context=CONTEXT, item=ITEM),
        stages=tuple(stages),
        training_data=TrainingDataSummary(fingerprint="f", requests=1, rows=1),
        config_fingerprint="c",
        seed=0,
    ).model_copy(update=changes)
    draft = write_bundle(root / f"draft-{version}", manifest, files, golden_requests(None))
    ranker = SlateRanker(Bundle(draft, manifest))
    return open_bundle(write_bundle(root / "bundles", manifest, files, golden_requests(ranker)))


def golden_requests(ranker):
    """Two requests with the ranker's answers (or none)."""
    rng = np.random.default_rng(1)
    sizes = np.array([5, 8])
    golden = GoldenRequests(
        offsets=np.array([0, 5, 13]),
        item_ids=np.array([f"i{row}" for row in range(13)]),
        context=rng.normal(size=(2, 1)).astype(np.float32),
        features=rng.normal(size=(13, 3)).astype(np.float32),
        slate_sizes=np.array([3, 4]),
        slates=np.full((2, 4), -1),
        base_scores=np.zeros(13, np.float32),
    )
    if ranker is None:
        return golden
    answers = [ranker.rank(ranker.golden_query(golden, index)) for index in range(len(sizes))]
    for row, answer in enumerate(answers):
        golden.slates[row, : len(answer.order)] = answer.order
    golden.base_scores[:] = np.concatenate([answer.base_scores for answer in answers])
    if ranker.labeller is None:
        return golden
    labels = np.full((*golden.slates.shape, len(ranker.labeller.label_names)), -1)
    for row, answer in enumerate(answers):
        labels[row, : len(answer.order)] = answer.labels
    return dataclasses.replace(golden, labels=labels)


def make_query(candidates=8, seed=0, **changes):
    """A valid query; `changes` replace its fields."""
    rng = np.random.default_rng(seed)
    fields = {
        "request_id": f"q{seed}",
        "item_ids": tuple(f"i{row}" for row in range(candidates)),
        "context": rng.normal(size=1).astype(np.float32),
        "features": rng.normal(size=(candidates, 3)).astype(np.float32),
        "slate_size": min(4, candidates),
    }
    return SlateQuery(**{**fields, **changes})


def _base_ranker(path):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, WIDTH))
    labels = features[:, 1] - 0.5 * features[:, 2]
    parameters = {"objective": "regression", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 0}
    lightgbm.train(parameters, lightgbm.Dataset(features, labels), num_boost_round=5).save_model(path)
    return path


def _gate(path):
    graph = OnnxBuilder()
    weights = graph.constant(np.array([[0.0], [1.0], [0.0], [0.5]], np.float32), "weights")
    scores = graph.add("MatMul", graph.standardised("features", IDENTITY), weights)
    graph.rename(graph.add("Squeeze", scores, graph.ints(1)), "scores")
    inputs, outputs = [("features", TensorProto.FLOAT, ["items", WIDTH])], [("scores", TensorProto.FLOAT, ["items"])]
    path.write_bytes(graph.model("gate", inputs, outputs).SerializeToString())
    return path


def _pointer(path):
    """A pointer network without memory: each step draws from `softmax(quality)` of what remains."""
    return pointer_graph(path, WIDTH, STEPS, lambda graph, placed: column(graph, QUALITY, WIDTH))
