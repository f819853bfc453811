"""A transformer that reads the whole list and scores all its items at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ranking.base_rankers.network import NetworkRanker
from seriatim_errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

    from ranking.base_rankers.network import ListLoss


@dataclass(frozen=True, kw_only=True)
class OneShotTransformer(NetworkRanker):
    """A plan for self-attention over a list in base order, a score an item and the listwise softmax loss.

    Attributes:
        hidden_size: width of the attention, a multiple of `heads`.
        layers: attention blocks.
        heads: attention heads.
        positions: ranks of the base order that have a learned embedding of their own, later ones share the last;
            0: the base order is not read, as in SetRank.

    Source: Pei et al., "Personalized re-ranking for recommendation" (PRM), RecSys 2019, without its vectors of
    users; Pobrotyn et al., "Context-aware learning to rank with self-attention" (allRank), 2020; without
    positions Pang et al., "SetRank", SIGIR 2020, with full attention.
    """

    hidden_size: int = 64
    layers: int = 2
    heads: int = 4
    positions: int = 128

    smallest: ClassVar[dict[str, int]] = {
        **NetworkRanker.smallest, "hidden_size": 1, "layers": 1, "heads": 1, "positions": 0
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_size % self.heads:
            raise ConfigError(
                f"OneShotTransformer hidden_size: {self.hidden_size} is no multiple of heads ({self.heads}); "
                "choose sizes that divide"
            )

    def network(self) -> tf.keras.Model:
        """See `NetworkRanker.network`."""
        from ranking.rivals.attention_network import AttentionNetwork

        return AttentionNetwork(self.hidden_size, self.layers, self.heads, self.positions, self.dropout, self.seed)

    def list_loss(self) -> ListLoss:
        """See `NetworkRanker.list_loss`."""
        from ranking.rivals.losses import softmax_loss

        return softmax_loss
