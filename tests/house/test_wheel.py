"""What is built to be installed: the packages whole, nothing of the checkout besides, and enough to run without it."""

import email
import json
import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.found_uv import found_uv
from tests.house.modules import COMMAND_LINE, FIRST_PARTY, PACKAGES, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PROJECT["project"]["version"]
# With small settings the shipped configuration runs in seconds; a Transform and a network are among what is left.
SMALL = (
    "data.simulate.requests=120", "base_ranker.trees=10", "base_ranker.folds=2", "gate.hidden_sizes=[]",
    "gate.epochs=2", "gate.folds=2", "seq2slate=null", "labeller=null", "images=null",
    "evaluation.model_analysis=false", "evaluation.bootstrap_samples=100", "evaluation.blessing_margin=1.0",
    "evaluation.slate_value.positions=1",
)  # fmt: skip
PROGRAM = """
import json, sys
from seriatim import cli

cli(sys.argv[1:], standalone_mode=False)
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a freshly built sdist and of the wheel built from it."""
    uv = found_uv() or pytest.skip("uv is not here: it builds the wheel")
    folder = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--offline", "--quiet", "--out-dir", str(folder), str(ROOT)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode and "offline" in finished.stderr.lower():
        pytest.skip("hatchling, which builds the wheel, is not in uv's cache")
    assert finished.returncode == 0, finished.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    with zipfile.ZipFile(built / f"seriatim-{VERSION}-py3-none-any.whl") as archive:
        yield archive


def files_of_the_packages():
    """Every file of the checkout that an installation needs, by its path there."""
    files = {path.name for path in ROOT.glob("seriatim*.py")}
    for package in PACKAGES:
        found = (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        files |= {path.relative_to(ROOT).as_posix() for path in found if path.name != "BUILD"}
    return files | {f"pipelines/configs/{path.name}" for path in ROOT.glob("configs/*.yaml")}


def test_the_wheel_holds_what_the_packages_need_and_nothing_else(wheel):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files_of_the_packages()


def test_the_sources_hold_what_their_own_tests_and_documents_need(built):
    with tarfile.open(built / f"seriatim-{VERSION}.tar.gz") as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("no git checkout: which files are sources is not known")
    assert set(tracked.stdout.splitlines()) <= held


def test_the_metadata_says_what_the_project_file_says(wheel):
    about = email.message_from_bytes(wheel.read(f"seriatim-{VERSION}.dist-info/METADATA"))
    assert (about["Name"], about["Version"], about["License-Expression"]) == ("seriatim", VERSION, "Apache-2.0")
    assert about["Requires-Python"] == "<3.14,>=3.10"
    assert set(about.get_all("Provides-Extra")) == set(PROJECT["project"]["optional-dependencies"])
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    licence = wheel.read(f"seriatim-{VERSION}.dist-info/licenses/{about['License-File']}")
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_brings_the_command(wheel):
    points = wheel.read(f"seriatim-{VERSION}.dist-info/entry_points.txt").decode()
    assert "[console_scripts]\nseriatim = seriatim:main" in points


def test_no_package_is_forgotten_where_the_wheel_cannot_be_built():
    included = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert included == {*PACKAGES, "configs", *(f"{name}.py" for name in COMMAND_LINE)}


@pytest.mark.slow
def test_a_small_default_pipeline_runs_from_the_wheel_outside_the_checkout(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    wheel.extractall(site)
    elsewhere.mkdir()
    given = [word for setting in SMALL for word in ("--set", setting)]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", *given],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    imported = json.loads(finished.stdout.splitlines()[-1])
    ours = {name: file for name, file in imported.items() if name.split(".")[0] in FIRST_PARTY}
    assert {name: file for name, file in ours.items() if not file.startswith(str(site))} == {}
    assert (elsewhere / "runs" / "marketplace" / "report" / "index.html").is_file()
    [bundle] = (elsewhere / "bundles" / "marketplace").glob("*/manifest.json")
    assert json.loads(bundle.read_text(encoding="utf-8"))["stages"]
