"""How a scorer is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from ranking.rate_constraints.methods import CrossEntropy, Implicit, Lagrangian, Method, MethodName, Quantile
from ranking.rate_constraints.objectives import KERNEL, Objective
from ranking.rate_constraints.subset_quantiles import QuantileEstimator
from ranking.rate_constraints.surrogates import SHARPNESS
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class FitSettings:
    """How a scorer is fitted.

    Attributes:
        method: `quantile`, `implicit`, `lagrangian` or `cross_entropy`.
        hidden_sizes: hidden layer widths; empty for a linear scorer.
        epochs: passes over the negatives.
        cross_entropy_share: share of the epochs that descend on cross-entropy first, because the constrained
            objectives are not convex.
        batch_size: examples in a batch, about.
        learning_rate: of Adam, at first; it falls to `final_rate` times that along a half cosine.
        final_rate: 1 for a constant rate.
        l2: weight of the squared kernels in the loss; the objectives are not scale-free.
        estimator: of the quantiles, for `quantile`.
        queue_length: recent scores that join a batch's own, for `quantile`.
        sharpness, reset_every: of `implicit`; the first in units of the scores' spread.
        dual_rate: of `lagrangian`.
        seed: fixes initial weights and batches.

    Raises:
        TrainingError: a setting is out of its range.
    """

    method: MethodName = "quantile"
    hidden_sizes: tuple[int, ...] = ()
    epochs: int = 20
    cross_entropy_share: float = 0.3
    batch_size: int = 4096
    learning_rate: float = 0.01
    final_rate: float = 1.0
    l2: float = 1e-3
    estimator: QuantileEstimator = KERNEL
    queue_length: int = 0
    sharpness: float = SHARPNESS
    reset_every: int = 10
    dual_rate: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self, {"epochs": 1, "batch_size": 1, "queue_length": 0, "reset_every": 1, "seed": 0})


def check_settings(settings: Any, smallest: dict[str, int]) -> None:
    """Refuse counts below their `smallest`, shares outside [0, 1] and rates that are not positive and finite.

    Raises:
        TrainingError: with the field and its value.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in smallest and value < smallest[field.name]:
            raise TrainingError(f"{field.name} is {value}; give {smallest[field.name]} or more")
        if field.name in ("cross_entropy_share", "final_rate") and not 0 <= value <= 1:
            raise TrainingError(f"{field.name} is {value}; give a share in [0, 1]")
        if field.name in ("learning_rate", "sharpness") and not 0 < value < math.inf:
            raise TrainingError(f"{field.name} is {value}; give a finite number above 0")
        if field.name in ("l2", "dual_rate") and not 0 <= value < math.inf:
            raise TrainingError(f"{field.name} is {value}; give a finite number of at least 0")
        if field.name == "hidden_sizes" and any(width < 1 for width in value):
            raise TrainingError(f"hidden_sizes is {value}; give widths of at least 1, or none for a linear scorer")


def named_method(objective: Objective, settings: FitSettings) -> Method:
    """The method that `settings.method` names, new.

    Raises:
        TrainingError: there is no method of that name.
    """
    if settings.method == "quantile":
        return Quantile(objective, settings.estimator, settings.queue_length)
    if settings.method == "implicit":
        return Implicit(objective, settings.sharpness, settings.reset_every)
    if settings.method == "lagrangian":
        return Lagrangian(objective, settings.dual_rate)
    if settings.method == "cross_entropy":
        return CrossEntropy()
    raise TrainingError(f"method is {settings.method!r}; use 'quantile', 'implicit', 'lagrangian' or 'cross_entropy'")
