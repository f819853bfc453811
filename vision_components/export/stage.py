"""A stage of a cascade as an ONNX graph, held to what the Keras model says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.committees.members import CascadeStage, logits_of
from vision_components.multi_hashing.models import is_hashed, materialize

INPUT, PROBABILITIES, EMBEDDING = "images", "probabilities", "embedding"
OPSET = 15
# Logits of some ten layers agree to about 1e-5; probabilities more closely.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class StageAnswers:
    """What a stage's Keras model says about some images.

    Attributes:
        probabilities: float32 `[images, classes]`.
        embeddings: float32 `[images, width]`, of width 0 for a model without.
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def export_stage(stage: CascadeStage, path: Path, images: NDArray[np.uint8], with_embedding: bool) -> StageAnswers:
    """Write the graph `images` uint8 `[batch, height, width, 3]` to `probabilities` and, where wanted, `embedding`.

    Scaling of the pixels, temperature and softmax are inside; resizing is not. A hashed model is materialised first:
    the graph has the full size, since converting folds the product of U and V.

    Args:
        stage: its resolution is not used.
        path: of the file.
        images: in the size that the graph is to read; it must say about them what the model says.
        with_embedding: whether the graph answers with one.

    Returns:
        What the Keras model says about the images.

    Raises:
        DataError: the model has no embedding though one is wanted, or cannot be converted, or the graph says something
            else than the model.
    """
    model = materialize(stage.model) if is_hashed(stage.model) else stage.model

    def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        said = model(tf.cast(pixels, tf.float32), training=False)
        found = {PROBABILITIES: tf.nn.softmax(logits_of(said) / stage.temperature, name=PROBABILITIES)}
        if with_embedding:
            if not isinstance(said, Mapping) or EMBEDDING not in said:
                raise DataError(f"{model.name} has no embedding; build it with embedding_width, or export without")
            found[EMBEDDING] = tf.cast(said[EMBEDDING], tf.float32)
        return found

    said = answer(tf.constant(images))
    convert(answer, images.shape[1:], path, model.name)
    _compare(said, _run(path, images, list(said)), path, model.name)
    empty = np.empty((len(images), 0), np.float32)
    return StageAnswers(said[PROBABILITIES].numpy(), said[EMBEDDING].numpy() if with_embedding else empty)


def convert(answer: object, shape: tuple[int, ...], path: Path, name: str) -> None:
    """Write a function of `images` uint8 `[batch, *shape]`, which answers with a dictionary, as the graph at `path`.

    Args:
        answer: of TensorFlow operations; the dictionary's keys become the names of the outputs.
        shape: of one image.
        path: of the file.
        name: of what is converted, for messages.

    Raises:
        DataError: it cannot be converted.
    """
    # Takes seconds to import, which whoever trains need not wait for.
    import tf2onnx

    signature = [tf.TensorSpec((None, *shape), tf.uint8, name=INPUT)]
    function = tf.function(answer, input_signature=signature)
    try:
        tf2onnx.convert.from_function(function, signature, opset=OPSET, output_path=str(path))
        # The converter passes operations on that ONNX lacks; opening the graph finds them.
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name} cannot be converted to ONNX: {error}") from error


def _run(path: Path, images: NDArray[np.uint8], names: list[str]) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    # In batches of another size than the model's, and one alone: a graph may have kept the number of images.
    parts = [session.run(names, {INPUT: part}) for part in (images[:1], images[1:]) if len(part)]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def _compare(said: Mapping[str, tf.Tensor], found: Mapping[str, NDArray[np.float32]], path: Path, name: str) -> None:
    for output, expected in said.items():
        # An embedding has a scale of its own, which probabilities have not.
        allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
        off = float(np.abs(found[output] - expected.numpy()).max())
        # Not "off > allowed": nothing compares as greater where a value is not a number.
        if not off <= allowed:
            raise DataError(f"{path}: {output} of {name} differ by {off:.1e} between ONNX Runtime and Keras")
