"""The child process of `ranking.base_rankers.isolated`: a folder holds its task and receives its outcome."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ranking.base_rankers.exchange import TrainingOutcome, TrainingTask, read_task, write_outcome
from ranking.base_rankers.folds import cross_fit


def run_task(task: TrainingTask) -> TrainingOutcome:
    """Cross-fit, then train on all lists with the number of trees that the folds chose.

    Raises:
        DataError, TrainingError: as `ranking.base_rankers.folds.cross_fit`.
    """
    crossed = cross_fit(task.ranker, task.train, task.folds, task.ranker.seed)
    model = replace(task.ranker, trees=crossed.trees).fit(task.train)
    return TrainingOutcome(model.model_text, list(crossed.curve), crossed.scores, model.score(task.evaluation))


if __name__ == "__main__":
    write_outcome(run_task(read_task(Path(sys.argv[1]))), Path(sys.argv[1]))
