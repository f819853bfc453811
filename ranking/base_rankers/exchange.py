"""The files through which a training process gets its task and gives its result: arrays and text, no code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranking.base_rankers.lambdamart import LambdaMART
from ranking.lists import RankingLists

TASK_ARRAYS, TASK_SETTINGS = "task.npz", "task.json"
OUTCOME_ARRAYS, OUTCOME_CURVE, OUTCOME_MODEL = "outcome.npz", "curve.json", "model.txt"
ARRAY_FIELDS = ("offsets", "features", "clicks", "grades", "weights")


@dataclass(frozen=True)
class TrainingTask:
    """Train `ranker` on `train` with `folds` folds and score `evaluation`."""

    ranker: LambdaMART
    train: RankingLists
    evaluation: RankingLists
    folds: int


@dataclass(frozen=True)
class TrainingOutcome:
    """A trained LambdaMART with the scores that order every list after it.

    Attributes:
        model_text: LightGBM's text form of the model trained on all training lists.
        curve: held-out NDCG@10 of the folds after each tree: `step` and `ndcg_at_10`.
        out_of_fold_scores: float64 `[training items]`, each list scored by a model that has not seen it.
        evaluation_scores: float64 `[evaluation items]`, by the model in `model_text`.
    """

    model_text: str
    curve: list[dict[str, float]]
    out_of_fold_scores: NDArray[np.float64]
    evaluation_scores: NDArray[np.float64]


def write_task(task: TrainingTask, folder: Path) -> None:
    """Put `task` into `folder`; ids stay behind, for training does not read them."""
    arrays = _arrays("train", task.train) | _arrays("evaluation", task.evaluation)
    np.savez(folder / TASK_ARRAYS, **arrays)
    settings = {
        "ranker": asdict(task.ranker),
        "folds": task.folds,
        "feature_names": task.train.feature_names,
    }
    (folder / TASK_SETTINGS).write_text(json.dumps(settings), encoding="utf-8")


def read_task(folder: Path) -> TrainingTask:
    """The task in `folder`, its requests and items named by their number."""
    settings = json.loads((folder / TASK_SETTINGS).read_text(encoding="utf-8"))
    names = tuple(settings["feature_names"])
    with np.load(folder / TASK_ARRAYS, allow_pickle=False) as arrays:
        train, evaluation = (_lists(split, arrays, names) for split in ("train", "evaluation"))
    return TrainingTask(LambdaMART(**settings["ranker"]), train, evaluation, settings["folds"])


def write_outcome(outcome: TrainingOutcome, folder: Path) -> None:
    """Put `outcome` into `folder`."""
    np.savez(
        folder / OUTCOME_ARRAYS,
        out_of_fold_scores=outcome.out_of_fold_scores,
        evaluation_scores=outcome.evaluation_scores,
    )
    (folder / OUTCOME_CURVE).write_text(json.dumps(outcome.curve), encoding="utf-8")
    (folder / OUTCOME_MODEL).write_text(outcome.model_text, encoding="utf-8")


def read_outcome(folder: Path) -> TrainingOutcome:
    """The outcome in `folder`."""
    with np.load(folder / OUTCOME_ARRAYS, allow_pickle=False) as arrays:
        out_of_fold, evaluation = arrays["out_of_fold_scores"], arrays["evaluation_scores"]
    curve = json.loads((folder / OUTCOME_CURVE).read_text(encoding="utf-8"))
    return TrainingOutcome((folder / OUTCOME_MODEL).read_text(encoding="utf-8"), curve, out_of_fold, evaluation)


def _arrays(split: str, lists: RankingLists) -> dict[str, NDArray[Any]]:
    present = {field: getattr(lists, field) for field in ARRAY_FIELDS}
    return {f"{split}_{field}": value for field, value in present.items() if value is not None}


def _lists(split: str, arrays: Any, feature_names: tuple[str, ...]) -> RankingLists:
    present = {field: arrays[f"{split}_{field}"] for field in ARRAY_FIELDS if f"{split}_{field}" in arrays.files}
    return RankingLists(
        request_ids=_numbers(len(present["offsets"]) - 1),
        item_ids=_numbers(len(present["features"])),
        feature_names=feature_names,
        **present,
    )


def _numbers(count: int) -> NDArray[np.object_]:
    return np.arange(count).astype(str).astype(object)
