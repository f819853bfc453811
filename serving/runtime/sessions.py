"""ONNX Runtime sessions as every stage uses them."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from seriatim_errors import BundleError


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on one thread: more threads gave no better median and a far worse tail.

    Raises:
        BundleError: ONNX Runtime cannot load the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"{path} cannot be loaded by ONNX Runtime: {error}; use another version") from None
