"""What was chosen among which actions, with what is known about them: the input of a reward model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError


@dataclass(frozen=True)
class LoggedChoices:
    """The action, position and features of every impression, the actions being the same in all of them.

    Attributes:
        actions: int64 `[impressions]` in [0, action_count), the chosen action.
        action_count: number of actions, >= 1.
        positions: int64 `[impressions]`, 1-based; all 1 where there is one place only.
        context_features: float64 `[impressions, features]`, what is known whatever is chosen; may have no columns.
        action_features: float64 `[actions, features]`; may have no columns.
        pair_features: float64 `[impressions, actions]`, one number that a context and an action share, such as
            an affinity; None: there is none.

    Raises:
        DataError: sizes differ, an index is out of range or a feature is not finite.
    """

    actions: NDArray[np.int64]
    action_count: int
    positions: NDArray[np.int64]
    context_features: NDArray[np.float64]
    action_features: NDArray[np.float64]
    pair_features: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        rows = len(self.actions)
        expected = {"positions": rows, "context_features": rows, "action_features": self.action_count}
        for name, length in expected.items():
            if len(getattr(self, name)) != length:
                raise DataError(f"{name}: {len(getattr(self, name))} rows, expected {length}; give one each")
        if self.pair_features is not None and self.pair_features.shape != (rows, self.action_count):
            raise DataError(
                f"pair_features: shape {self.pair_features.shape}; give one number an impression and action, "
                f"{(rows, self.action_count)}"
            )
        if rows and not (self.actions.min() >= 0 and self.actions.max() < self.action_count):
            raise DataError(f"actions: {self.actions.min()} to {self.actions.max()}; give 0 to {self.action_count - 1}")
        if rows and self.positions.min() < 1:
            raise DataError(f"positions: {self.positions.min()}; positions count from 1")
        for name in ("context_features", "action_features", "pair_features"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                row = int(np.argwhere(~np.isfinite(value))[0][0])
                raise DataError(f"{name}: row {row} holds a value that is not finite; replace or drop it")

    def __len__(self) -> int:
        """Number of impressions."""
        return len(self.actions)

    def design(self, rows: NDArray[np.int64], actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Features of `actions` (int `[rows]`) chosen on `rows`, float64 `[rows, columns]`.

        Columns: context, action, one an action, one a position, and the pair's number where there is one.
        """
        positions = int(self.positions.max(initial=1))
        parts = [
            self.context_features[rows],
            self.action_features[actions],
            np.eye(self.action_count)[actions],
            np.eye(positions)[self.positions[rows] - 1],
        ]
        if self.pair_features is not None:
            parts.append(self.pair_features[rows, actions][:, None])
        return np.concatenate(parts, axis=1)
