"""Export a trained seq2slate: ONNX for our service, SavedModel for TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.utils
import onnxruntime
import tensorflow as tf

from ranking.repeatable_saved_model import save_repeatably
from ranking.seq2slate.checked_inputs import check_decoding, check_weights
from ranking.seq2slate.decoding import decode, greedy_choice
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.onnx_graph import build_onnx
from ranking.standardisation import Standardisation
from seriatim_errors import DataError, TrainingError

LOGIT_TOLERANCE = 1e-4
PARITY_LIST_SIZES = (1, 7, 16)


def export_onnx(model: Seq2Slate, standardisation: Standardisation, steps: int, path: Path) -> None:
    """Write the graph of `build_onnx` to `path` after checking that it decides as the model does.

    Raises:
        ConfigError: `steps` is below 1.
        DataError: the standardisation has another number of columns than the model.
        TrainingError: a weight is not finite, ONNX Runtime's logits differ from the model's by more than 1e-4, or
            a slate differs where no near-tie explains it.
    """
    _check_exportable(model, standardisation, steps)
    proto = build_onnx(model, standardisation, steps)
    _check_parity(model, standardisation, steps, proto.SerializeToString())
    path.write_bytes(proto.SerializeToString())


def export_first_step(full: Path, path: Path) -> None:
    """Write the part of `export_onnx`'s graph in `full` that gives `first_logits` from `features` and `mask`."""
    onnx.utils.extract_model(str(full), str(path), ["features", "mask"], ["first_logits"])


def export_saved_model(model: Seq2Slate, standardisation: Standardisation, steps: int, folder: Path) -> None:
    """Write a SavedModel whose serving signature maps raw `features` and `mask` to greedy slates.

    Padding may hold anything.

    Raises:
        ConfigError, DataError, TrainingError: as `export_onnx`, but for the comparison.
    """
    _check_exportable(model, standardisation, steps)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, model.feature_count], tf.float32, name="features"),
            tf.TensorSpec([None, None], tf.bool, name="mask"),
        ],
        autograph=False,
    )
    def serve(features: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        present = tf.where(mask[:, :, tf.newaxis], features, tf.zeros_like(features))
        decoded = decode(model, standardisation.apply_tensor(present), mask, steps, greedy_choice())
        return {
            "order": decoded.order,
            "log_probabilities": decoded.log_probabilities,
            "first_logits": decoded.logits[:, 0],
        }

    # Only the variables are handed over: saving the Keras layers would trace each of them again, for seconds.
    served = tf.Module()
    served.model_variables = model.trainable_variables
    save_repeatably(served, serve.get_concrete_function(), folder)


def _check_exportable(model: Seq2Slate, standardisation: Standardisation, steps: int) -> None:
    check_decoding(steps=steps)
    check_weights(model)
    if len(standardisation.mean) != model.feature_count:
        raise DataError(
            f"standardisation: {len(standardisation.mean)} columns for a model of {model.feature_count} features; "
            "give the one that the model was trained with"
        )


def _check_parity(model: Seq2Slate, standardisation: Standardisation, steps: int, graph: bytes) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    width = max(PARITY_LIST_SIZES)
    mask = np.arange(width)[None, :] < np.array(PARITY_LIST_SIZES)[:, None]
    standard = np.random.default_rng(0).normal(size=(*mask.shape, model.feature_count))
    features = (standard * standardisation.scale + standardisation.mean).astype(np.float32)
    order, _, first = session.run(
        ["order", "log_probabilities", "first_logits"],
        {
            "features": features,
            "mask": mask,
            "noise": np.zeros((len(mask), steps, width), np.float32),
            "temperature": np.array(1, np.float32),
        },
    )
    decoded = decode(model, tf.constant(standardisation.apply(features)), tf.constant(mask), steps, greedy_choice())
    difference = np.abs(np.where(mask, first - decoded.logits[:, 0].numpy(), 0)).max()
    if not difference <= LOGIT_TOLERANCE:
        raise TrainingError(f"seq2slate export: ONNX logits differ from the model's by {difference:.2e}")
    expected = decoded.order.numpy()
    top_two = -np.sort(-decoded.logits.numpy(), axis=2)[:, :, :2]
    near_tie = (expected >= 0) & (top_two[:, :, 0] - top_two[:, :, -1] <= LOGIT_TOLERANCE)
    # From a near-tie on two correct graphs may part; up to it they must agree.
    comparable = ~np.logical_or.accumulate(near_tie, axis=1)
    if ((order != expected) & comparable).any():
        raise TrainingError("seq2slate export: the ONNX graph builds other slates than the model")
