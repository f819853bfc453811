from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ranking.base_rankers import LambdaMART, train_isolated
from ranking.base_rankers import isolated as isolated_module
from ranking.base_rankers.exchange import TrainingTask, read_task, write_task
from ranking.base_rankers.isolated_worker import run_task
from ranking.base_rankers.relevance_labels import Label
from ranking.metrics import evaluate_lists
from seriatim_errors import DataError, TrainingError
from tests.ranking.generated_lists import learnable_lists
from tests.ranking.letor_lists import MQ2008, letor


@dataclass(frozen=True)
class Settings:
    """A configuration's section on the base ranker."""

    label: Label = "grade"
    trees: int = 20
    leaves: int = 7
    learning_rate: float = 0.1
    patience: int = 5
    folds: int = 3


def test_a_child_process_gives_what_the_same_task_gives_here() -> None:
    train, evaluation = learnable_lists(80, seed=0), learnable_lists(30, seed=1)
    outcome = train_isolated(train, evaluation, Settings(), seed=3)
    ranker = LambdaMART(label="grade", trees=20, leaves=7, learning_rate=0.1, patience=5, seed=3)
    here = run_task(TrainingTask(ranker, train, evaluation, folds=3))
    assert outcome.out_of_fold_scores.tolist() == here.out_of_fold_scores.tolist()
    assert outcome.evaluation_scores.tolist() == here.evaluation_scores.tolist()
    assert outcome.curve == here.curve
    assert outcome.model_text.count("Tree=") == 1 + np.argmax([p["ndcg_at_10"] for p in outcome.curve])


def test_the_model_text_gives_the_evaluation_scores_back() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    train, evaluation = learnable_lists(60, seed=0), learnable_lists(20, seed=1)
    outcome = train_isolated(train, evaluation, Settings(), seed=0)
    booster = lightgbm.Booster(model_str=outcome.model_text)
    assert booster.feature_name() == list(train.feature_names)
    assert booster.predict(evaluation.features).tolist() == outcome.evaluation_scores.tolist()


def test_a_task_survives_the_exchange_without_its_ids(tmp_path: Path) -> None:
    train = replace(learnable_lists(4, seed=0), weights=None)
    evaluation = replace(learnable_lists(3, seed=1), clicks=None)
    weights = np.linspace(0, 1, len(evaluation.item_ids)).astype(np.float32)
    task = TrainingTask(LambdaMART(trees=7), train, replace(evaluation, weights=weights), folds=2)
    write_task(task, tmp_path)
    back = read_task(tmp_path)
    assert (back.ranker, back.folds) == (task.ranker, 2)
    for there, here in ((back.train, task.train), (back.evaluation, task.evaluation)):
        assert there.feature_names == here.feature_names
        for field in ("offsets", "features", "clicks", "grades", "weights"):
            one, other = getattr(there, field), getattr(here, field)
            assert (one is None) == (other is None)
            assert one is None or (one.dtype == other.dtype and one.tolist() == other.tolist())


def test_the_training_process_loads_no_tensorflow() -> None:
    program = (
        "import sys, ranking.base_rankers.isolated_worker, lightgbm; "
        "print([name for name in ('tensorflow', 'keras', 'tfx') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_the_calling_process_loads_no_lightgbm() -> None:
    program = "import sys, ranking.base_rankers; print('lightgbm' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"


def test_data_that_teach_nothing_are_refused_before_a_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_module, "WORKER", "no.such.module")
    lists = learnable_lists(10, seed=0)
    with pytest.raises(DataError, match="label 'grade'"):
        train_isolated(replace(lists, grades=None), lists, Settings(), seed=0)
    with pytest.raises(TrainingError, match="folds: 11 for 10 requests"):
        train_isolated(lists, lists, Settings(folds=11), seed=0)


def test_a_process_that_dies_is_reported_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_module, "WORKER", "no.such.module")
    lists = learnable_lists(10, seed=0)
    with pytest.raises(TrainingError, match=r"ended with status 1: .*no\.such"):
        train_isolated(lists, lists, Settings(), seed=0)


@pytest.mark.real_data
@pytest.mark.skipif(not MQ2008.is_dir(), reason="LETOR MQ2008 is not beside the checkout")
def test_mq2008_graded_labels_reach_an_ndcg_at_10_of_071_without_a_look_at_s4() -> None:
    train, evaluation = (letor(*parts) for parts in (("S1", "S2", "S3"), ("S4",)))
    settings = Settings(trees=400, leaves=15, learning_rate=0.05, patience=50, folds=10)
    outcome = train_isolated(train, evaluation, settings, seed=0)
    assert evaluation.grades is not None
    values = evaluate_lists(evaluation, outcome.evaluation_scores, evaluation.grades)["ndcg_at_10"]
    assert (~np.isnan(values)).sum() == 120
    assert np.nanmean(values) >= 0.71
