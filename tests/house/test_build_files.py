"""BUILD files say what the code does: every module in one target, `deps` as imported, `visibility` as allowed."""

import pytest

from tests.house.bazel import Target, build_files, is_visible, read_targets
from tests.house.modules import (
    FIRST_PARTY,
    MAY_IMPORT,
    PACKAGES,
    ROOT,
    imported_modules,
    module_file,
    named_modules,
    python_files,
)

TARGETS = read_targets()
# The file that starts a test is the same for every folder of tests.
OWNERS = {path: target for target in TARGETS.values() for path in target.srcs - {target.main}}


def targets_used(target):
    """Labels of the targets whose modules a target's sources import or name."""
    used = set()
    for path in target.srcs:
        names = imported_modules(path) | named_modules(path)
        used |= {OWNERS[module_file(name)].label for name in names if module_file(name) in OWNERS}
    return used - {target.label}


def with_everything_above(deps):
    """`deps` and what they depend on, for a folder's `__init__` is imported without being named."""
    reached = set(deps)
    while more := {dep for label in reached for dep in TARGETS[label].deps} - reached:
        reached |= more
    return reached


def test_every_module_is_in_exactly_one_target():
    shared = {target.main for target in TARGETS.values() if target.rule == "py_test"}
    sources = [path for target in TARGETS.values() for path in target.srcs - shared]
    modules = {path for package in FIRST_PARTY for path in python_files(package)} | set(ROOT.glob("*.py"))
    assert len(sources) == len(set(sources))
    assert set(sources) | shared == modules


@pytest.mark.parametrize("label", TARGETS)
def test_deps_are_what_the_sources_import(label):
    target = TARGETS[label]
    fixtures = {"//tests:fixtures"} if target.rule == "py_test" else set()
    assert target.deps == targets_used(target) | fixtures


@pytest.mark.parametrize("label", TARGETS)
def test_deps_exist_and_are_visible(label):
    for dep in TARGETS[label].deps:
        assert is_visible(TARGETS[dep], TARGETS[label].package), f"{label} may not depend on {dep}"


@pytest.mark.parametrize("label", TARGETS)
def test_no_target_depends_on_itself_by_a_detour(label):
    assert label not in with_everything_above(TARGETS[label].deps)


@pytest.mark.parametrize("package", PACKAGES)
def test_visibility_is_who_may_import(package):
    target = TARGETS[f"//{package}:{package}"]
    may = {f"//{name}" for name, allowed in MAY_IMPORT.items() if package in allowed} | {"//tests"}
    if package in {name.split(".")[0] for name in named_modules(ROOT / "seriatim.py")}:
        may.add("//")
    everyone = {path.parent for path in build_files()}
    asking = {"//" if folder == ROOT else f"//{folder.name}" for folder in everyone}
    assert {name for name in asking if is_visible(target, name)} == may


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_one_target_and_no_build_file_below_that_a_glob_would_stop_at(package):
    assert [target.label for target in TARGETS.values() if target.package == f"//{package}"] == [
        f"//{package}:{package}"
    ]
    assert [path for path in build_files() if (ROOT / package) in path.parents] == [ROOT / package / "BUILD"]


@pytest.mark.parametrize("label", [label for label, target in TARGETS.items() if target.rule != "py_library"])
def test_what_runs_is_not_named_like_a_folder_beside_it(label):
    package, name = label.split(":")
    assert not (ROOT / package.strip("/") / name).is_dir(), "the program and the folder would have one path"


def test_every_folder_of_tests_is_run_by_one_target():
    run = [path for target in TARGETS.values() if target.rule == "py_test" for path in target.srcs]
    folders = {path.parent for path in ROOT.glob("tests/**/test_*.py")}
    assert folders <= {path.parent for path in run}


def test_data_files_that_a_package_reads_travel_with_it():
    for package in PACKAGES:
        beside = {
            path
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc", ".pyi"} and path.name != "BUILD"
        }
        assert beside == TARGETS[f"//{package}:{package}"].data


def write_tree(root, **files):
    for name, text in files.items():
        folder = root if name == "top" else root / name
        folder.mkdir(exist_ok=True)
        (folder / "BUILD").write_text(text, encoding="utf-8")
        (folder / "a.py").touch()
    return root


LOAD = 'load("@rules_python//python:py_library.bzl", "py_library")\n'


def test_reading_expands_globs_and_labels(tmp_path):
    rule = LOAD + '[py_library(name = n, srcs = glob(["**/*.py"]), deps = [":x", "//b"]) for n in ["top"]]'
    write_tree(tmp_path, top=rule, b=LOAD + 'py_library(name = "b", srcs = ["a.py"], visibility = ["//:__pkg__"])')
    top, b = (read_targets(tmp_path)[label] for label in ("//:top", "//b:b"))
    assert top.srcs == {tmp_path / "a.py"}, "a glob stops where another BUILD file stands"
    assert top.deps == {"//:x", "//b:b"}
    assert is_visible(b, "//")
    assert not is_visible(b, "//c")
    assert not is_visible(top, "//b")


def test_subpackages_and_public_grant_as_bazel_does():
    def shown(*visibility):
        empty = frozenset()
        return Target("//a:a", "py_library", empty, empty, None, empty, frozenset(visibility))

    assert is_visible(shown("//:__subpackages__"), "//anything/below")
    assert is_visible(shown("//b:__subpackages__"), "//b/c")
    assert not is_visible(shown("//b:__subpackages__"), "//bc")
    assert not is_visible(shown("//b:__pkg__"), "//b/c")
    assert is_visible(shown("//visibility:public"), "//b")
    assert not is_visible(shown("//visibility:private"), "//b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOAD + 'py_library(name = "a", srcs = glob(["*.txt"]))', "matches nothing"),
        (LOAD + 'py_library(name = f"a")', "JoinedStr"),
        ("import os", "calls and assignments"),
        (LOAD + 'py_library(name = "a")\npy_library(name = "a")', "defined twice"),
    ],
)
def test_what_bazel_would_refuse_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_targets(write_tree(tmp_path, top=text))


def test_a_rule_that_is_not_loaded_is_unknown(tmp_path):
    with pytest.raises(NameError):
        read_targets(write_tree(tmp_path, top='py_library(name = "a")'))
