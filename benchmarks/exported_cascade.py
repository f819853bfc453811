"""An exported cascade with nothing but numpy and ONNX Runtime, and Pillow where it is there.

For machines with a GPU that have no more than that, or PyTorch in place of an ONNX Runtime for GPUs. docs/images.md
describes the folder; the tests hold what is answered here against `vision_components.committees.route`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

try:
    from PIL import Image
except ModuleNotFoundError:
    Image = None

EXECUTION_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TORCH = "torch"
PROVIDERS = (*EXECUTION_PROVIDERS, TORCH)
# An exhaustive search would be made again for every batch size. Thresholds are set on float32.
OPTIONS = {"CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}}
NO_TORCH = "--provider torch: PyTorch or the package onnx is missing; install both, or give another provider"
WAY_OUT = "install onnxruntime-gpu and the CUDA libraries in place of onnxruntime, or give --provider cpu"
RESIZING = "nearest" if Image is None else "bilinear"
# A threshold that nothing reaches: a float32 softmax can be 1.
NEVER = 2.0
Rows = NDArray[np.int64]
Read = Callable[[int, Rows], NDArray[np.float32]]


class UnusableError(Exception):
    """What was asked for cannot be had here; the message says why, and the way out."""


@dataclass(frozen=True)
class Routing:
    """Which rows leave where: thresholds of all stages but the last, what is compared with them, what answers."""

    thresholds: tuple[float, ...]
    confidence: str
    combine: str


@dataclass(frozen=True)
class Answers:
    """Of a cascade: `probabilities` float32 `[rows, classes]`, `exit_stage` int64 and `confidence` float32 `[rows]`."""

    probabilities: NDArray[np.float32]
    exit_stage: NDArray[np.int64]
    confidence: NDArray[np.float32]


class Stages:
    """Stages of a cascade, with images in the sizes that they read.

    Args:
        sessions: of the stages; they have the methods of ONNX Runtime's.
        images: uint8 `[images, height, width, 3]`.
    """

    def __init__(self, sessions: Sequence[Any], images: NDArray[np.uint8]) -> None:
        self._sessions = sessions
        # All outputs, as a service asks for them.
        self._names = [[output.name for output in session.get_outputs()] for session in sessions]
        sizes = [tuple(session.get_inputs()[0].shape[1:3]) for session in sessions]
        made = {size: np.stack([resized(image, size) for image in images]) for size in set(sizes)}
        self._pixels = [made[size] for size in sizes]

    def read(self, stage: int, rows: Rows) -> NDArray[np.float32]:
        """Probabilities, float32 `[rows, classes]`; copies of the first row fill the batch up to a power of two."""
        filled = np.concatenate([rows, np.repeat(rows[:1], (1 << (len(rows) - 1).bit_length()) - len(rows))])
        names = self._names[stage]
        said = self._sessions[stage].run(names, {"images": self._pixels[stage][filled]})
        return said[names.index("probabilities")][: len(rows)]


def run_cascade(read: Read, batches: Sequence[Rows], routing: Routing) -> Answers:
    """Send batches through a cascade: the first stage reads each, a later one the rows of all of them that go on.

    Args:
        read: a stage's probabilities, float32 `[rows, classes]`, of one row or more.
        batches: int64 `[rows]` each. One makes the plain cascade; several share the batches of the later stages.
        routing: a row leaves at the first stage of which the confidence is at least the threshold.

    Returns:
        In the order of the batches' rows.
    """
    rows = np.concatenate(batches)
    totals = own = np.concatenate([read(0, batch) for batch in batches])
    coming = np.arange(len(rows))
    answers = Answers(np.empty_like(own), np.zeros(len(rows), np.int64), np.empty(len(rows), np.float32))
    for stage, threshold in enumerate([*routing.thresholds, None]):
        if stage:
            own = read(stage, rows[coming])
            totals = totals + own
        answer = totals / np.float32(stage + 1) if routing.combine == "mean" else own
        sure = confidence_of(answer, routing.confidence)
        answers.probabilities[coming], answers.exit_stage[coming], answers.confidence[coming] = answer, stage, sure
        goes_on = np.zeros(len(sure), bool) if threshold is None else ~(sure >= np.float32(threshold))
        if not goes_on.any():
            break
        coming, totals = coming[goes_on], totals[goes_on]
    return answers


def confidence_of(probabilities: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """How sure each row is: float32 `[rows]`, 0 to 1, of float32 `[rows, classes]`; docs/images.md lists the kinds."""
    if kind == "max_probability":
        confidence = probabilities.max(axis=1)
    elif kind == "margin":
        ordered = np.partition(probabilities, -2, axis=1)
        confidence = ordered[:, -1] - ordered[:, -2]
    elif kind == "entropy":
        rows = probabilities.astype(np.float64)
        logarithms = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
        confidence = 1 + (rows * logarithms).sum(axis=1) / np.log(rows.shape[1])
    else:
        raise UnusableError(f"confidence {kind!r} is unknown; docs/images.md lists the kinds")
    return np.clip(confidence, 0, 1).astype(np.float32)


def read_manifest(folder: Path) -> tuple[dict[str, Any], Routing]:
    """`cascade.json`, and how it routes rows.

    Raises:
        UnusableError: it is missing, or is none.
    """
    try:
        manifest = json.loads((folder / "cascade.json").read_text(encoding="utf-8"))
        thresholds = tuple(float(stage["threshold"]) for stage in manifest["stages"][:-1])
        return manifest, Routing(thresholds, manifest["confidence"], manifest["combine"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableError(f"--cascade {folder}: {error!r}; docs/images.md says what the folder must hold") from None


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of an NPZ file.

    Raises:
        UnusableError: the file or an array is missing.
    """
    try:
        with np.load(path) as given:
            return [given[name] for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise UnusableError(f"{path}: {error}; give an NPZ file with {' and '.join(names)}") from None


def open_stage(path: Path, provider: str) -> Any:
    """A stage's session, with one thread on the CPU.

    Raises:
        UnusableError: the graph cannot be loaded, or not on this provider.
    """
    if provider == TORCH:
        return _in_torch(path)
    name, available = EXECUTION_PROVIDERS[provider], onnxruntime.get_available_providers()
    if name not in available:
        have = ", ".join(sorted(available))
        raise UnusableError(f"--provider {provider}: {name} is not there, ONNX Runtime has {have}; {WAY_OUT}")
    # Finds the CUDA libraries of NVIDIA's Python packages; older versions look on the library path only.
    if provider == "cuda" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    wanted = [(name, OPTIONS.get(name, {})), *(["CPUExecutionProvider"] if provider != "cpu" else [])]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=wanted, enable_fallback=0)
    except Exception as error:
        raise UnusableError(f"{path} cannot be loaded by ONNX Runtime on {provider}: {error}") from None
    # ONNX Runtime goes on without a provider whose libraries it cannot load.
    if name not in session.get_providers():
        have = ", ".join(session.get_providers())
        raise UnusableError(f"--provider {provider}: {name} cannot be loaded, only {have}; {WAY_OUT}")
    return session


def _in_torch(path: Path) -> Any:
    """On the GPU where PyTorch finds one."""
    try:
        import torch

        from benchmarks.torch_onnx import TorchGraph, UnknownOperatorError
    except ModuleNotFoundError:
        raise UnusableError(NO_TORCH) from None
    try:
        return TorchGraph(path, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    except UnknownOperatorError as error:
        raise UnusableError(str(error)) from None


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Of a height and width: as a service resizes where Pillow is there, otherwise the nearest pixels."""
    if image.shape[:2] == size:
        return image
    if Image is not None:
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    down, across = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, image.shape[:2], strict=True))
    return image[down.astype(np.int64)[:, np.newaxis], across.astype(np.int64)]
