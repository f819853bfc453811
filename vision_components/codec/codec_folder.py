"""A codec as a folder: networks, tables, and a description with checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec.codec import Codec, EntropyModel
from vision_components.codec.design import CodecDesign
from vision_components.codec.onnx_decoder import export_decoder, onnx_decoder
from vision_components.whole_folder import whole_folder

SCHEMA_VERSION = 1
DESCRIPTION, TABLES, DECODER_GRAPH = "codec.json", "tables.npz", "decoder.onnx"
NETWORKS = ("analysis", "hyper_analysis", "synthesis")
Synthesis = Literal["keras", "onnx"]


def save_codec(codec: Codec, folder: Path, with_graph: bool = True) -> Path:
    """Write a codec to a folder that does not exist yet, complete or not at all.

    Args:
        codec: with its networks.
        folder: to make.
        with_graph: also write the synthesis as an ONNX graph, held to Keras.

    Raises:
        DataError: the folder exists, or the graph says something else than Keras.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; a codec is never overwritten, give another folder")
    with whole_folder(folder) as partial:
        for name in NETWORKS:
            getattr(codec, name).save(partial / f"{name}.keras")
        np.savez(partial / TABLES, **codec.entropy.arrays())
        if with_graph:
            export_decoder(codec.synthesis, partial / DECODER_GRAPH)
        description = {
            "schema_version": SCHEMA_VERSION,
            "coder_id": codec.coder_id.hex(),
            "design": codec.design.as_json(),
            "training": codec.training,
            "files": {path.name: _sha256(path) for path in sorted(partial.iterdir())},
        }
        (partial / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return folder


def load_codec(folder: Path, synthesis: Synthesis = "keras") -> Codec:
    """The codec that `save_codec` wrote.

    Args:
        folder: of the codec.
        synthesis: what draws decoded pictures: the Keras network, or the ONNX graph in ONNX Runtime.

    Raises:
        DataError: the folder is no codec, incomplete, damaged, of another schema version or without a graph.
    """
    description = _read(folder / DESCRIPTION)
    for name, expected in description["files"].items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise DataError(f"{path} is missing; copy the whole folder of the codec")
        if _sha256(path) != expected:
            raise DataError(f"{path} has another checksum than {DESCRIPTION} says; copy the codec again")
    draw: Callable[[Any], Any] | None = None
    if synthesis == "onnx":
        if DECODER_GRAPH not in description["files"]:
            raise DataError(f"{folder} holds no {DECODER_GRAPH}; save the codec with its graph, or decode with Keras")
        draw = onnx_decoder(folder / DECODER_GRAPH)
    missing = {*(f"{name}.keras" for name in NETWORKS), TABLES} - set(description["files"])
    if missing:
        raise DataError(f"{folder / DESCRIPTION} names no {', '.join(sorted(missing))}; it is no codec, save it again")
    analysis, hyper_analysis, drawing = [
        tf.keras.models.load_model(folder / f"{name}.keras", compile=False) for name in NETWORKS
    ]
    with np.load(folder / TABLES) as stored:
        arrays: dict[str, NDArray[Any]] = dict(stored)
    try:
        design = CodecDesign(**description["design"])
    except TypeError as error:
        raise DataError(f"{folder / DESCRIPTION}: the design does not fit this version: {error}") from error
    entropy = EntropyModel.from_arrays(arrays)
    codec = Codec(design, analysis, hyper_analysis, drawing, entropy, description["training"], draw)
    if codec.coder_id.hex() != description["coder_id"]:
        raise DataError(f"{folder} is codec {codec.coder_id.hex()} and calls itself {description['coder_id']}")
    return codec


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path} is missing; give the folder of a codec, as `seriatim vision train-codec` writes it")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    version = description.get("schema_version") if isinstance(description, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(f"{path} has schema_version {version!r}, this reads {SCHEMA_VERSION}; train the codec again")
    wanted = {"coder_id": str, "design": dict, "training": dict, "files": dict}
    wrong = [key for key, kind in wanted.items() if not isinstance(description.get(key), kind)]
    if wrong:
        raise DataError(f"{path} lacks {', '.join(wrong)}; copy the codec again")
    return description


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
