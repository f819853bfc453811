"""The interface of a training method: a loss to descend, and what it keeps from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# The methods that a fit may be told to use.
MethodName = Literal["quantile", "implicit", "lagrangian", "cross_entropy"]
# All of them, to be compared in a loop.
METHODS: tuple[MethodName, ...] = get_args(MethodName)


class Batch(NamedTuple):
    """What a loss knows of a batch besides the scores; all `[items]`.

    `labels` float32 {0, 1}; `weights` float32 >= 0, such that the batch stands for all data; `groups` int32.
    """

    labels: tf.Tensor
    weights: tf.Tensor
    groups: tf.Tensor


class Method(Protocol):
    """A way to train a scorer for an objective."""

    @property
    def variables(self) -> list[tf.Variable]:
        """What the method descends on besides the scorer's own variables."""

    @property
    def state(self) -> list[tf.Variable]:
        """What the method keeps from step to step without descending on it."""

    def start(self, thresholds: NDArray[np.float64]) -> None:
        """Take the exact thresholds on all training scores; called after the warm start and at `reset_every`."""

    def loss(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Scalar to descend, for live scores `[items]`."""

    def after_step(self, scores: tf.Tensor, batch: Batch, rescore: Callable[[], tf.Tensor]) -> None:
        """Update what the method keeps, given the scores before the step and a way to get those after it."""

    @property
    def descends_on_objective(self) -> bool:
        """Whether `loss` is the objective itself, so that it needs no second reckoning to be reported."""

    @property
    def reset_every(self) -> int:
        """Steps between calls of `start` with fresh exact thresholds; 0: only once."""
