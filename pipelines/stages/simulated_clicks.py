"""Simulate clicks on the base ranker's order, as the Seq2Slate paper does for graded data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import ClicksConfig
from pipelines.stages.base_ranker import read_scores
from pipelines.stages.training_data import EVALUATION, TRAIN, TrainingData
from ranking.click_models import Cascade, ClickModel, DiverseClicks, SimilarClicks
from ranking.lists import RankingLists
from ranking.standardisation import Standardisation
from seriatim_errors import DataError


def simulate_clicks(
    data: TrainingData,
    base_ranker: Path,
    standardisation: Standardisation,
    config: ClicksConfig,
    seed: int,
    folder: Path,
) -> None:
    """Write `train.npy` and `eval.npy`, the clicks of every item in logged order, to `folder`.

    Distances between items are taken on standardised features: raw ones would be ruled by the features of
    largest unit.
    """
    for index, split in enumerate((TRAIN, EVALUATION)):
        lists = data.lists(split)
        clicks = clicks_on_order(
            lists.with_features(standardisation.apply(lists.features)),
            read_scores(base_ranker, split),
            config,
            np.random.default_rng([seed, index]),
        )
        np.save(folder / f"{split}.npy", clicks)


def clicks_on_order(
    lists: RankingLists, scores: NDArray[np.floating], config: ClicksConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Clicks that fall when `lists` are shown by descending `scores`; float32 `[items]` in the lists' order.

    Raises:
        DataError: the lists hold no grades to click on.
    """
    if lists.grades is None:
        raise DataError(
            "clicks.source is 'simulate' but the data hold no column 'grade'; "
            "add graded relevance or set clicks.source to 'log'"
        )
    order = lists.descending_order(scores)
    shown = lists.reordered(scores)
    relevance = (shown.grades >= config.relevant_grade).astype(np.float32)
    clicks = np.empty(len(order), np.float32)
    clicks[order] = _click_model(config).clicks(shown, relevance, rng)
    return clicks


def _click_model(config: ClicksConfig) -> ClickModel:
    cascade = Cascade(eta=config.eta)
    if config.model == "cascade":
        return cascade
    if config.model == "diverse_clicks":
        return DiverseClicks(cascade, config.similarity_quantile)
    return SimilarClicks(cascade, config.similarity_quantile)
