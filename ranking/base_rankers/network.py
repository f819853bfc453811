"""What all rankers that are neural networks share: the plan of their training and the trained result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.ranker import require_features
from ranking.base_rankers.relevance_labels import Label
from ranking.lists import RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

    # Logits and labels, float32 `[batch, list_size]` (a negative label: no part in the loss) -> float32 `[batch]`.
    ListLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, kw_only=True)
class NetworkRanker(ABC):
    """A plan to train a network that gives every item of a list a score.

    Features are standardised with the training items' means and deviations; give raw or standardised ones.
    Of the lists' weights a loss sees two things: an item of weight 0 takes no part in it, and a list counts as
    much as its relevant items weigh on average.

    Attributes:
        label: learn from clicks (`clicked`) or from grades (`grade`).
        log1p: whether `sign(x) * log(1 + |x|)` of every feature is standardised, for heavy tails.
        epochs: most passes over the training lists.
        batch_size: lists in an optimiser step.
        learning_rate: Adam's, > 0.
        dropout: share of units dropped while training, in [0, 1).
        l2: weight of the sum of squared weights in the loss, >= 0.
        patience: epochs without a better validation NDCG@10 before training stops.
        weight_averaging: decay a step of the moving average of the weights that is evaluated and kept, in
            [0, 1); 0: the weights themselves.
        seed: fixes initial weights, the order of lists and what is dropped.

    Raises:
        ConfigError: a setting is outside its range or no known choice.
    """

    label: Label = "clicked"
    log1p: bool = False
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.1
    l2: float = 0.0
    patience: int = 10
    weight_averaging: float = 0.998
    seed: int = 0

    smallest: ClassVar[dict[str, int]] = {"epochs": 1, "batch_size": 1, "patience": 1, "seed": 0}

    def __post_init__(self) -> None:
        name, hints = type(self).__name__, get_type_hints(type(self))
        for field in fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise ConfigError(f"{name} {field.name}: {value!r}; choose one of {', '.join(get_args(hint))}")
            smallest = self.smallest.get(field.name)
            if smallest is not None and not value >= smallest:
                raise ConfigError(f"{name} {field.name}: {value}; give {smallest} or more")
        for setting in ("dropout", "weight_averaging"):
            if not 0 <= getattr(self, setting) < 1:
                raise ConfigError(f"{name} {setting}: {getattr(self, setting)}; give a number in [0, 1)")
        if not 0 < self.learning_rate < np.inf:
            raise ConfigError(f"{name} learning_rate: {self.learning_rate}; give a finite number above 0")
        if not 0 <= self.l2 < np.inf:
            raise ConfigError(f"{name} l2: {self.l2}; give a finite number of at least 0")

    @abstractmethod
    def network(self) -> tf.keras.Model:
        """A new network with initial weights fixed by the seed.

        It maps features float32 `[batch, list_size, features]` and a mask bool `[batch, list_size]` to logits
        float32 `[batch, list_size]`, arbitrary at padding; it is built by its first call.
        """

    @abstractmethod
    def list_loss(self) -> ListLoss:
        """The loss of each list of a batch."""

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> TrainedNetwork:
        """The network trained on `train`: its averaged weights after the epoch with the best NDCG@10 on `validation`.

        Without `validation` all epochs are run and the last weights kept.

        Raises:
            DataError: the label's column is missing, there is no feature, or `validation` has other features.
            TrainingError: no training list has an order to learn with weight, no validation list has a relevant
                item, or training diverges.
        """
        from ranking.base_rankers.network_training import train_network

        return train_network(self, train, validation)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network as plain arrays: it can be pickled and copied, and TensorFlow is needed only to score.

    Attributes:
        plan: the plan it was trained by.
        feature_names: columns it reads, in order.
        standardisation: of the features.
        weights: of the network, in its own order.
        history: one row an epoch: `step`, `loss` (mean over batches), and `ndcg_at_10` on the validation lists
            that have a relevant item, where some were given.
    """

    plan: NetworkRanker
    feature_names: tuple[str, ...]
    standardisation: Standardisation
    weights: tuple[NDArray[np.float32], ...]
    history: tuple[dict[str, float], ...] = ()

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Logits, float64 `[items]`; each list is scored on its own, whatever lists stand beside it.

        Raises:
            DataError: the lists have other features than the training lists.
        """
        require_features(lists, self.feature_names, type(self.plan).__name__)
        return self._scorer(lists.with_features(self.standardisation.apply(lists.features)))

    @cached_property
    def _scorer(self) -> Callable[[RankingLists], NDArray[np.float64]]:
        from ranking.base_rankers.network_scoring import built, network_scorer

        network = built(self.plan.network(), len(self.feature_names))
        network.set_weights(self.weights)
        return network_scorer(network, len(self.feature_names))

    def __getstate__(self) -> dict[str, Any]:
        # The compiled scorer cannot be pickled and is made anew when first needed.
        return {field.name: getattr(self, field.name) for field in fields(self)}
