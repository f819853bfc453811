"""What a log of whole slates must hold before another policy can be judged on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from seriatim_errors import DataError


@dataclass(frozen=True)
class LoggedSlates:
    """Slates with a reward at every position and the logging policy's probabilities.

    Slates of unlike length stand in one array; what lies outside `mask` is never read.

    Attributes:
        rewards: float64 `[slates, positions]`, finite within the mask, for instance clicks.
        mask: bool `[slates, positions]`, true where an item was logged.
        request_index: int64 `[slates]`, equal for slates of one request: those are drawn together in a bootstrap.
        step_propensities: float64 `[slates, positions]` in (0, 1], the probability of the item given the items
            above it, `pi_b(a_k | x, a_<k)`; None where the log holds none.
        marginal_propensities: float64 `[slates, positions]` in (0, 1], the probability of the item at this
            position whatever stands elsewhere, `pi_b(a_k at k | x)`; None where the log holds none.
        position_weights: float64 `[positions]`, finite, >= 0 and not all 0: what a reward at a position counts
            for (alpha), see `discounts`; None: 1 everywhere.

    Raises:
        DataError: shapes differ, a reward is not finite, a propensity leaves (0, 1] or a weight is out of range.
    """

    rewards: NDArray[np.float64]
    mask: NDArray[np.bool_]
    request_index: NDArray[np.int64]
    step_propensities: NDArray[np.float64] | None = None
    marginal_propensities: NDArray[np.float64] | None = None
    position_weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.rewards.ndim != 2:
            raise DataError(f"rewards: shape {self.rewards.shape}; give one row a slate and one column a position")
        for name in ("mask", "step_propensities", "marginal_propensities"):
            value = getattr(self, name)
            if value is not None and value.shape != self.rewards.shape:
                raise DataError(f"{name}: shape {value.shape} for rewards of shape {self.rewards.shape}; give the same")
        if self.mask.dtype != bool:
            raise DataError(f"mask: values of type {self.mask.dtype}; give booleans, true where an item was logged")
        slates, positions = self.rewards.shape
        if self.request_index.shape != (slates,):
            raise DataError(f"request_index: shape {self.request_index.shape} for {slates} slates; give one each")
        self._refuse("rewards", ~np.isfinite(self.rewards), "give finite rewards")
        for name in ("step_propensities", "marginal_propensities"):
            value = getattr(self, name)
            if value is not None:
                way_out = "what was shown had a probability above 0 and at most 1, so correct the log or drop the slate"
                self._refuse(name, ~((value > 0) & (value <= 1)), way_out)
        weights = self.alpha
        if weights.shape != (positions,) or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise DataError(
                f"position_weights: {self.position_weights}; give {positions} finite weights of at least 0, one above"
            )

    def _refuse(self, name: str, wrong: NDArray[np.bool_], way_out: str) -> None:
        """Name the first value of field `name` that is wrong within the mask."""
        cells = np.argwhere(wrong & self.mask)
        if len(cells):
            slate, position = (int(index) for index in cells[0])
            value = getattr(self, name)[slate, position]
            raise DataError(f"{name}: slate {slate}, position {position + 1} has {value}; {way_out}")

    def __len__(self) -> int:
        """Number of slates."""
        return len(self.rewards)

    @classmethod
    def from_lists(
        cls, lists: RankingLists, slate_size: int | None = None, position_weights: NDArray[np.float64] | None = None
    ) -> LoggedSlates:
        """Each list as a slate by its logged positions (without them, in its order), with clicks for rewards.

        The lists' propensities are taken as step propensities, which is what a Plackett-Luce or seq2slate logger
        writes.

        Args:
            lists: with clicks.
            slate_size: positions >= 1 that count; None: all of the longest list.
            position_weights: see the class, `[slate_size]`.

        Raises:
            DataError: the lists hold no clicks, or no item.
        """
        if lists.clicks is None:
            raise DataError("clicks: the lists hold none; off-policy evaluation needs a log with clicks")
        width = int(lists.list_sizes.max(initial=0)) if slate_size is None else slate_size
        if width < 1:
            raise DataError(f"slate_size: {width}; give lists with items and at least 1 position")
        placed = lists if lists.positions is None else lists.reordered(-lists.positions.astype(np.float64))
        mask = np.arange(width) < placed.list_sizes[:, None]
        rows = (placed.offsets[:-1, None] + np.arange(width))[mask]

        def spread(values: NDArray[np.floating] | None) -> NDArray[np.float64] | None:
            if values is None:
                return None
            found = np.zeros(mask.shape)
            found[mask] = values[rows]
            return found

        rewards = spread(placed.clicks)
        assert rewards is not None
        return cls(rewards, mask, np.arange(len(lists)), spread(placed.propensities), position_weights=position_weights)

    @property
    def alpha(self) -> NDArray[np.float64]:
        """What a reward at each position counts for, float64 `[positions]`."""
        if self.position_weights is None:
            return np.ones(self.rewards.shape[1])
        return np.asarray(self.position_weights, np.float64)

    @property
    def weighted_rewards(self) -> NDArray[np.float64]:
        """`alpha_k * r_k`, float64 `[slates, positions]`, zero outside the mask."""
        return self.alpha * np.where(self.mask, self.rewards, 0.0)

    def check_unbroken(self, estimator: str) -> None:
        """Refuse slates that lack an item above one they have.

        Raises:
            DataError: there is such a slate.
        """
        broken = (~self.mask[:, :-1] & self.mask[:, 1:]).any(axis=1)
        if broken.any():
            raise DataError(
                f"mask: slate {int(np.argmax(broken))} has a gap above its last item; "
                f"{estimator} needs every item down to the last"
            )


def discounts(positions: int) -> NDArray[np.float64]:
    """Position weights `1 / log2(k + 1)` of the discounted cumulative gain, float64 `[positions]`, k from 1."""
    return 1.0 / np.log2(np.arange(2.0, positions + 2.0))
