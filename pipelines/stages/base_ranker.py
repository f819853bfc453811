"""Train the base ranker and store the scores that order every list after it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import BaseRankerConfig
from pipelines.stages.training_data import EVALUATION, TRAIN, TrainingData
from ranking.base_rankers.isolated import train_isolated
from ranking.base_rankers.onnx_trees import export_trees_onnx

MODEL_FILE = "model.txt"
GRAPH_FILE = "model.onnx"
CURVE_FILE = "curve.json"


def train_base_ranker(data: TrainingData, config: BaseRankerConfig, seed: int, folder: Path) -> None:
    """Write `model.txt`, `model.onnx`, `curve.json` and both splits' scores (`train.npy`, `eval.npy`) to `folder`.

    Training items are scored out of fold, so that a re-ranker reads training lists in an order as good as
    the one it will meet on new requests, not in one that has seen the clicks.
    """
    train, evaluation = data.lists(TRAIN), data.lists(EVALUATION)
    trained = train_isolated(train, evaluation, config, seed)
    (folder / MODEL_FILE).write_text(trained.model_text)
    export_trees_onnx(trained.model_text, folder / GRAPH_FILE)
    (folder / CURVE_FILE).write_text(json.dumps(trained.curve))
    np.save(folder / f"{TRAIN}.npy", trained.out_of_fold_scores)
    np.save(folder / f"{EVALUATION}.npy", trained.evaluation_scores)


def read_scores(folder: Path, split: str) -> NDArray[np.float32]:
    """The base ranker's scores of `split`, float32 `[items]` in logged order."""
    return np.load(folder / f"{split}.npy")
