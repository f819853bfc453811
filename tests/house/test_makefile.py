"""The Makefile: what a newcomer types, dry-run; and that set-up brings uv exactly where none works."""

import os
import re
import shutil
import subprocess

import pytest

from tests.house.modules import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):(?!=)", TEXT, flags=re.MULTILINE)


@pytest.fixture
def checkout(tmp_path):
    """A folder with what set-up reads, and a path on which only the system's programs stand."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def run_make(folder, *arguments, path):
    """Run make on its own, even when make runs the tests."""
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    environment["PATH"] = os.pathsep.join(map(str, path))
    return subprocess.run([MAKE, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def dry_run(folder, target, *programs):
    """What `make target` would run, with `programs` first on the path and no uv behind them."""
    system = [entry for entry in os.get_exec_path() if not os.path.exists(os.path.join(entry, "uv"))]
    finished = run_make(folder, "-n", target, path=[*programs, *system])
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def program(folder, text):
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return folder


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned_and_is_phony_and_explained(checkout, target):
    dry_run(checkout, target)
    assert target in re.search(r"^\.PHONY: (.*)$", TEXT, flags=re.MULTILINE)[1].split()
    assert re.search(rf"^{target}:.*## \w", TEXT, flags=re.MULTILINE)


JOBS = ["run", "serve", "test", "coverage", "mutants", "bazel-test", "check", "format", "bench", "proto", "docs"]


@pytest.mark.parametrize("target", JOBS)
def test_every_job_sets_up_first(checkout, target):
    assert "sync --frozen" in dry_run(checkout, target)


def test_without_uv_set_up_fetches_its_own_copy_before_it_installs(checkout):
    plan = dry_run(checkout, "setup")
    steps = ("python3 -m venv .tools", ".tools/bin/pip install", ".tools/bin/uv sync --frozen")
    assert [plan.index(step) for step in steps] == sorted(plan.index(step) for step in steps)


def test_a_uv_on_the_path_is_used(checkout):
    plan = dry_run(checkout, "setup", program(checkout / "bin", "echo uv 0.0.0"))
    assert "\nuv sync --frozen" in plan
    assert ".tools" not in plan


def test_a_shim_that_refuses_to_run_counts_as_no_uv(checkout):
    plan = dry_run(checkout, "setup", program(checkout / "bin", "exit 127"))
    assert ".tools/bin/uv sync --frozen" in plan


def test_set_up_is_not_repeated_while_the_lock_is_unchanged(checkout):
    programs = program(checkout / "bin", "echo uv 0.0.0")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".synced").touch()
    assert "sync" not in dry_run(checkout, "test", programs)
    later = (checkout / ".venv" / ".synced").stat().st_mtime + 1
    os.utime(checkout / "uv.lock", (later, later))
    assert "sync" in dry_run(checkout, "test", programs)


def test_a_set_up_that_failed_is_not_taken_for_done(checkout):
    programs = program(checkout / "bin", '[ "$1" = sync ] && exit 9; echo uv 0.0.0')
    finished = run_make(checkout, "setup", path=[programs, *os.get_exec_path()])
    assert finished.returncode != 0
    assert "needs Python 3.10" in finished.stderr
    assert not (checkout / ".venv" / ".synced").exists()


def test_cleaning_keeps_what_runs_made(checkout):
    words = dry_run(checkout, "clean").split()
    assert ".venv" in words
    assert not {"runs", "bundles", "data"} & set(words)


def test_make_alone_lists_every_target(checkout):
    shown = run_make(checkout, path=os.get_exec_path()).stdout
    assert re.findall(r"^make ([a-z-]+)", shown, flags=re.MULTILINE) == TARGETS


def test_continuous_integration_runs_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")
