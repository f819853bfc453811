"""Nothing in the tree that does not belong in a release."""

import re
import subprocess

import pytest

from tests.house.modules import ROOT, python_files

# Put together from halves, so that this file does not name what it forbids.
FORBIDDEN = [
    re.compile("/wor" + "k/"),
    re.compile("sub" + "-?agent", re.IGNORECASE),
    re.compile("py" + r"pi\.org"),
    re.compile("npm" + r"js\."),
    re.compile("be" + "fore-stop"),
]
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b|\bNotImplemented" + "Error")
EMPTY_NAMES = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_names_a_workplace_or_a_registry(tracked):
    for path in tracked:
        if path.name == "uv.lock" or path.suffix in {".png", ".gz", ".npz"}:
            continue
        text = path.read_text(encoding="utf-8")
        for pattern in FORBIDDEN:
            assert not pattern.search(text), f"{path}: {pattern.pattern}"


def test_nothing_is_left_unfinished(tracked):
    for path in tracked:
        if path.suffix == ".py" and not path.name.endswith("_pb2_grpc.py"):
            assert not UNFINISHED.search(path.read_text(encoding="utf-8")), path


def test_every_file_name_says_something(tracked):
    assert not [path for path in tracked if path.name in EMPTY_NAMES]


def test_tests_do_not_sleep():
    pause = "time." + "sleep("
    assert not [path for path in python_files("tests") if pause in path.read_text(encoding="utf-8")]


def test_no_module_outgrows_its_room():
    long = [path for package in ("ranking", "pipelines", "serving") for path in python_files(package)]
    assert not [path for path in long if len(path.read_text(encoding="utf-8").splitlines()) > 500]
