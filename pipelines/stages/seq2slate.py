"""Train the seq2slate re-ranker on lists in base order and export it for the service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.config import Seq2SlateConfig
from pipelines.stages.base_ranker import read_scores
from pipelines.stages.training_data import TRAIN, TrainingData
from ranking.lists import RankingLists
from ranking.seq2slate import (
    Seq2SlateSettings,
    export_first_step,
    export_onnx,
    export_saved_model,
    train_seq2slate,
)
from ranking.standardisation import Standardisation

MODEL_FILE = "model.onnx"
FIRST_STEP_FILE = "first_step.onnx"
HISTORY_FILE = "history.json"
SAVED_MODEL = "saved_model"
VALIDATION_SHARE = 0.1


def train_reranker(
    data: TrainingData,
    base_ranker: Path,
    standardisation: Standardisation,
    config: Seq2SlateConfig,
    steps: int,
    seed: int,
    folder: Path,
) -> None:
    """Write `model.onnx`, `first_step.onnx`, `saved_model/` and `history.json` to `folder`.

    A tenth of the training requests decides when to stop; the evaluation split is not touched.
    """
    lists = base_ordered(data.lists(TRAIN), read_scores(base_ranker, TRAIN), standardisation, config.max_list_size)
    shuffled = np.random.default_rng(seed).permutation(len(lists))
    held_out = max(1, round(VALIDATION_SHARE * len(lists)))
    settings = Seq2SlateSettings(**config.model_dump(exclude={"decoding", "max_list_size"}), steps=steps, seed=seed)
    # Keras counts layers through the life of a process, and variables are named after them.
    tf.keras.backend.clear_session()
    trained = train_seq2slate(
        lists.select(np.sort(shuffled[held_out:])), lists.select(np.sort(shuffled[:held_out])), settings
    )
    export_onnx(trained.model, standardisation, steps, folder / MODEL_FILE)
    export_first_step(folder / MODEL_FILE, folder / FIRST_STEP_FILE)
    export_saved_model(trained.model, standardisation, steps, folder / SAVED_MODEL)
    (folder / HISTORY_FILE).write_text(json.dumps(trained.history))


def base_ordered(
    lists: RankingLists, scores: np.ndarray, standardisation: Standardisation, max_list_size: int
) -> RankingLists:
    """`lists` by descending base score, cut to `max_list_size`, with standardised features."""
    ordered = lists.reordered(scores).top(max_list_size)
    return ordered.with_features(standardisation.apply(ordered.features))
