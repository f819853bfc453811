"""The benchmark of distillation counts parallel time by the slowest part and compares at equal accuracy."""

from functools import partial

import numpy as np
import pytest

from benchmarks import distillation
from benchmarks.cifar10 import Images
from benchmarks.distillation import Reached, compared, seconds_to_reach, speed_ups
from benchmarks.distillation_times import StepCosts, step_costs
from vision_components.backbones import resnet


def noise(rows, seed=0):
    rng = np.random.default_rng(seed)
    return Images(rng.integers(256, size=(rows, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=rows))


TRAININGS = [Reached(0.5, 10.0), Reached(0.7, 20.0), Reached(0.65, 30.0), Reached(0.8, 60.0)]


@pytest.mark.parametrize(
    ("wanted", "seconds"), [(0.4, 10.0), (0.5, 10.0), (0.6, 15.0), (0.7, 20.0), (0.75, 40.0), (0.81, None)]
)
def test_seconds_at_equal_accuracy_lie_between_the_lengths(wanted, seconds):
    found = seconds_to_reach(TRAININGS, wanted)
    assert found is None if seconds is None else found == pytest.approx(seconds)


def test_a_training_that_is_never_as_accurate_bounds_the_speed_up():
    assert speed_ups(Reached(0.75, 5.0), TRAININGS, slowest=5.0, total=35.0) == pytest.approx(
        {"parallel_speed_up": 4.0, "compute_ratio": 1.0}
    )
    assert speed_ups(Reached(0.9, 5.0), TRAININGS, slowest=5.0, total=35.0) == pytest.approx(
        {"parallel_speed_up_at_least": 6.0, "compute_ratio_at_least": 1.5}
    )


def test_a_kept_activation_costs_the_teacher_once():
    costs = StepCosts(teacher={"a": 2.0, "b": 3.0}, student={"a": 1.0, "b": 0.5}, whole=9.0)
    assert costs.running(10) == {"a": 30.0, "b": 35.0}
    assert costs.cached(10, epochs=5) == {"a": 14.0, "b": 11.0}


@pytest.mark.slow
def test_everything_is_compared(monkeypatch):
    monkeypatch.setattr(distillation, "BATCH", 32)
    monkeypatch.setattr(distillation, "TUNED", (0.0, 0.5, 1.0))
    measured = partial(step_costs, turns=1, repeats=1)
    monkeypatch.setattr(distillation, "step_costs", measured)
    teacher = resnet(8, 10, width=4, input_shape=(32, 32, 3))
    before = teacher.get_weights()
    figures, rows = compared(teacher, noise(64), noise(40, 1), 1, (1,))
    names = [row["network"] for row in rows]
    assert names[:4] == ["teacher", "parts put together", "parts, 0.5 epochs together", "parts, 1 epochs together"]
    assert names[4:] == [
        "end to end, 1 epochs",
        *(f"parts from {kind} noise" for kind in ("gaussian", "matched", "measured")),
    ]
    for kind in ("running", "cached"):
        slowest = figures[f"seconds_of_the_slowest_part_teacher_{kind}"]
        assert 0 < slowest < figures[f"seconds_of_all_parts_teacher_{kind}"]
    assert {"relative_error_block_1", "relative_error_block_3"} <= set(figures)
    assert rows[1]["million multiply-adds"] < rows[0]["million multiply-adds"]
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
