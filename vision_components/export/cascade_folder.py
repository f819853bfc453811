"""A cascade as a folder that the service opens: `cascade.json`, a graph for every stage, golden images."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seriatim_errors import DataError
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export.stage import StageAnswers, export_stage
from vision_components.whole_folder import whole_folder

SCHEMA_VERSION = 1
CASCADE_FILE, GOLDEN_FILE = "cascade.json", "golden_images.npz"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


def export_cascade(
    cascade: Cascade, root: Path, version: str, class_names: Sequence[str], images: NDArray[np.uint8]
) -> Path:
    """Write a cascade to `root/<version>/`, complete or not at all.

    Every graph must say about the images what its Keras model says. Embeddings are exported where all models have one
    of the same width. See docs/images.md for the format.

    Args:
        cascade: a stage without a resolution reads images of the size given here.
        root: folder of cascades, made when absent.
        version: letters, digits, dots, hyphens and underscores.
        class_names: in the order of the logits.
        images: uint8 `[images, height, width, 3]`, a few typical ones, which every later reader of the cascade tests it
            with.

    Returns:
        The cascade's folder.

    Raises:
        DataError: the version exists or is no version, names do not fit the classes, there are no images, or a graph
            differs from its model. Nothing is left behind then.
    """
    folder = root / version
    _check(cascade, folder, version, class_names, images)
    with whole_folder(folder) as partial:
        width = _embedding_width(cascade)
        stages, answers = [], []
        for place, stage in enumerate(cascade.stages):
            size = stage.resolution or images.shape[1:3]
            name = f"stage_{place}.onnx"
            pixels = np.stack([_resized(image, size) for image in images])
            answers.append(export_stage(stage, partial / name, pixels, width > 0))
            stages.append(_described(stage, name, size, [*cascade.thresholds, None][place]))
        _write_golden(partial / GOLDEN_FILE, images, answers)
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "version": version,
            "class_names": list(class_names),
            "confidence": cascade.confidence,
            "combine": cascade.combine,
            "embedding_width": width,
            "stages": stages,
            "files": {path.name: _entry(path) for path in sorted(partial.iterdir())},
        }
        (partial / CASCADE_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return folder


def _check(cascade: Cascade, folder: Path, version: str, class_names: Sequence[str], images: NDArray[np.uint8]) -> None:
    if not VERSION.fullmatch(version):
        raise DataError(f"version {version!r}; give letters, digits, dots, hyphens and underscores")
    if folder.exists():
        raise DataError(f"cascade {folder} exists already; cascades are never overwritten, use another version")
    if len(class_names) != cascade.classes or len(set(class_names)) != len(class_names):
        raise DataError(f"class_names {list(class_names)} of {cascade.classes} classes; name each once")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) == 0:
        raise DataError(f"images {images.dtype} {list(images.shape)}; give uint8 [images, height, width, 3], 1 or more")


def _described(stage: CascadeStage, name: str, size: tuple[int, ...], threshold: float | None) -> Mapping[str, Any]:
    height, width = (int(side) for side in size)
    cost = stage.multiply_adds((height, width, 3))
    return {"file": name, "threshold": threshold, "cost": cost, "input_size": {"height": height, "width": width}}


def _resized(image: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """As a service resizes: bilinear, with antialiasing, on whole numbers."""
    if image.shape[:2] == tuple(size):
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _write_golden(path: Path, images: NDArray[np.uint8], answers: Sequence[StageAnswers]) -> None:
    np.savez(
        path,
        images=images,
        probabilities=np.stack([one.probabilities for one in answers], axis=1),
        embeddings=np.stack([one.embeddings for one in answers], axis=1),
    )


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _embedding_width(cascade: Cascade) -> int:
    """The one width of all models' embeddings, or 0."""
    widths = {
        int(model.output["embedding"].shape[-1])
        if isinstance(model.output, Mapping) and "embedding" in model.output
        else 0
        for model in cascade.models
    }
    return widths.pop() if len(widths) == 1 else 0
