"""Export the gate's scorer: ONNX for our service, SavedModel for TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder
from ranking.rate_constraints.gate import TrainedGate
from ranking.repeatable_saved_model import save_repeatably
from ranking.standardisation import Standardisation
from seriatim_errors import TrainingError

SCORE_TOLERANCE = 1e-4


def export_gate_onnx(gate: TrainedGate, standardisation: Standardisation, path: Path) -> None:
    """Write the scorer over raw features: `features` f32 `[items, features]` to `scores` f32 `[items]`.

    Raises:
        TrainingError: ONNX Runtime's scores differ from the scorer's by more than 1e-4 of their spread.
    """
    graph = OnnxBuilder()
    hidden = graph.standardised("features", standardisation)
    kernels = [kernel.numpy() for kernel in gate.scorer.kernels]
    for index, bias in enumerate(gate.scorer.biases):
        product = graph.add("MatMul", hidden, graph.constant(kernels[index], f"kernel_{index}"))
        hidden = graph.add("Relu", graph.add("Add", product, graph.constant(bias.numpy(), f"bias_{index}")))
    scores = graph.add("MatMul", hidden, graph.constant(kernels[-1], "kernel_out"))
    graph.rename(graph.add("Squeeze", scores, graph.ints(1)), "scores")
    width = kernels[0].shape[0]
    proto = graph.model(
        "gate",
        [("features", TensorProto.FLOAT, ["items", width])],
        [("scores", TensorProto.FLOAT, ["items"])],
    ).SerializeToString()
    standard = np.random.default_rng(0).normal(size=(64, width))
    features = (standard * standardisation.scale + standardisation.mean).astype(np.float32)
    session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
    expected = gate.scorer.score(standardisation.apply(features))
    difference = np.abs(session.run(["scores"], {"features": features})[0] - expected).max()
    if difference > SCORE_TOLERANCE * max(1.0, float(expected.std())):
        raise TrainingError(f"gate export: ONNX scores differ from the scorer's by {difference:.2e}")
    path.write_bytes(proto)


def export_gate_saved_model(gate: TrainedGate, standardisation: Standardisation, folder: Path) -> None:
    """Write a SavedModel whose serving signature maps raw `features` to `scores` and `passes`."""
    scorer, threshold = gate.scorer, gate.threshold

    class Served(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scorer = scorer

        @tf.function
        def serve(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
            scores = self.scorer(standardisation.apply_tensor(features))
            return {"scores": scores, "passes": scores >= threshold}

    served = Served()
    signature = served.serve.get_concrete_function(
        tf.TensorSpec([None, scorer.kernels[0].shape[0]], tf.float32, name="features")
    )
    save_repeatably(served, signature, folder)
