"""Who defines a name and who uses it, read from the source without importing anything.

Functions, classes and constants are followed by the imports of their module. Methods are matched by name alone: one
counts as used wherever something of its name is read.
"""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.modules import (
    FIRST_PARTY,
    PACKAGES,
    ROOT,
    imported_modules,
    module_file,
    named_modules,
    parsed,
    python_files,
    written_files,
)

TESTS = ROOT / "tests"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# What a framework calls through a table of its own: click's commands, pydantic's validators, pytest's fixtures.
REGISTERED = re.compile(r"\b(command|group|fixture)\b|(validator|serializer)\b")
# Bases that call none of a class's own methods by name.
CALL_NOTHING = {"ABC", "BaseModel", "Enum", "Exception", "Generic", "NamedTuple", "Protocol", "Section", "str"}


@dataclass(frozen=True)
class Definition:
    """A function, class, method or constant, with the class it stands in."""

    path: Path
    name: str
    node: ast.AST
    owner: ast.ClassDef | None = None

    @property
    def place(self):
        name = f"{self.owner.name}.{self.name}" if self.owner else self.name
        return f"{self.path.relative_to(ROOT)}:{self.node.lineno} {name}"


def definitions(path):
    """All that a module defines at its top and in its classes, but what Python itself calls (`__init__` and such)."""
    for statement in parsed(path).body:
        found = [(name, statement, None) for name in _names_defined(statement)]
        if isinstance(statement, ast.ClassDef):
            found += [(node.name, node, statement) for node in statement.body if isinstance(node, FUNCTIONS)]
        for name, node, owner in found:
            if not name.startswith("__"):
                yield Definition(path, name, node, owner)


def _names_defined(statement):
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_used(definition):
    """Whether something outside a definition uses it, or a framework does, or its package offers it."""
    registered = any(REGISTERED.search(ast.unparse(mark)) for mark in getattr(definition.node, "decorator_list", []))
    # Pytest calls its hooks by their names.
    if registered or definition.name.startswith("pytest_"):
        return True
    return _method_is_used(definition) if definition.owner else _top_is_used(definition)


def _top_is_used(definition):
    path, name = definition.path, definition.name
    if (path, name) in offered() or _read(path)[name] > _read_below(definition.node)[name]:
        return True
    return any(name in _reached(user) for user in used_by(path) if user.name != "__init__.py")


def _method_is_used(definition):
    name, owner = definition.name, definition.owner
    # A notebook asks objects for pictures by names such as `_repr_svg_`.
    hook = name.startswith("_") and name.endswith("_")
    return (
        hook
        or (owner.name in offered_classes() and not name.startswith("_"))
        or _may_override(owner)
        or name in _reached_outside_tests()
    )


@cache
def importers():
    """For every module the files that import it, or name it in a string to import or run it later."""
    found = {}
    for path in written_files(FIRST_PARTY):
        for name in imported_modules(path) | named_modules(path):
            found.setdefault(module_file(name), set()).add(path)
    return {module: users - {module} for module, users in found.items()}


def used_by(path):
    """Files that import a module; tests count for tests alone."""
    return {user for user in importers().get(path, ()) if TESTS in path.parents or TESTS not in user.parents}


@cache
def offered():
    """What the packages' `__all__` list, as the file that defines it and its name."""
    found = set()
    for path in written_files(PACKAGES):
        if path.name == "__init__.py":
            listed, sources = exports(path), import_sources(path)
            found |= {(module_file(sources.get(name, "")), name) for name in listed}
    return found


@cache
def offered_classes():
    """Names of offered classes, and of the classes of ours that they inherit from."""
    found = {name for _, name in offered()} & set(_bases_by_class())
    while more := {base for name in found for base in _bases_by_class()[name]} & set(_bases_by_class()) - found:
        found |= more
    return found


def exports(path):
    """The names in a module's `__all__`; none when it has none."""
    for statement in parsed(path).body:
        if "__all__" in _names_defined(statement):
            return ast.literal_eval(statement.value)
    return []


def import_sources(path):
    """For every name that a package's `__init__` imports from a module, that module."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def is_script(path):
    """Whether a module does something when it is run."""
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in parsed(path).body)


def _may_override(owner):
    """Whether a class has a base that is not ours, which may call the methods that the class has in its place."""
    ours = set(_bases_by_class()) | CALL_NOTHING
    return any("." in base or base not in ours for base in map(_base_name, owner.bases))


@cache
def _bases_by_class():
    return {
        node.name: {_base_name(base) for base in node.bases}
        for path in written_files(PACKAGES)
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef)
    }


def _base_name(base):
    return ast.unparse(base).split("[")[0]


@cache
def _read(path):
    return _read_below(parsed(path))


def _read_below(node):
    """How often names are read as variables."""
    return Counter(
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Store)
    )


@cache
def _reached(path):
    """Names of other modules and of objects that a file reads: imported, behind a dot, or in a string of their own."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.alias):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.:]+", node.value):
            found |= set(re.split(r"[.:]", node.value))
    return found


@cache
def _reached_outside_tests():
    """`_reached` of all sources but tests, and the words of templates and scripts."""
    found = set().union(*(_reached(path) for name in FIRST_PARTY if name != "tests" for path in python_files(name)))
    pages = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in {".html", ".js"}]
    return found.union(*(re.findall(r"\w+", path.read_text(encoding="utf-8")) for path in pages))
