"""ONNX Runtime sessions as every stage uses them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from seriatim_errors import BundleError


def open_session(
    path: Path,
    inputs: Collection[str],
    outputs: Collection[str],
    providers: Sequence[str | tuple[str, dict[str, Any]]] = ("CPUExecutionProvider",),
) -> onnxruntime.InferenceSession:
    """A session on one thread: more threads gave no better median and a far worse tail.

    Args:
        path: the ONNX graph.
        inputs, outputs: names that its inputs and outputs must have.
        providers: what it runs on, in order of preference, each with its options or without.

    Raises:
        BundleError: ONNX Runtime cannot load the graph, or its inputs or outputs have other names.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:
        raise BundleError(f"{path} cannot be loaded by ONNX Runtime: {error}; use another version") from None
    for kind, entries, expected in (
        ("inputs", session.get_inputs(), inputs),
        ("outputs", session.get_outputs(), outputs),
    ):
        names = {entry.name for entry in entries}
        if names != set(expected):
            raise BundleError(
                f"{path} has the {kind} {sorted(names)}, expected {sorted(expected)}; use another version"
            )
    return session


def input_axis(session: onnxruntime.InferenceSession, name: str, axis: int) -> int:
    """Size of a fixed axis of the input `name`."""
    return next(entry.shape[axis] for entry in session.get_inputs() if entry.name == name)
