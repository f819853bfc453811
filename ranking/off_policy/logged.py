"""What a log must hold before another policy can be judged on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from seriatim_errors import DataError


@dataclass(frozen=True)
class LoggedImpressions:
    """Impressions with their rewards and the logging policy's probability of having shown them.

    Attributes:
        rewards: float64 `[impressions]`, finite, for instance clicks.
        propensities: float64 `[impressions]` in (0, 1], or None where the log holds none.
        request_index: int64 `[impressions]`, equal for impressions of one request: those are drawn together
            in a bootstrap.

    Raises:
        DataError: the lengths differ, a reward is not finite or a propensity leaves (0, 1].
    """

    rewards: NDArray[np.float64]
    propensities: NDArray[np.float64] | None
    request_index: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.rewards)
        if len(self.request_index) != count:
            raise DataError(f"request_index: {len(self.request_index)} values for {count} rewards; give one each")
        if not np.isfinite(self.rewards).all():
            row = int(np.argmin(np.isfinite(self.rewards)))
            raise DataError(f"rewards: impression {row} has {self.rewards[row]}; give finite rewards")
        if self.propensities is None:
            return
        if len(self.propensities) != count:
            raise DataError(f"propensities: {len(self.propensities)} values for {count} rewards; give one each")
        wrong = ~((self.propensities > 0) & (self.propensities <= 1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"propensities: impression {row} has {self.propensities[row]}; what was shown had a "
                "probability above 0 and at most 1, so correct the log or drop the row"
            )

    def __len__(self) -> int:
        """Number of impressions."""
        return len(self.rewards)

    @classmethod
    def from_lists(cls, lists: RankingLists) -> LoggedImpressions:
        """Every item of `lists` as an impression whose reward is its click.

        Raises:
            DataError: the lists hold no clicks.
        """
        if lists.clicks is None:
            raise DataError("clicks: the lists hold none; off-policy evaluation needs a log with clicks")
        propensities = None if lists.propensities is None else lists.propensities.astype(np.float64)
        return cls(lists.clicks.astype(np.float64), propensities, lists.list_index)
