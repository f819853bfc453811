"""A linear ranker: one weight a feature, found by the pairwise logistic loss on all data at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.held_out import held_out_lists, held_out_ndcg
from ranking.base_rankers.ranker import require_features
from ranking.base_rankers.relevance_labels import Label
from ranking.base_rankers.training_examples import NO_PART, TrainingExamples, training_examples
from ranking.lists import RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import ConfigError, DataError

L2_PATH = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
L2_UNTUNED = 0.01
MOST_STEPS = 500


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A plan for a linear ranker; features are standardised with the training items' means and deviations.

    The loss is the mean over lists of the mean over pairs of items with different labels of
    `log(1 + exp(score of the lower label - score of the higher))`, plus L2. It is convex, and L-BFGS finds the
    weights without a seed. Of the lists' weights it sees two things: an item of weight 0 takes no part in it,
    and a list counts as much as its relevant items weigh on average.

    Attributes:
        label: learn from clicks (`clicked`) or from grades (`grade`).
        l2: weight of the sum of squared weights, >= 0; None: the value of `L2_PATH` with the best NDCG@10 on
            the validation lists, or `L2_UNTUNED` without them.
        log1p: whether `sign(x) * log(1 + |x|)` of every feature is standardised, for heavy tails.

    Raises:
        ConfigError: a setting is outside its range.

    Source: Burges et al., "Learning to rank using gradient descent" (RankNet), ICML 2005, with a linear scorer.
    """

    label: Label = "clicked"
    l2: float | None = None
    log1p: bool = False

    def __post_init__(self) -> None:
        if self.label not in get_args(Label):
            raise ConfigError(f"Linear label: {self.label!r}; choose one of {', '.join(get_args(Label))}")
        if self.l2 is not None and not 0 <= self.l2 < math.inf:
            raise ConfigError(f"Linear l2: {self.l2}; give a finite number of at least 0, or None to have it chosen")

    def fit(self, train: RankingLists, validation: RankingLists | None = None) -> FittedLinear:
        """The ranker trained on `train`; `validation` chooses `l2` where the plan leaves it open.

        Raises:
            DataError: the label's column is missing, there is no feature, or `validation` has other features.
            TrainingError: no training list has an order to learn with weight, or no validation list has a
                relevant item.
        """
        from scipy.optimize import minimize

        examples = training_examples(train, self.label)
        if not train.feature_names:
            raise DataError("Linear: the lists have no feature to learn from; give at least one column")
        held_out = None if validation is None else held_out_lists(validation, train.feature_names, self.label)
        standardisation = Standardisation.fit(train.features, self.log1p)
        features = standardisation.apply(examples.lists.features).astype(np.float64)
        pairs = preference_pairs(examples)
        if self.l2 is not None:
            path: tuple[float, ...] = (self.l2,)
        else:
            path = (L2_UNTUNED,) if held_out is None else L2_PATH
        weights = np.zeros(features.shape[1])
        best, chosen = -math.inf, weights
        for l2 in path:
            # Each solution starts from that of the stronger L2 before it.
            found = minimize(
                pairwise_logistic_loss,
                weights,
                (features, pairs, l2),
                "L-BFGS-B",
                True,
                options={"maxiter": MOST_STEPS},
            )
            weights = found.x
            if len(path) == 1 or held_out is None:
                chosen = weights
            else:
                fitted = FittedLinear(train.feature_names, standardisation, weights)
                quality = held_out_ndcg(held_out, fitted.score(held_out), self.label)
                if quality > best:
                    best, chosen = quality, weights
        return FittedLinear(train.feature_names, standardisation, chosen)


@dataclass(frozen=True, eq=False)
class FittedLinear:
    """A linear ranker.

    Attributes:
        feature_names: columns it reads, in order.
        standardisation: of the features.
        weights: float64 `[features]`, of the standardised features.
    """

    feature_names: tuple[str, ...]
    standardisation: Standardisation
    weights: NDArray[np.float64]

    def score(self, lists: RankingLists) -> NDArray[np.float64]:
        """Weighted sums of the standardised features, float64 `[items]`.

        Raises:
            DataError: the lists have other features than the training lists.
        """
        require_features(lists, self.feature_names, "Linear")
        return self.standardisation.apply(lists.features).astype(np.float64) @ self.weights


@dataclass(frozen=True, eq=False)
class PreferencePairs:
    """Pairs of items of one list with different labels.

    `better` and `worse` are rows, int64 `[pairs]`; `shares`, float64 `[pairs]`, sum to one: each list has the
    share of its weight, divided evenly among its pairs.
    """

    better: NDArray[np.int64]
    worse: NDArray[np.int64]
    shares: NDArray[np.float64]


def preference_pairs(examples: TrainingExamples) -> PreferencePairs:
    """All pairs of the examples; an item that takes no part is in none."""
    better, worse, shares = [], [], []
    for rows in examples.lists.rows_by_list_size():
        labels = examples.labels[rows]
        prefers = (labels[:, :, None] > labels[:, None, :]) & (labels[:, None, :] != NO_PART)
        block, high, low = np.nonzero(prefers)
        better.append(rows[block, high])
        worse.append(rows[block, low])
        weight = examples.list_weights[examples.lists.list_index[rows[:, 0]]]
        shares.append((weight / prefers.sum(axis=(1, 2)))[block])
    share = np.concatenate(shares).astype(np.float64)
    return PreferencePairs(np.concatenate(better), np.concatenate(worse), share / share.sum())


def pairwise_logistic_loss(
    weights: NDArray[np.float64], features: NDArray[np.float64], pairs: PreferencePairs, l2: float
) -> tuple[float, NDArray[np.float64]]:
    """The loss of `Linear` and its gradient.

    Args:
        weights: float64 `[features]`.
        features: float64 `[items, features]`.
        pairs: of rows of `features`.
        l2: weight of the sum of squared weights.
    """
    scores = features @ weights
    margins = scores[pairs.better] - scores[pairs.worse]
    loss = float(pairs.shares @ np.logaddexp(0.0, -margins)) + l2 * float(weights @ weights)
    # 1 / (1 + exp(margin)) without overflow.
    slopes = pairs.shares * np.exp(-np.logaddexp(0.0, margins))
    items = len(scores)
    by_score = np.bincount(pairs.worse, slopes, items) - np.bincount(pairs.better, slopes, items)
    return loss, features.T @ by_score + 2.0 * l2 * weights
