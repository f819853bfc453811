"""Simulate clicks on the base ranker's order, as the Seq2Slate paper does for graded data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.config import ClicksConfig
from pipelines.stages.base_ranker import read_scores
from pipelines.stages.training_data import EVALUATION, TRAIN, TrainingData
from ranking.click_models import Cascade, ClickModel, DiverseClicks, SimilarClicks, clicks_on_order
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

    Raises:
        DataError: the data hold no grades to click on.
    """
    for index, split in enumerate((TRAIN, EVALUATION)):
        lists = data.lists(split)
        if lists.grades is None:
            raise DataError(
                "clicks.source is 'simulate' but the data hold no column 'grade'; "
                "add graded relevance or set clicks.source to 'log'"
            )
        clicks = clicks_on_order(
            click_model(config),
            lists.with_features(standardisation.apply(lists.features)),
            lists.grades >= config.relevant_grade,
            read_scores(base_ranker, split),
            np.random.default_rng([seed, index]),
        )
        np.save(folder / f"{split}.npy", clicks)


def click_model(config: ClicksConfig) -> ClickModel:
    """The simulated user that the configuration describes."""
    cascade = Cascade(eta=config.eta)
    if config.model == "cascade":
        return cascade
    if config.model == "diverse_clicks":
        return DiverseClicks(cascade, config.similarity_quantile)
    return SimilarClicks(cascade, config.similarity_quantile)
