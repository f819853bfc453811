"""A scorer of single items trained by a ranking loss of TensorFlow Ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ranking.base_rankers.network import NetworkRanker
from seriatim_errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

    from ranking.base_rankers.network import ListLoss

RankingLoss = Literal["softmax", "approx_ndcg", "gumbel_approx_ndcg"]


@dataclass(frozen=True, kw_only=True)
class TFRanking(NetworkRanker):
    """A plan for a multilayer perceptron that scores each item by its own features.

    Attributes:
        loss: TensorFlow Ranking's loss of a list. `softmax`: listwise cross-entropy; `approx_ndcg`: NDCG with
            sigmoids instead of ranks; `gumbel_approx_ndcg`: that, averaged over eight perturbed rankings.
        hidden_sizes: units of each hidden layer.

    Source: Pasumarthi et al., "TF-Ranking", KDD 2019; Bruch et al., "A stochastic treatment of learning to rank
    scoring functions", WSDM 2020.
    """

    loss: RankingLoss = "softmax"
    hidden_sizes: tuple[int, ...] = (64, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(size >= 1 for size in self.hidden_sizes):
            raise ConfigError(f"TFRanking hidden_sizes: {self.hidden_sizes}; give 1 or more units a layer")

    def network(self) -> tf.keras.Model:
        """See `NetworkRanker.network`."""
        from ranking.base_rankers.item_network import ItemNetwork

        return ItemNetwork(self.hidden_sizes, self.dropout, self.seed)

    def list_loss(self) -> ListLoss:
        """See `NetworkRanker.list_loss`."""
        import tensorflow as tf
        import tensorflow_ranking as tfr

        a_list = tf.keras.losses.Reduction.NONE
        losses = tfr.keras.losses
        if self.loss == "softmax":
            loss = losses.SoftmaxLoss(reduction=a_list)
        elif self.loss == "approx_ndcg":
            loss = losses.ApproxNDCGLoss(reduction=a_list)
        else:
            loss = losses.GumbelApproxNDCGLoss(reduction=a_list, seed=self.seed)

        def of_each_list(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            samples = tf.reshape(loss(labels, logits), [tf.shape(labels)[0], -1])
            return tf.reduce_mean(samples, axis=1)

        return of_each_list
