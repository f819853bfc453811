"""Train seq2slate from clicks on the model's own paths, or by policy gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.metrics.evaluation import evaluate_lists
from ranking.seq2slate.batches import bucketed_batches
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.ranked_scores import Decoding, list_ranker
from ranking.seq2slate.settings import Seq2SlateSettings
from ranking.seq2slate.training_step import TrainingStep
from seriatim_errors import DataError, TrainingError


@dataclass(frozen=True)
class TrainedSeq2Slate:
    """A trained model (the averaged weights of the best epoch) and one history row an epoch."""

    model: Seq2Slate
    history: list[dict[str, float]]
    settings: Seq2SlateSettings


def train_seq2slate(
    train: RankingLists,
    validation: RankingLists,
    settings: Seq2SlateSettings,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    start: Sequence[NDArray[np.float32]] | None = None,
) -> TrainedSeq2Slate:
    """Train on clicks.

    Args:
        train: lists in base order with standardised features and clicks.
        validation: likewise; its NDCG chooses the epoch. Use requests that are not evaluated on later.
        settings: the training mode and its numbers.
        on_epoch: called with each history row: `step` (epoch), `loss` (mean over batches of L, or of minus
            the reward), `ndcg_at_<reward_cutoff>` on the validation lists that have a click.
        start: weights to start from, see `starting_weights`; they are kept where no epoch is better. None: new ones.

    Raises:
        DataError: training and validation lists have other features, or none at all.
        TrainingError: no list has a click, there is no validation list with one, or training diverges.
    """
    if train.feature_names != validation.feature_names:
        raise DataError(
            f"seq2slate: training lists have the features {', '.join(train.feature_names)}, validation lists "
            f"{', '.join(validation.feature_names)}; give both the same columns"
        )
    if not train.feature_names:
        raise DataError("seq2slate: the lists have no feature to learn from; give at least one column")
    train, _ = _clicked_lists(train, "training")
    validation, validation_clicks = _clicked_lists(validation, "validation")
    model = Seq2Slate.from_settings(len(train.feature_names), settings)
    steps = settings.steps or int(train.list_sizes.max())
    decoding: Decoding = "one_step" if settings.training == "one_step" else "greedy"
    rank = list_ranker(model, decoding, min(settings.reward_cutoff, steps))
    metric = f"ndcg_at_{settings.reward_cutoff}"

    def quality() -> float:
        return float(
            evaluate_lists(validation, rank(validation), validation_clicks, (settings.reward_cutoff,))[metric].mean()
        )

    if start is not None:
        model.set_weights(list(start))
    elif model.starting_logits is not None:
        model.starting_logits.start_near(quality)
    trainer = TrainingStep(model, settings, steps)
    rng = np.random.default_rng(settings.seed)
    history: list[dict[str, float]] = []
    # Without a start worth keeping the first epoch is better than none, whatever it reaches.
    best = -math.inf if start is None and model.starting_logits is None else quality()
    best_weights, best_epoch = model.get_weights(), 0
    for epoch in range(1, settings.epochs + 1):
        batches = bucketed_batches(train.list_sizes, settings.batch_size, rng)
        losses = [float(trainer(train.select(batch).padded())) for batch in batches]
        if not (np.isfinite(losses).all() and all(np.isfinite(weight).all() for weight in model.get_weights())):
            raise TrainingError(
                f"seq2slate: loss or weights are not finite in epoch {epoch}; "
                f"lower learning_rate (it is {settings.learning_rate})"
            )
        with trainer.average.in_place():
            reached, weights = quality(), model.get_weights()
        history.append({"step": epoch, "loss": float(np.mean(losses)), metric: reached})
        if on_epoch is not None:
            on_epoch(history[-1])
        if reached > best:
            best, best_weights, best_epoch = reached, weights, epoch
        elif epoch - best_epoch >= settings.patience:
            break
    model.set_weights(best_weights)
    return TrainedSeq2Slate(model, history, settings)


def _clicked_lists(lists: RankingLists, name: str) -> tuple[RankingLists, NDArray[np.float32]]:
    """The lists that have a click, and their clicks; a list without one has zero loss in every mode."""
    if lists.clicks is None or not (lists.clicks > 0).any():
        raise TrainingError(f"seq2slate: no click in the {len(lists)} {name} lists; give a log with clicks")
    has_click = np.bincount(lists.list_index, weights=lists.clicks, minlength=len(lists)) > 0
    return lists.select(has_click), lists.clicks[has_click[lists.list_index]]
