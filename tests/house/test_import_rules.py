"""Who may import whom (docs/architecture.md)."""

import subprocess
import sys

import pytest

from tests.house.modules import (
    FIRST_PARTY,
    MAY_IMPORT,
    PACKAGES,
    ROOT,
    imported_modules,
    imported_roots,
    module_file,
    named_modules,
    python_files,
)

TENSORFLOW = {
    "apache_beam",
    "keras",
    "ml_metadata",
    "tensorflow",
    "tensorflow_metadata",
    "tensorflow_ranking",
    "tensorflow_transform",
    "tfx",
    "tfx_bsl",
}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package):
    first_party = imported_roots(package) & set(FIRST_PARTY)
    assert first_party <= MAY_IMPORT[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_runs_no_module_that_it_may_not_import(package):
    named = {name.split(".")[0] for path in python_files(package) for name in named_modules(path)}
    assert named <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", python_files("serving"), ids=lambda path: str(path.relative_to(ROOT)))
def test_serving_never_imports_tensorflow(path):
    assert not {name for name in imported_modules(path) if name.split(".")[0] in TENSORFLOW}


def test_the_command_line_and_the_error_tree_import_click_and_the_standard_library_only():
    used = set().union(*map(imported_roots, ("seriatim", "seriatim_commands", "seriatim_errors")))
    assert used - set(sys.stdlib_module_names) == {"click", "seriatim_commands", "seriatim_errors"}


@pytest.mark.parametrize("package", FIRST_PARTY)
def test_every_first_party_import_leads_to_a_module(package):
    for path in python_files(package):
        for name in imported_modules(path):
            if name.split(".")[0] in FIRST_PARTY:
                assert module_file(name) is not None, f"{path} imports {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package):
    program = (
        f"import sys, {package}; print(sorted({{'tensorflow', 'lightgbm', 'tfx', 'apache_beam'}} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import tensorflow.keras", "tensorflow.keras"),
        ("def f():\n    from tensorflow import keras", "tensorflow.keras"),
        ("if True:\n    import numpy, tfx as t", "tfx"),
        ("from . import near", "a.b.near"),
        ("from .near import x", "a.b.near"),
        ("from ..far import x", "a.far"),
        ("import importlib\nimportlib.import_module('numpy.linalg')", "numpy.linalg"),
        ("from importlib import import_module\nimport_module('tfx')", "tfx"),
        ("__import__('tfx')", "tfx"),
    ],
)
def test_every_way_to_import_is_seen(tmp_path, source, name):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for file in ("module.py", "__init__.py"):
        path = tmp_path / "a" / "b" / file
        path.write_text(source, encoding="utf-8")
        assert name in imported_modules(path, tmp_path)


def test_modules_named_in_strings_are_seen_and_prose_is_not(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "RUN = ['-m', 'pipelines.config', 'pipelines.commands.run:run', 'pipelines.run.f']\n"
        "PROSE = ['pipelines', 'see pipelines.config', 'a.b']"
    )
    assert named_modules(path) == {"pipelines.config", "pipelines.commands.run", "pipelines.run"}
