"""Cross-fitting: scores for training lists by models that have not seen them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.lambdamart import HELD_OUT_METRIC, LambdaMART, TrainedLambdaMART, held_out_score
from ranking.base_rankers.ranker import BaseRanker
from ranking.base_rankers.relevance_labels import check_trainable, with_relevant_items
from ranking.lists import RankingLists
from seriatim_errors import TrainingError


@dataclass(frozen=True)
class CrossFit:
    """What the folds told.

    Attributes:
        scores: float64 `[items]`, each list scored by the model of the fold that left it out.
        trees: number of trees at which the held-out NDCG@10, over all folds together, was highest.
        curve: that NDCG@10 after each tree: `step` and `ndcg_at_10`.
    """

    scores: NDArray[np.float64]
    trees: int
    curve: tuple[dict[str, float], ...]


def cross_fit(ranker: LambdaMART, lists: RankingLists, folds: int, seed: int) -> CrossFit:
    """Grow one model a fold, all in step, and stop them together.

    The number of trees is thus chosen without looking at any data outside `lists`, and on all of `lists`.

    Args:
        ranker: the plan; its `patience` counts trees without gain in the folds' common NDCG@10.
        lists: training lists.
        folds: number of folds, >= 2.
        seed: fixes which request falls into which fold.

    Raises:
        DataError, TrainingError: as `LambdaMART.fit`, or there are too few lists for the folds.
    """
    check_trainable(lists, ranker.label)
    fold = request_folds(len(lists), folds, seed)
    boosters, counts = [], []
    for held_out in range(folds):
        left_out = lists.select(fold == held_out)
        counted = len(with_relevant_items(left_out, ranker.label))
        boosters.append(ranker.booster(lists.select(fold != held_out), left_out if counted else None))
        counts.append(counted)
    curve: list[dict[str, float]] = []
    best, trees = -np.inf, 1
    for step in range(1, ranker.trees + 1):
        grown = [not booster.update() for booster in boosters]
        score = sum(held_out_score(b) * count for b, count in zip(boosters, counts, strict=True) if count)
        score /= sum(counts)
        curve.append({"step": float(step), HELD_OUT_METRIC: score})
        if score > best:
            best, trees = score, step
        if not any(grown) or (ranker.patience and step - trees >= ranker.patience):
            break
    if not ranker.patience:
        trees = len(curve)
    models = [TrainedLambdaMART(b.model_to_string(num_iteration=trees), trees) for b in boosters]
    scores = np.empty(len(lists.item_ids), np.float64)
    for held_out, model in enumerate(models):
        scores[(fold == held_out)[lists.list_index]] = model.score(lists.select(fold == held_out))
    return CrossFit(scores, trees, tuple(curve))


def out_of_fold_scores(ranker: BaseRanker, lists: RankingLists, folds: int, seed: int) -> NDArray[np.float64]:
    """Scores of any base ranker for its training lists, each by a model that has not seen the list.

    A re-ranker trained on them meets lists in an order as good as the one that new requests will have; the
    final model's own scores of its training lists would be too good.

    Args:
        ranker: the plan, fitted once a fold.
        lists: training lists.
        folds: number of folds, >= 2.
        seed: fixes which request falls into which fold.

    Returns:
        float64 `[items]`; comparable within a list only.

    Raises:
        TrainingError: there are fewer lists than folds.
    """
    fold = request_folds(len(lists), folds, seed)
    scores = np.empty(len(lists.item_ids), np.float64)
    for held_out in range(folds):
        model = ranker.fit(lists.select(fold != held_out))
        scores[(fold == held_out)[lists.list_index]] = model.score(lists.select(fold == held_out))
    return scores


def request_folds(requests: int, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every request, int64 `[requests]` in [0, folds), sizes differing by at most one.

    Raises:
        TrainingError: fewer than two folds, or fewer requests than folds.
    """
    if folds < 2 or requests < folds:
        raise TrainingError(
            f"folds: {folds} for {requests} requests; use at least 2 folds and no fewer requests than folds"
        )
    return np.random.default_rng(seed).permutation(requests) % folds
