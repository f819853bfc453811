"""Mutation tests on a shop of three functions, and the table of what is mutated by which tests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.equivalent_mutants import reasons
from benchmarks.mutants import CORES
from tests.house.modules import ROOT

SHOP = """
def price(count, unit=2, *, gift=False):
    if count < 0:
        raise ValueError(f"count: {count}; give 0 or more")
    return 0 if gift else count * unit


class Basket:
    def total(self, prices):
        def paid(one):
            return one + 1
        return sum(map(paid, prices))


def forgotten(number):
    return number + 1
"""
TESTS = """
import pytest
import shop

def test_three_cost_six():
    assert shop.price(3) == 6
    assert shop.price(0) == 0
    with pytest.raises(ValueError):
        shop.price(-1)

def test_a_basket_costs_more_than_what_is_in_it():
    assert shop.Basket().total([1]) > 1
"""
PROFILE = "from hypothesis import settings\nsettings.register_profile('reproducible', derandomize=True)\n"
RUN = """
import sys, pytest
from pathlib import Path
from benchmarks.mutant_runs import MutantRuns
from benchmarks.mutant_sources import mutants_of
runs = MutantRuns(mutants_of(Path("shop.py")), Path("done.jsonl"), 600)
sys.exit(pytest.main(["-qs", "-p", "no:cacheprovider", "test_shop.py"], plugins=[runs]))
"""


def test_every_change_is_killed_survives_or_is_not_reached(tmp_path):
    project = {"shop.py": SHOP, "test_shop.py": TESTS, "conftest.py": PROFILE}
    for name, text in (project | {"pyproject.toml": '[tool.mutmut]\nsource_paths = ["."]\n'}).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    finished = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    done = [json.loads(line) for line in (tmp_path / "done.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {one["key"].removeprefix("shop.py:"): one["status"] for one in done} == {
        "price: def price(count, unit=2, *, gift=False): => def price(count, unit=3, *, gift=False):": "killed",
        "price: def price(count, unit=2, *, gift=False): => def price(count, unit=2, *, gift=True):": "killed",
        "price: if count < 0: => if count <= 0:": "killed",
        "price: if count < 0: => if count < 1:": "killed",
        "price: return 0 if gift else count * unit => return 1 if gift else count * unit": "survived",
        "price: return 0 if gift else count * unit => return 0 if (gift) and False else count * unit": "survived",
        "price: return 0 if gift else count * unit => return 0 if (gift) or True else count * unit": "killed",
        "price: return 0 if gift else count * unit => return 0 if gift else count / unit": "killed",
        "Basket.total: return one + 1 => return one - 1": "killed",
        "Basket.total: return one + 1 => return one + 2": "survived",
        "Basket.total: return sum(map(paid, prices)) => return sum(map(prices))": "killed",
        "Basket.total: return sum(map(paid, prices)) => return sum(map(paid, ))": "killed",
        "forgotten: return number + 1 => return number - 1": "not reached",
        "forgotten: return number + 1 => return number + 2": "not reached",
    }


def test_all_that_is_mutated_and_all_its_tests_are_there():
    for core in CORES.values():
        assert [name for name in core.modules if not (ROOT / core.folder / f"{name}.py").is_file()] == []
        assert [name for name in core.tests if not (ROOT / name.split("::")[0]).is_file()] == []


def test_every_reason_is_of_a_function_that_is_mutated():
    modules = [Path(core.folder, f"{name}.py") for core in CORES.values() for name in core.modules]
    functions = [
        f"{module.as_posix()}:{name}"
        for module in modules
        for name in re.findall(r"def (\w+)", (ROOT / module).read_text(encoding="utf-8"))
    ]
    for reason in reasons():
        ends = re.sub(r"(?<=:)[A-Z]\w*\\?\.", "", reason.where)
        assert any(re.fullmatch(ends, function) for function in functions), reason.where
