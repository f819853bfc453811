"""The search for students: budgets are kept, dynamic programming finds what brute force finds."""

import itertools

import numpy as np
import pytest

from seriatim_errors import DataError
from tests.vision_components.networks import images, network
from vision_components.distillation import StudentSearch, residual_student, split
from vision_components.distillation.report import accuracy_of
from vision_components.multiply_adds import count_macs


@pytest.fixture(scope="module")
def parts():
    return split(network(depth=8, input_shape=(16, 16, 3)))


def made(parts, seed=0, candidates=4):
    """A search with errors and costs as they come, as if candidates had been learned."""
    rng = np.random.default_rng(seed)
    names = [part.name for part in parts.neighbourhoods]
    search = StudentSearch(parts, {"block_1": {"thin": residual_student(parts.neighbourhoods[1])}})
    for name in names:
        search.costs[name] = {"teacher": 100, **{f"c{one}": int(rng.integers(5, 95)) for one in range(candidates)}}
        search.errors[name] = {"teacher": 0.0, **{f"c{one}": float(rng.uniform()) for one in range(candidates)}}
    return search


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [60, 150, 250, 399, 400])
def test_dynamic_programming_finds_what_brute_force_finds(parts, seed, budget):
    search = made(parts, seed)
    names = list(search.costs)
    best = min(
        (
            (sum(search.errors[part][one] for part, one in zip(names, choice, strict=True)), choice)
            for choice in itertools.product(*(search.costs[part] for part in names))
            if sum(search.costs[part][one] for part, one in zip(names, choice, strict=True)) <= budget
        ),
        default=None,
    )
    if best is None:
        with pytest.raises(DataError, match="the cheapest choice costs"):
            search.budgeted(budget)
        return
    found = search.budgeted(budget)
    assert found.cost <= budget
    assert found.error == pytest.approx(best[0])


@pytest.mark.parametrize("seed", range(4))
def test_another_candidate_never_makes_it_worse(parts, seed):
    search = made(parts, seed, candidates=2)
    before = search.budgeted(250).error
    search.costs["block_2"]["more"], search.errors["block_2"]["more"] = 30, 0.2
    assert search.budgeted(250).error <= before


@pytest.mark.slow
def test_learned_candidates_are_chosen_by_their_errors(parts):
    candidates = {
        part.name: {"half": residual_student(part, 0.5), "light": residual_student(part, 1.0, separable=True)}
        for part in parts.neighbourhoods[1:]
    }
    pixels = images(64)
    search = StudentSearch(parts, candidates).fit(pixels, epochs=2, batch_size=16)
    assert set(search.errors["block_1"]) == {"teacher", "half", "light"}
    assert search.costs["block_3"]["half"] == count_macs(candidates["block_3"]["half"], (8, 8, 8))
    whole = sum(costs["teacher"] for costs in search.costs.values())
    choice = search.budgeted(int(0.8 * whole))
    assert choice.cost <= 0.8 * whole
    assert search.budgeted(whole).error == 0
    labels = parts.teacher(pixels).numpy().argmax(axis=1)
    local = search.local(pixels, labels, max_drop=0.1)
    for part, name in local.names.items():
        if name != "teacher":
            swapped = parts.compose({part: candidates[part][name]})
            assert accuracy_of(swapped, pixels, labels) >= 0.9
    free = search.local(pixels, labels, max_drop=1.0)
    assert free.cost == sum(min(costs.values()) for costs in search.costs.values())
    model = search.assembled(choice)
    assert model(pixels[:2]).shape == (2, 4)


def test_searches_that_cannot_be_are_refused(parts):
    with pytest.raises(DataError, match="no candidates"):
        StudentSearch(parts, {"block_1": {}})
    student = residual_student(parts.neighbourhoods[1])
    with pytest.raises(DataError, match="rename it"):
        StudentSearch(parts, {"block_1": {"teacher": student}})
    with pytest.raises(DataError, match="call fit first"):
        StudentSearch(parts, {"block_1": {"thin": student}}).budgeted(10)
    with pytest.raises(DataError, match="the neighbourhood"):
        StudentSearch(parts, {"block_2": {"thin": student}})
