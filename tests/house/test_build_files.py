"""BUILD files say what the code does: every module in one target, `deps` as imported, `visibility` as allowed."""

import ast

import pytest

from tests.house.modules import PACKAGES, ROOT, imported_roots, python_files
from tests.house.test_import_rules import MAY_IMPORT

LABELS = {"seriatim_errors": "//:errors", "seriatim": "//:seriatim"}


def targets(folder):
    """Rule calls of a BUILD file: name, srcs patterns, deps and visibility, as written."""
    tree = ast.parse((ROOT / folder / "BUILD").read_text(encoding="utf-8"))
    default = next(
        (strings(keyword.value) for call in calls(tree, "package") for keyword in call.keywords),
        [],
    )
    found = {}
    for rule in ("py_library", "py_binary", "py_test"):
        for call in calls(tree, rule):
            values = {keyword.arg: keyword.value for keyword in call.keywords}
            name = values["name"]
            found[name.value if isinstance(name, ast.Constant) else rule] = {
                "srcs": strings(values["srcs"]),
                "deps": set(strings(values["deps"])) if "deps" in values else set(),
                "visibility": set(strings(values["visibility"])) if "visibility" in values else set(default),
            }
    return found


def calls(tree, name):
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def strings(node):
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def label(package):
    return LABELS.get(package, f"//{package}")


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_every_module_of_a_package_is_in_its_one_target(package):
    [target] = targets(package).values()
    covered = {path for pattern in target["srcs"] for path in (ROOT / package).glob(pattern)}
    assert covered == set(python_files(package))


def test_top_level_modules_are_in_one_target_each():
    sources = [source for target in targets(".").values() for source in target["srcs"]]
    assert sorted(sources) == sorted(path.name for path in ROOT.glob("*.py"))


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_deps_are_what_the_package_imports(package):
    [target] = targets(package).values()
    imported = imported_roots(package) & set(MAY_IMPORT) - {package}
    assert target["deps"] == {label(name) for name in imported}


def test_the_command_line_depends_on_the_packages_of_its_subcommands():
    from seriatim import SUBCOMMANDS

    used = {subcommand.target.split(".")[0] for subcommand in SUBCOMMANDS.values()}
    assert targets(".")["seriatim"]["deps"] == {":errors"} | {label(name) for name in used}


@pytest.mark.parametrize("package", PACKAGES)
def test_visibility_is_who_may_import(package):
    [target] = targets(package).values()
    importers = {name for name, allowed in MAY_IMPORT.items() if package in allowed and name != package}
    expected = {f"//{name}:__pkg__" for name in importers & {*PACKAGES, "benchmarks"}} | {"//tests:__pkg__"}
    if any(path.startswith(f"{package}.") for path in command_targets()):
        expected.add("//:__pkg__")
    assert target["visibility"] == expected


def command_targets():
    from seriatim import SUBCOMMANDS

    return [subcommand.target for subcommand in SUBCOMMANDS.values()]


def test_the_tests_target_depends_on_what_the_tests_import():
    [target] = targets("tests").values()
    assert target["deps"] == {label(name) for name in imported_roots("tests") & set(MAY_IMPORT)}
