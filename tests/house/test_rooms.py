"""Every module and every name is there for something, and every package says what it offers."""

import ast
import re

import pytest

from tests.house.modules import FIRST_PARTY, PACKAGES, ROOT, written_files
from tests.house.uses import (
    definitions,
    exports,
    import_sources,
    is_script,
    is_used,
    offered,
    used_by,
)

NEEDS = "NEEDS"
LISTS = [path for path in written_files(PACKAGES) if path.name == "__init__.py"]


def test_every_module_is_imported_or_run():
    found_by_pytest = ("__init__.py", "conftest.py", "test_*.py")
    rooms = [path for path in written_files(FIRST_PARTY) if not any(map(path.match, found_by_pytest))]
    settings = (ROOT / "configs" / "mkdocs.yml").read_text(encoding="utf-8")
    loaded = {path for path in rooms if re.search(rf"\bdocs_site[./]{path.stem}\b", settings)}
    assert not [path for path in rooms if not used_by(path) and not is_script(path) and path not in loaded]


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_every_name_is_used_outside_tests_or_offered(package):
    defined = [definition for path in written_files([package]) for definition in definitions(path)]
    # Of every benchmark, and read from its source.
    unused = [each.place for each in defined if not is_used(each) and each.name != NEEDS]
    assert not unused, "remove them, use them, or offer them in their package's __all__"


def test_every_helper_of_tests_is_used():
    defined = [definition for path in written_files(["tests"]) for definition in definitions(path)]
    helpers = [each for each in defined if not each.owner and not each.name.startswith(("test_", "pytest"))]
    assert not [helper.place for helper in helpers if not is_used(helper)]


def test_no_test_imports_another():
    found = {path.name: used_by(path) for path in written_files(["tests"]) if path.match("test_*.py")}
    assert not {name: users for name, users in found.items() if users}, "what tests share belongs in a file of its own"


@pytest.mark.parametrize("path", LISTS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_package_lists_exactly_what_it_offers(path):
    imported = [name for name, module in import_sources(path).items() if module.split(".")[0] in PACKAGES]
    assert sorted(imported) == sorted(exports(path))


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_offered_is_explained(package):
    def is_explained(definition):
        if isinstance(definition.node, ast.ClassDef | ast.FunctionDef):
            return ast.get_docstring(definition.node)
        lines = definition.path.read_text(encoding="utf-8").splitlines()
        return lines[definition.node.lineno - 2].startswith("#")

    defined = [each for path in written_files([package]) for each in definitions(path) if not each.owner]
    listed = [each for each in defined if (each.path, each.name) in offered()]
    assert not [each.place for each in listed if not is_explained(each)]


SOURCE = """
from elsewhere import helper
USED = 1
UNUSED = 2
def used(): return USED
def calls_itself(): return calls_itself() + used() + helper()
class Kept(Foreign):
    def called_by_its_base(self): ...
class Plain:
    def read_nowhere_at_all(self): ...
    def __len__(self): return 0
    @field_validator("x")
    def checked(self): ...
"""


def test_what_nothing_uses_is_seen(tmp_path, monkeypatch):
    path = tmp_path / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr("tests.house.uses.ROOT", tmp_path)
    unused = [definition.place.split()[-1] for definition in definitions(path) if not is_used(definition)]
    assert unused == ["UNUSED", "calls_itself", "Kept", "Plain", "Plain.read_nowhere_at_all"]
