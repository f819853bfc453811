"""What a cascade costs, in multiply-adds of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CascadeCosts:
    """Multiply-adds of a row.

    Attributes:
        expected: mean over the rows, which is the sum of cost times reach over the stages.
        best: of a row that leaves at the first stage.
        worst: of a row that goes through all of them.
        reach: share of the rows that come to each stage; the first is 1.
    """

    expected: float
    best: float
    worst: float
    reach: tuple[float, ...]


def costs_of(exit_stage: NDArray[np.integer], costs: Sequence[float]) -> CascadeCosts:
    """The costs of a routed set of rows.

    Args:
        exit_stage: integers `[rows]` from 0, one row or more.
        costs: multiply-adds of a row at each stage.

    Raises:
        ValueError: there are no rows, a row leaves at a stage that there is not, or a cost is not positive.
    """
    if len(exit_stage) == 0:
        raise ValueError("no rows; give one or more")
    if not 0 <= int(exit_stage.min()) <= int(exit_stage.max()) < len(costs):
        raise ValueError(f"exit stages {exit_stage.min()} to {exit_stage.max()} of {len(costs)} stages")
    if min(costs) <= 0:
        raise ValueError(f"costs {list(costs)}; give the multiply-adds of each stage")
    left = np.bincount(exit_stage, minlength=len(costs))
    reach = left[::-1].cumsum()[::-1] / len(exit_stage)
    return CascadeCosts(
        expected=float(reach @ np.asarray(costs, np.float64)),
        best=float(costs[0]),
        worst=float(sum(costs)),
        reach=tuple(reach.tolist()),
    )
