"""The base ranker: a LightGBM text model on one thread."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError


class BaseRanker:
    """Scores candidates with the LightGBM model in `path`.

    Raises:
        BundleError: LightGBM cannot read the model, or it reads another number of features.
    """

    def __init__(self, path: Path, feature_count: int) -> None:
        try:
            self._model = lightgbm.Booster(model_file=str(path))
        except lightgbm.basic.LightGBMError as error:
            raise BundleError(f"{path} is no LightGBM model: {error}; use another version") from None
        if self._model.num_feature() != feature_count:
            raise BundleError(
                f"{path} reads {self._model.num_feature()} features, the manifest names {feature_count}; "
                "use another version"
            )

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores float32 `[candidates]` of raw features float32 `[candidates, features]`."""
        return self._model.predict(matrix, num_threads=1).astype(np.float32)
