"""Settings of learning."""

from __future__ import annotations

from dataclasses import dataclass

from seriatim_errors import TrainingError


@dataclass(frozen=True)
class LearningSettings:
    """How a structural SVM is trained.

    Attributes:
        ridge: lambda, > 0.
        max_iter: most passes over the rows a convex problem.
        tol: a convex problem is solved when its duality gap is at most this share of its value.
        seed: order of the rows.

    Raises:
        TrainingError: a value is out of range.
    """

    ridge: float = 1e-3
    max_iter: int = 100
    tol: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ridge > 0:
            raise TrainingError(f"ridge is {self.ridge}; give a number above 0")
        if self.max_iter < 1:
            raise TrainingError(f"max_iter is {self.max_iter}; give at least 1")
        if not 0 < self.tol < 1:
            raise TrainingError(f"tol is {self.tol}; give a share between 0 and 1")
