"""Everything that shapes a seq2slate model and its training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import get_args, get_type_hints

from ranking.reranker_choices import EncoderKind, StepLoss, Training
from seriatim_errors import ConfigError

_SMALLEST = {
    "hidden_size": 1, "encoder_layers": 1, "attention_heads": 1, "steps": 1, "epochs": 1, "batch_size": 1,
    "decay_steps": 1, "patience": 1, "reward_cutoff": 1, "l2": 0, "dropout": 0, "seed": 0, "nearness_levels": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Seq2SlateSettings:
    """Settings of one training run.

    Attributes:
        hidden_size: rho, the width of encoder, decoder and attention.
        loss: the loss of one step, used by the modes that learn from clicks directly.
        training: whose path the loss follows. `greedy`: the model's own best path, taken as constant;
            `sampling`: a sampled path with both gradient terms; `one_step`: the first step only;
            `reinforce`: a sampled path rewarded with NDCG, without dropout and L2.
        steps: decoder steps to learn; None for as many as the longest list has items.
        epochs, batch_size: passes over the lists, lists a step.
        learning_rate, decay_rate, decay_steps: Adam's rate, times `decay_rate` every `decay_steps` steps.
        dropout: share of input features dropped while training, in [0, 1).
        l2: weight of the sum of squared weights in the loss.
        patience: epochs without a better validation NDCG before training stops.
        reward_cutoff: k of the NDCG@k that `reinforce` is paid with and that chooses the epoch.
        encoder: `lstm` as in the paper; `transformer` with sinusoidal positions; `set_transformer` without
            them, which forgets the base order.
        encoder_layers, attention_heads: of the transformers; `hidden_size` must be a multiple of the heads.
        nearness_levels: at how many learned distances the decoder sees how near each candidate lies to the
            placed items, an extension for users who want variety; 0 as in the paper.
        from_base_order: whether the logits start from the base order instead of learning it first (and, with
            nearness, from the dislike of near items that ranks the validation lists best), an extension for
            few training lists; false as in the paper.
        weight_averaging: decay a step of the moving average of the weights that is evaluated and kept, in
            [0, 1); 0: the weights themselves.
        seed: fixes initial weights, order of lists, dropout and samples.

    Raises:
        ConfigError: a value is outside its range or no known choice.
    """

    hidden_size: int = 128
    loss: StepLoss = "cross_entropy"
    training: Training = "greedy"
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
    encoder: EncoderKind = "lstm"
    encoder_layers: int = 2
    attention_heads: int = 4
    nearness_levels: int = 0
    from_base_order: bool = False
    weight_averaging: float = 0.998
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            choices = [choice for choice in get_args(hints[field.name]) if isinstance(choice, str)]
            if choices and value not in choices:
                raise ConfigError(f"seq2slate {field.name}: {value!r}; choose one of {', '.join(choices)}")
            smallest = _SMALLEST.get(field.name)
            if value is not None and smallest is not None and not value >= smallest:
                raise ConfigError(f"seq2slate {field.name}: {value}; give {smallest} or more")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"seq2slate dropout: {self.dropout}; give a share in [0, 1)")
        if not 0 <= self.weight_averaging < 1:
            raise ConfigError(f"seq2slate weight_averaging: {self.weight_averaging}; give a decay in [0, 1)")
        if not self.learning_rate > 0:
            raise ConfigError(f"seq2slate learning_rate: {self.learning_rate}; give a value above 0")
        if not 0 < self.decay_rate <= 1:
            raise ConfigError(f"seq2slate decay_rate: {self.decay_rate}; give a factor in (0, 1]")
        if self.encoder != "lstm" and self.hidden_size % self.attention_heads:
            raise ConfigError(
                f"seq2slate hidden_size: {self.hidden_size} is no multiple of attention_heads "
                f"({self.attention_heads}); choose sizes that divide"
            )
