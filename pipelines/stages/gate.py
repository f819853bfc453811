"""Train the rate-constrained gate and export it with the threshold that holds its promise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import GateConfig
from pipelines.stages.kept_weights import WEIGHTS_FILE, KeptWeights, constant_columns, write_weights
from pipelines.stages.training_data import TRAIN, TrainingData
from pipelines.stages.warm_start import START_FILE, WarmStart, started_weights
from ranking.lists import RankingLists
from ranking.moved_inputs import MovedInputs
from ranking.rate_constraints import GateSettings, export_gate_onnx, export_gate_saved_model, train_gate
from ranking.rate_constraints.starting_weights import starting_weights
from ranking.standardisation import Standardisation
from seriatim_errors import DataError

MODEL_FILE = "model.onnx"
PROMISE_FILE = "promise.json"
HISTORY_FILE = "history.json"
SAVED_MODEL = "saved_model"
KIND = "gate"


def train_rate_constrained_gate(
    data: TrainingData,
    standardisation: Standardisation,
    config: GateConfig,
    seed: int,
    folder: Path,
    warm_start: WarmStart | None = None,
) -> None:
    """Write `model.onnx`, `saved_model/`, `promise.json`, `history.json` and `weights.npz` to `folder`.

    With `warm_start` it starts from the weights offered there, where they fit; `start.json` tells.
    """
    raw = data.lists(TRAIN)
    lists = raw.with_features(standardisation.apply(raw.features))
    settings = GateSettings(**config.model_dump(exclude={"label", "relevant_grade", "warm_start"}), seed=seed)
    names = data.columns.names

    def fitting(weights: Sequence[NDArray[np.float32]], moved: MovedInputs) -> Sequence[NDArray[np.float32]] | None:
        return starting_weights(weights, moved, config.hidden_sizes)

    start = None
    if warm_start is not None:
        started = started_weights(warm_start, "gate", KIND, names, standardisation, fitting)
        (folder / START_FILE).write_text(started.told.model_dump_json())
        start = started.weights
    gate = train_gate(lists, gate_labels(lists, config), settings, start=start)
    export_gate_onnx(gate, standardisation, folder / MODEL_FILE)
    export_gate_saved_model(gate, standardisation, folder / SAVED_MODEL)
    promise = {
        "rate": "recall",
        "target": config.target_recall,
        "threshold": float(gate.threshold),
        "low": float(gate.promise.low),
        "high": float(gate.promise.high),
    }
    (folder / PROMISE_FILE).write_text(json.dumps(promise))
    (folder / HISTORY_FILE).write_text(json.dumps(gate.history))
    weights = [weight.numpy() for weight in gate.scorer.weights]
    kept = KeptWeights(KIND, names, standardisation, constant_columns(lists.features), weights)
    write_weights(kept, folder / WEIGHTS_FILE)


def gate_labels(lists: RankingLists, config: GateConfig) -> NDArray[np.float32]:
    """What the gate must let pass: clicked items, or items of at least `relevant_grade`; {0, 1} `[items]`.

    Raises:
        DataError: the lists lack the column that `gate.label` names.
    """
    if config.label == "clicked":
        if lists.clicks is None:
            raise DataError("gate.label is 'clicked' but the data hold no clicks; set it to 'grade'")
        return (lists.clicks > 0).astype(np.float32)
    if lists.grades is None:
        raise DataError("gate.label is 'grade' but the data hold no grades; set it to 'clicked'")
    return (lists.grades >= config.relevant_grade).astype(np.float32)
