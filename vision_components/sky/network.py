"""A trained sky network as the photo chain asks it, and the folder it is kept in. TensorFlow is not needed here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

SCHEMA_VERSION = 1
MANIFEST, GRAPH, MODEL = "sky.json", "sky.onnx", "sky.keras"
INPUT, OUTPUT = "images", "probability"


@dataclass(frozen=True)
class SkyNetwork:
    """What says how likely each pixel is sky.

    Attributes:
        side: height and width of the images that it reads.
        probabilities: from uint8 `[n, side, side, 3]` to float32 `[n, side, side]`, 0 to 1.
        version: tells networks apart.
    """

    side: int
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    version: str


def load_network(folder: Path, threads: int = 0) -> SkyNetwork:
    """The network in a folder that `export_network` wrote, run by ONNX Runtime on the processor.

    Args:
        folder: with `sky.json` and `sky.onnx`.
        threads: to run it on; 0 for as many as there are cores.

    Raises:
        DataError: the folder holds no such network, one of another schema version, or a damaged one.
    """
    import onnxruntime

    manifest = read_manifest(folder)
    path = folder / GRAPH
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); train the network again") from None
    if found != manifest.get("sha256"):
        raise DataError(f"{path} is not the file that {MANIFEST} describes; copy the whole folder again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise DataError(f"{path} cannot be opened by ONNX Runtime: {error}") from None

    def probabilities(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return session.run([OUTPUT], {INPUT: photos})[0]

    return SkyNetwork(int(session.get_inputs()[0].shape[1]), probabilities, str(found[:16]))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `sky.json` of a folder says.

    Raises:
        DataError: it is absent, no JSON object, or of another schema version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise DataError(f"{folder} holds no {MANIFEST}; name a folder that `seriatim vision train-sky` wrote") from None
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); copy the whole folder again") from None
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(f"{path} has schema version {version}, not {SCHEMA_VERSION}; train the network again")
    return manifest
