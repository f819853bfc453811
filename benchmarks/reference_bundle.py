"""The reference bundle of the serving benchmarks: 136 features, 300 trees, LSTM 128, slates of 10.

`python -m benchmarks.reference_bundle FOLDER` makes it; that process loads TensorFlow, the benchmark does not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import lightgbm
import numpy as np

from ranking.base_rankers.onnx_trees import export_trees_onnx
from ranking.rate_constraints.export import export_gate_onnx, export_gate_saved_model
from ranking.rate_constraints.gate import GatePromise, GateSettings, TrainedGate
from ranking.rate_constraints.scorer import Scorer
from ranking.seq2slate.export import export_first_step, export_onnx, export_saved_model
from ranking.seq2slate.model import Seq2Slate
from ranking.standardisation import Standardisation
from serving.bundle import (
    BaseRankerStage,
    Features,
    GateStage,
    GoldenRequests,
    Manifest,
    RateTarget,
    Seq2SlateStage,
    TrainingDataSummary,
    write_bundle,
)

FEATURES, TREES, HIDDEN, STEPS, CANDIDATES = 136, 300, 128, 10, 100


def main(root: Path) -> None:
    """Write the bundle under `root`: the sizes are what matters, the weights are random."""
    rng = np.random.default_rng(0)
    standardisation = Standardisation(np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        features = rng.normal(size=(4000, FEATURES))
        labels = features[:, :8].sum(axis=1) + rng.normal(size=4000)
        parameters = {"objective": "regression", "num_leaves": 15, "verbosity": -1, "seed": 0}
        data = lightgbm.Dataset(features, labels)
        lightgbm.train(parameters, data, num_boost_round=TREES).save_model(folder / "model.txt")
        export_trees_onnx((folder / "model.txt").read_text(), folder / "trees.onnx")
        scorer = Scorer(FEATURES, (), 0)
        gate = TrainedGate(scorer, -1e9, GatePromise(0.95, 0.9, 1.0, 1), [], GateSettings())
        export_gate_onnx(gate, standardisation, folder / "gate.onnx")
        seq2slate = Seq2Slate(FEATURES, HIDDEN)
        export_onnx(seq2slate, standardisation, STEPS, folder / "seq2slate.onnx")
        export_first_step(folder / "seq2slate.onnx", folder / "first_step.onnx")
        export_gate_saved_model(gate, standardisation, folder / "saved_gate")
        export_saved_model(seq2slate, standardisation, STEPS, folder / "saved_seq2slate")
        manifest = Manifest(
            version="20240101T000000Z-reference",
            name="reference",
            created="2024-01-01T00:00:00+00:00",
            features=Features(item=tuple(f"feature_{index}" for index in range(FEATURES))),
            stages=(
                BaseRankerStage(file="base_ranker/model.onnx", trees=TREES),
                GateStage(file="gate/model.onnx", threshold=-1e9, target=RateTarget(value=0.95, low=0.9, high=1.0)),
                Seq2SlateStage(
                    file="seq2slate/model.onnx",
                    first_step="seq2slate/first_step.onnx",
                    slate_size=STEPS,
                    max_list_size=CANDIDATES,
                ),
            ),
            training_data=TrainingDataSummary(fingerprint="none", requests=0, rows=0),
            config_fingerprint="none",
            seed=0,
        )
        files = {
            "base_ranker/model.txt": folder / "model.txt",
            "base_ranker/model.onnx": folder / "trees.onnx",
            "seq2slate/first_step.onnx": folder / "first_step.onnx",
            "gate/model.onnx": folder / "gate.onnx",
            "saved_model/gate": folder / "saved_gate",
            "saved_model/seq2slate": folder / "saved_seq2slate",
            "seq2slate/model.onnx": folder / "seq2slate.onnx",
        }
        none = np.zeros(0, np.int64)
        empty = GoldenRequests(
            np.zeros(1, np.int64), np.array([], str), np.zeros((0, 0), np.float32),
            np.zeros((0, FEATURES), np.float32), none, np.zeros((0, STEPS), np.int64), np.zeros(0, np.float32),
        )  # fmt: skip
        write_bundle(root, manifest, files, empty)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
