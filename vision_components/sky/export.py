"""A trained sky network as a folder: an ONNX graph for inference, the Keras model for more training, what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.export.stage import TOLERANCE, convert
from vision_components.multiply_adds import count_macs
from vision_components.sky.network import GRAPH, MANIFEST, MODEL, OUTPUT, SCHEMA_VERSION, load_network
from vision_components.sky.segmentation import keras_network
from vision_components.whole_folder import whole_folder


def export_network(
    model: tf.keras.Model, folder: Path, photos: NDArray[np.uint8], training: Mapping[str, Any] | None = None
) -> Path:
    """Write `sky.onnx`, `sky.keras` and `sky.json` to a new folder, complete or not at all.

    Args:
        model: as `unet` makes it, of any widths.
        folder: must not exist yet.
        photos: uint8 `[n, side, side, 3]`, some typical ones, about which the graph must say what the model says.
        training: numbers and words about the training, kept in `sky.json`.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists, the model cannot be converted, or the graph says something else than the model.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; name a new folder")
    with whole_folder(folder) as partial:
        shape = tuple(model.input_shape[1:])

        def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {OUTPUT: tf.identity(model(tf.cast(images, tf.float32), training=False)[..., 0], name=OUTPUT)}

        convert(answer, shape, partial / GRAPH, model.name)
        model.save(partial / MODEL)
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "sha256": hashlib.sha256((partial / GRAPH).read_bytes()).hexdigest(),
            "side": shape[0],
            "multiply_adds": count_macs(model),
            "training": dict(training or {}),
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _compare(model, partial, photos)
    return folder


def _compare(model: tf.keras.Model, folder: Path, photos: NDArray[np.uint8]) -> None:
    exported = load_network(folder)
    said = keras_network(model).probabilities(photos)
    # One alone and the rest: a graph may have kept the number of images.
    found = np.concatenate([exported.probabilities(part) for part in (photos[:1], photos[1:]) if len(part)])
    off = float(np.abs(found - said).max())
    # Not "off > TOLERANCE": nothing compares as greater where a value is not a number.
    if not off <= TOLERANCE:
        raise DataError(f"{model.name}: probabilities differ by {off:.1e} between ONNX Runtime and Keras")
