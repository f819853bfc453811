"""Train the base ranker and store the scores that order every list after it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import BaseRankerConfig
from pipelines.stages.training_data import EVALUATION, TRAIN, TrainingData
from ranking.base_rankers.isolated import train_isolated
from ranking.base_rankers.onnx_trees import export_trees_onnx
from ranking.lists import RankingLists
from seriatim_errors import DataError

MODEL_FILE = "model.txt"
GRAPH_FILE = "model.onnx"
CURVE_FILE = "curve.json"


def train_base_ranker(data: TrainingData, config: BaseRankerConfig, seed: int, folder: Path) -> None:
    """Write `model.txt`, `model.onnx`, `curve.json` and both splits' scores (`train.npy`, `eval.npy`) to `folder`.

    Training items are scored out of fold, so that a re-ranker reads training lists in an order as good as
    the one it will meet on new requests, not in one that has seen the clicks. The trainer gets each list in an order
    drawn by chance: ties keep the order that they stand in, and the logged one is that of a good ranker whose users
    look first at what is first, so that a model of hardly any trees would pass for the best.

    Raises:
        DataError: items are to be weighed by propensities, and the data hold none.
    """
    train, evaluation = weighed(data.lists(TRAIN), config), data.lists(EVALUATION)
    shuffled = train.descending_order(np.random.default_rng(seed).random(len(train.item_ids)))
    trained = train_isolated(train.in_order(shuffled), evaluation, config, seed)
    out_of_fold = np.empty_like(trained.out_of_fold_scores)
    out_of_fold[shuffled] = trained.out_of_fold_scores
    (folder / MODEL_FILE).write_text(trained.model_text)
    export_trees_onnx(trained.model_text, folder / GRAPH_FILE)
    (folder / CURVE_FILE).write_text(json.dumps(trained.curve))
    np.save(folder / f"{TRAIN}.npy", out_of_fold)
    np.save(folder / f"{EVALUATION}.npy", trained.evaluation_scores)


def weighed(lists: RankingLists, config: BaseRankerConfig) -> RankingLists:
    """The lists with the weights that `base_ranker.weighting` asks for.

    An item that had the probability p of its place, given the places above, stands for the 1 / p candidates that could
    have stood there: over a step's draws, a sum weighed so is right on average for all candidates that were left, and
    not only for those that the logging policy favours. Where the policy had no choice (p = 1) an item stands for
    itself. Cutting the weights at `max_weight` trades that for less noise.

    Raises:
        DataError: the lists hold no propensities.

    Source: Horvitz & Thompson (1952); for learning to rank, Joachims, Swaminathan & Schnabel, WSDM 2017,
    arXiv 1608.04468.
    """
    if config.weighting == "log":
        return lists
    if lists.propensities is None:
        raise DataError(
            "base_ranker.weighting is 'inverse_propensity' but the data hold no column 'propensity'; log one, or set "
            "it to 'log'"
        )
    inverse = np.minimum(1 / lists.propensities.astype(np.float64), config.max_weight)
    given = 1.0 if lists.weights is None else lists.weights
    return replace(lists, weights=(given * inverse).astype(np.float32))


def read_scores(folder: Path, split: str) -> NDArray[np.float32]:
    """The base ranker's scores of `split`, float32 `[items]` in logged order."""
    return np.load(folder / f"{split}.npy")
