"""The base ranker: boosted trees on one thread, as an ONNX graph or as a LightGBM text model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.runtime.sessions import input_axis, open_session

if TYPE_CHECKING:
    import lightgbm

Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class BaseRanker:
    """Scores candidates with the trees in `path`: `.onnx`, or else a LightGBM text model.

    The graph takes the same branches in less than half the time. LightGBM is loaded only for a text model.

    Raises:
        BundleError: the file holds no such model, or the model reads another number of features.
    """

    def __init__(self, path: Path, feature_count: int) -> None:
        self._score, reads = _graph(path) if path.suffix == ".onnx" else _text_model(path)
        if reads != feature_count:
            raise BundleError(f"{path} reads {reads} features, the manifest names {feature_count}; use another version")

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores float32 `[candidates]` of raw features float32 `[candidates, features]`."""
        return self._score(matrix)


def load_text_model(path: Path) -> lightgbm.Booster:
    """The LightGBM text model in `path`.

    Raises:
        BundleError: the file holds no such model.
    """
    import lightgbm

    try:
        return lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise BundleError(f"{path} is no LightGBM model: {error}; use another version") from None


def _graph(path: Path) -> tuple[Score, int]:
    session = open_session(path, ("features",), ("scores",))
    return lambda matrix: session.run(["scores"], {"features": matrix})[0], input_axis(session, "features", 1)


def _text_model(path: Path) -> tuple[Score, int]:
    model = load_text_model(path)
    return lambda matrix: model.predict(matrix, num_threads=1).astype(np.float32), model.num_feature()
