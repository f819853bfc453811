"""What a reward model predicts for logged choices and for a policy's own: the q-hat of DM and DR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError


@dataclass(frozen=True)
class RewardPredictions:
    """Predicted rewards of impressions, or of the positions of slates.

    They must come from a model that has not seen the rewards of the same request (`cross_fitted_rewards`,
    `cross_fitted_slate_rewards`); else the model's errors hide.

    Attributes:
        of_logged: float64 `[impressions]`, `qhat(x, a)` of the logged choice. For slates `[slates, positions]`:
            `Q_k`, the expected `alpha`-weighted reward of positions k to the last under the policy, given the
            logged items 1 to k.
        under_policy: float64 of the same shape, the mean of the prediction over the policy's own choice,
            `sum_a pi_e(a | x) qhat(x, a)`. For slates: over the choice at position k, given the logged items
            above it.

    Raises:
        DataError: the shapes differ or a value is not finite.
    """

    of_logged: NDArray[np.float64]
    under_policy: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.of_logged.shape != self.under_policy.shape:
            raise DataError(
                f"under_policy: shape {self.under_policy.shape} beside of_logged of shape {self.of_logged.shape}; "
                "give the same"
            )
        for name in ("of_logged", "under_policy"):
            finite = np.isfinite(getattr(self, name))
            if not finite.all():
                row = int(np.argwhere(~finite)[0][0])
                raise DataError(f"{name}: row {row} is not finite; give finite predictions, zeros outside the mask")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse predictions of another shape than the log's.

        Raises:
            DataError: `shape` is not theirs.
        """
        if self.of_logged.shape != shape:
            raise DataError(
                f"predictions: shape {self.of_logged.shape} for a log of shape {shape}; give one a logged choice"
            )
