"""Who may import whom (docs/architecture.md)."""

import subprocess
import sys

import pytest

from tests.house.modules import FIRST_PARTY, PACKAGES, imported_modules, imported_roots, python_files

MAY_IMPORT = {
    "ranking": {"ranking", "seriatim_errors"},
    "structured": {"structured", "seriatim_errors"},
    "vision_components": {"vision_components", "seriatim_errors"},
    "serving": {"serving", "seriatim_errors"},
    "pipelines": {*PACKAGES, "seriatim_errors"},
    "benchmarks": {*PACKAGES, "benchmarks", "seriatim_errors"},
    "seriatim": {"seriatim_errors"},
    "seriatim_errors": set(),
}

TENSORFLOW = {"tensorflow", "keras", "tfx", "tensorflow_ranking", "tensorflow_transform", "apache_beam"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package):
    first_party = imported_roots(package) & set(FIRST_PARTY)
    assert first_party <= MAY_IMPORT[package]


def test_serving_never_imports_tensorflow():
    for path in python_files("serving"):
        heavy = {name for name in imported_modules(path) if name.split(".")[0] in TENSORFLOW}
        assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize("package", ["ranking", "pipelines", "serving", "structured", "vision_components"])
def test_importing_a_package_loads_nothing_heavy(package):
    program = (
        f"import sys, {package}; print(sorted({{'tensorflow', 'lightgbm', 'tfx', 'apache_beam'}} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
