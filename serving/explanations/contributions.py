"""What each feature adds to an item's base score: exact Shapley values of the trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.runtime.base_ranker import load_text_model


@dataclass(frozen=True)
class Contributions:
    """One item's base score, taken apart: `expected + values.sum()` is the score.

    Attributes:
        values: float64 `[features]`, what each feature's value adds, in the score's units.
        expected: the score without any feature: the trees' mean over the items they were trained on.
    """

    values: NDArray[np.float64]
    expected: float

    @property
    def score(self) -> float:
        """The item's raw score, as LightGBM gives it in double precision."""
        return self.expected + float(self.values.sum())

    def largest(self, count: int) -> NDArray[np.int64]:
        """Columns of the `count` contributions furthest from 0, the furthest first, without those that are 0."""
        order = np.argsort(-np.abs(self.values), kind="stable")[:count]
        return order[self.values[order] != 0]


class TreeContributions:
    """Contributions under the LightGBM text model in `path`.

    The game is that of path-dependent TreeSHAP: a tree that splits on a feature whose value is withheld goes both ways,
    in proportion to the training items that went each way. A contribution is the mean, over all orders in which the
    features could be told, of what this one's value changes. No feature that is in no tree gets any.

    Source: Lundberg and Lee 2017, arXiv 1705.07874; Lundberg et al. 2018, arXiv 1802.03888, algorithm 2. LightGBM
    computes it.

    Raises:
        BundleError: the file holds no LightGBM model, or one that reads another number of features.
    """

    def __init__(self, path: Path, feature_count: int) -> None:
        self._model = load_text_model(path)
        if self._model.num_feature() != feature_count:
            raise BundleError(
                f"{path} reads {self._model.num_feature()} features, the manifest names {feature_count}; "
                "use another version"
            )

    def of(self, matrix: NDArray[np.float32]) -> list[Contributions]:
        """Contributions of each row of raw features, float32 `[items, features]`."""
        table = np.asarray(self._model.predict(matrix, pred_contrib=True, num_threads=1), np.float64)
        return [Contributions(row[:-1], float(row[-1])) for row in table]
