"""The gate: drops candidates under the threshold that holds the promised rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.runtime.sessions import input_axis, open_session


class Gate:
    """Scores candidates with the ONNX graph in `path` and compares with `threshold`.

    Raises:
        BundleError: ONNX Runtime cannot load the graph, or it is not a gate's.
    """

    def __init__(self, path: Path, threshold: float) -> None:
        self._session = open_session(path, ("features",), ("scores",))
        self.feature_count = input_axis(self._session, "features", 1)
        self.threshold = np.float32(threshold)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores float32 `[candidates]` of raw features float32 `[candidates, features]`."""
        return self._session.run(["scores"], {"features": matrix})[0]

    def passes(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which scores pass, bool `[candidates]`."""
        return scores >= self.threshold
