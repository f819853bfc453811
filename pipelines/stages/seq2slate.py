"""Train the seq2slate re-ranker on lists in base order and export it for the service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.config import Seq2SlateConfig
from pipelines.hashed_split import identifier_hash
from pipelines.stages.base_ranker import read_scores
from pipelines.stages.kept_weights import WEIGHTS_FILE, KeptWeights, constant_columns, write_weights
from pipelines.stages.training_data import TRAIN, TrainingData
from pipelines.stages.warm_start import START_FILE, WarmStart, started_weights
from ranking.lists import RankingLists
from ranking.moved_inputs import MovedInputs
from ranking.seq2slate import (
    Seq2SlateSettings,
    export_first_step,
    export_onnx,
    export_saved_model,
    train_seq2slate,
)
from ranking.seq2slate.starting_weights import starting_weights
from ranking.standardisation import Standardisation

MODEL_FILE = "model.onnx"
FIRST_STEP_FILE = "first_step.onnx"
HISTORY_FILE = "history.json"
SAVED_MODEL = "saved_model"
VALIDATION_SHARE = 0.1
# Of no use as the seed of a split, from which the choice is to be independent.
VALIDATION_SEED = 2_718_281_828


def train_reranker(
    data: TrainingData,
    base_ranker: Path,
    standardisation: Standardisation,
    config: Seq2SlateConfig,
    steps: int,
    seed: int,
    folder: Path,
    warm_start: WarmStart | None = None,
) -> None:
    """Write `model.onnx`, `first_step.onnx`, `saved_model/`, `history.json` and `weights.npz` to `folder`.

    A tenth of the training requests, chosen by a hash, decides when to stop; the evaluation split is not touched. With
    `warm_start` it starts from the weights offered there, where they fit; `start.json` tells.
    """
    lists = base_ordered(data.lists(TRAIN), read_scores(base_ranker, TRAIN), standardisation, config.max_list_size)
    excluded = {"decoding", "max_list_size", "warm_start"}
    settings = Seq2SlateSettings(**config.model_dump(exclude=excluded), steps=steps, seed=seed)
    kind, names = f"seq2slate {config.encoder}", data.columns.names

    def fitting(weights: Sequence[NDArray[np.float32]], moved: MovedInputs) -> Sequence[NDArray[np.float32]] | None:
        return starting_weights(weights, moved, settings)

    start = None
    if warm_start is not None:
        started = started_weights(warm_start, "seq2slate", kind, names, standardisation, fitting)
        (folder / START_FILE).write_text(started.told.model_dump_json())
        start = started.weights
    held_out = validation_requests(lists, seed)
    # Keras counts layers through the life of a process, and variables are named after them.
    tf.keras.backend.clear_session()
    trained = train_seq2slate(lists.select(~held_out), lists.select(held_out), settings, start=start)
    export_onnx(trained.model, standardisation, steps, folder / MODEL_FILE)
    export_first_step(folder / MODEL_FILE, folder / FIRST_STEP_FILE)
    export_saved_model(trained.model, standardisation, steps, folder / SAVED_MODEL)
    (folder / HISTORY_FILE).write_text(json.dumps(trained.history))
    constant = constant_columns(lists.features)
    kept = KeptWeights(kind, names, standardisation, constant, trained.model.get_weights())
    write_weights(kept, folder / WEIGHTS_FILE)


def validation_requests(lists: RankingLists, seed: int) -> NDArray[np.bool_]:
    """The tenth of the requests with the lowest hashes, bool `[lists]`, at least one.

    Being chosen by their names, they stay (but for few near the border) what they were in the last run of a rolling
    window: weights that start from that run's have not learned from them.
    """
    places = np.argsort(identifier_hash(np.asarray(lists.request_ids, object), VALIDATION_SEED + seed), kind="stable")
    chosen = np.zeros(len(lists), bool)
    chosen[places[: max(1, round(VALIDATION_SHARE * len(lists)))]] = True
    return chosen


def base_ordered(
    lists: RankingLists, scores: np.ndarray, standardisation: Standardisation, max_list_size: int
) -> RankingLists:
    """`lists` by descending base score, cut to `max_list_size`, with standardised features."""
    ordered = lists.reordered(scores).top(max_list_size)
    return ordered.with_features(standardisation.apply(ordered.features))
