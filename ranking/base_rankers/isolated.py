"""LambdaMART in a process of its own.

LightGBM trained in a process that has run TensorFlow was measured thirty times slower, and on a machine whose
cores are busy ten times: its threads spin at every barrier while they wait for one that has no core. A fresh
child process, whose threads sleep instead, is free of both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Protocol

import ranking
from ranking.base_rankers.exchange import TrainingOutcome, TrainingTask, read_outcome, write_task
from ranking.base_rankers.folds import request_folds
from ranking.base_rankers.lambdamart import LambdaMART
from ranking.base_rankers.relevance_labels import Label, check_trainable
from ranking.lists import RankingLists
from seriatim_errors import TrainingError

WORKER = "ranking.base_rankers.isolated_worker"


class TrainingSettings(Protocol):
    """What a caller's configuration says about the base ranker; see `LambdaMART` for the meaning."""

    @property
    def label(self) -> Label:
        """Column to learn from."""

    @property
    def trees(self) -> int:
        """Most trees."""

    @property
    def leaves(self) -> int:
        """Most leaves of a tree."""

    @property
    def learning_rate(self) -> float:
        """Shrinkage of each tree."""

    @property
    def patience(self) -> int:
        """Trees without gain in held-out NDCG@10 before training stops; 0: never."""

    @property
    def folds(self) -> int:
        """Folds of the out-of-fold scores and of the choice of the number of trees."""


def train_isolated(
    train: RankingLists, evaluation: RankingLists, settings: TrainingSettings, seed: int
) -> TrainingOutcome:
    """Cross-fit and train LambdaMART in a child process.

    Folds of `train` choose the number of trees and give its out-of-fold scores; the final model is trained on
    all of `train`. `evaluation` is scored and not looked at otherwise.

    Args:
        train: training lists with raw features, in logged order.
        evaluation: lists to score, with the same features.
        settings: the configuration of the base ranker.
        seed: fixes folds and trees.

    Raises:
        DataError: the label's column is missing or holds values that are no grades.
        TrainingError: there is no order to learn, there are too few lists, or the process died; the message
            gives its last words.
    """
    ranker = LambdaMART(
        label=settings.label,
        trees=settings.trees,
        leaves=settings.leaves,
        learning_rate=settings.learning_rate,
        patience=settings.patience,
        seed=seed,
    )
    check_trainable(train, ranker.label)
    request_folds(len(train), settings.folds, seed)
    with tempfile.TemporaryDirectory(prefix="seriatim-lambdamart-") as name:
        folder = Path(name)
        write_task(TrainingTask(ranker, train, evaluation, settings.folds), folder)
        finished = subprocess.run(
            [sys.executable, "-m", WORKER, str(folder)],
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            raise TrainingError(_why(finished))
        return read_outcome(folder)


def _environment() -> dict[str, str]:
    # The child must find the packages from any working directory, installed or not.
    search_path = [str(Path(ranking.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _why(finished: subprocess.CompletedProcess[str]) -> str:
    if finished.returncode == -9:
        return "the base ranker's training process was killed, most likely for memory; train on fewer requests"
    words = finished.stderr.strip().splitlines()
    return (
        f"the base ranker's training process ended with status {finished.returncode}: "
        f"{words[-1] if words else 'it left no message'}"
    )
