"""The deep listwise context model: a GRU reads the list, and each item is scored against what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ranking.base_rankers.network import NetworkRanker

if TYPE_CHECKING:
    import tensorflow as tf

    from ranking.base_rankers.network import ListLoss


@dataclass(frozen=True, kw_only=True)
class DLCM(NetworkRanker):
    """A plan for DLCM on lists in base order, trained by the attention-rank loss.

    Attributes:
        hidden_size: alpha, the width of the GRU and of the two layers that abstract the features.
        heads: k, the hidden units of the local scoring.

    Source: Ai et al., "Learning a deep listwise context model for ranking refinement", SIGIR 2018.
    """

    hidden_size: int = 64
    heads: int = 10

    smallest: ClassVar[dict[str, int]] = {**NetworkRanker.smallest, "hidden_size": 1, "heads": 1}

    def network(self) -> tf.keras.Model:
        """See `NetworkRanker.network`."""
        from ranking.rivals.context_network import ContextNetwork

        return ContextNetwork(self.hidden_size, self.heads, self.dropout, self.seed)

    def list_loss(self) -> ListLoss:
        """See `NetworkRanker.list_loss`."""
        from ranking.rivals.losses import attention_rank_loss

        return attention_rank_loss
