"""Everything that shapes a seq2slate model and its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Seq2SlateSettings:
    """Settings of one training run.

    Attributes:
        hidden_size: rho, the width of encoder, decoder and attention.
        loss: the loss of one step, used by the modes that learn from clicks directly.
        training: whose path the loss follows. `greedy`: the model's own best path, taken as constant;
            `sampling`: a sampled path with both gradient terms; `one_step`: the first step only;
            `reinforce`: a sampled path rewarded with NDCG.
        steps: decoder steps to learn; None for as many as the longest list has items.
        epochs, batch_size: passes over the lists, lists a step.
        learning_rate, decay_rate, decay_steps: Adam's rate, times `decay_rate` every `decay_steps` steps.
        dropout: share of input features dropped while training.
        l2: weight of the sum of squared weights in the loss.
        patience: epochs without a better validation NDCG before training stops.
        reward_cutoff: k of the NDCG@k that `reinforce` is paid with.
        seed: fixes initial weights, order of lists, dropout and samples.
    """

    hidden_size: int = 128
    loss: Literal["cross_entropy", "smooth_hinge"] = "cross_entropy"
    training: Literal["greedy", "sampling", "one_step", "reinforce"] = "greedy"
    steps: int | None = None
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 3e-4
    decay_rate: float = 0.96
    decay_steps: int = 1000
    dropout: float = 0.1
    l2: float = 3e-4
    patience: int = 3
    reward_cutoff: int = 10
    seed: int = 0
