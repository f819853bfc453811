"""Settings of learning."""

from __future__ import annotations

from dataclasses import dataclass

from seriatim_errors import TrainingError


@dataclass(frozen=True)
class LearningSettings:
    """How a structural SVM is trained.

    Attributes:
        ridge: lambda, > 0.
        passes: most passes over the rows a convex problem.
        tolerance: a convex problem is solved when its duality gap is at most this share of its value.
        seed: order of the rows.

    Raises:
        TrainingError: a value is out of range.
    """

    ridge: float = 1e-3
    passes: int = 100
    tolerance: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ridge > 0:
            raise TrainingError(f"ridge is {self.ridge}; give a number above 0")
        if self.passes < 1:
            raise TrainingError(f"passes is {self.passes}; give at least 1")
        if not 0 < self.tolerance < 1:
            raise TrainingError(f"tolerance is {self.tolerance}; give a share between 0 and 1")
