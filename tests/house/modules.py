"""The tree's modules, what they import and what they may, read from the source without importing anything."""

import ast
import re
from functools import cache
from pathlib import Path

# Resolved, so that a build tool's tree of links still leads to the checkout itself.
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "ranking", "serving", "structured", "vision_components")
COMMAND_LINE = ("seriatim", "seriatim_commands", "seriatim_config", "seriatim_errors")
FIRST_PARTY = (*PACKAGES, "benchmarks", "configs", "tests", *COMMAND_LINE)

MAY_IMPORT = {
    "ranking": {"ranking", "seriatim_errors"},
    "structured": {"structured", "seriatim_errors"},
    "vision_components": {"vision_components", "seriatim_errors"},
    "serving": {"serving", "seriatim_config", "seriatim_errors"},
    "pipelines": {*PACKAGES, "seriatim_commands", "seriatim_config", "seriatim_errors"},
    "benchmarks": {*PACKAGES, "benchmarks", "seriatim_errors"},
    "configs": {"configs", "pipelines", "seriatim", "seriatim_config", "serving"},
    "seriatim": {"seriatim_commands", "seriatim_errors"},
    "seriatim_commands": set(),
    "seriatim_config": {"seriatim_config", "seriatim_errors"},
    "seriatim_errors": set(),
}

GENERATED = re.compile(r"_pb2(_grpc)?\.py$")
MODULE_NAME = re.compile(r"([a-z_0-9]+(?:\.[a-z_0-9]+)+)(?::[a-z_0-9]+)?")


def python_files(package):
    """Source files of a package, or the one file of a top-level module."""
    folder = ROOT / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]


def written_files(packages):
    """Sources of packages that people write: all but what the protocol compiler makes."""
    return [path for package in packages for path in python_files(package) if not GENERATED.search(path.name)]


def parsed(path):
    """A source file's syntax tree; a text is parsed once, whoever asks."""
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(text):
    return ast.parse(text)


def imported_modules(path, root=ROOT):
    """Dotted names of what a file imports, inside functions and by `import_module("...")` too; relative ones resolved.

    `from a import b` gives both `a` and `a.b`: whether `b` is a module cannot be seen from the statement.
    """
    parts = path.relative_to(root).with_suffix("").parts
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: len(parts) - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and imports_by_name(node.func):
            names |= {given.value for given in node.args[:1] if isinstance(given, ast.Constant)}
    return names


def imports_by_name(function):
    """Whether a called function is `importlib.import_module` or `__import__`."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    return name in {"import_module", "__import__"}


def named_modules(path):
    """First-party modules that a file names in a string of their own, to run or to import later."""
    strings = (
        node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    found = {match.group(1) for match in map(MODULE_NAME.fullmatch, strings) if match}
    # TFX names a function as `package.module.function`.
    found |= {name.rpartition(".")[0] for name in found if name.count(".") > 1 and source_of(name) is None}
    return {name for name in found if name.split(".")[0] in FIRST_PARTY and source_of(name) is not None}


def module_file(name):
    """The first-party source file behind a dotted name, or behind its longest beginning that is a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        source = source_of(".".join(parts[:length]))
        if parts[0] in FIRST_PARTY and source is not None:
            return source
    return None


def source_of(name):
    """The file of exactly the module `name`; None when there is none."""
    stem = ROOT.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def imported_roots(package):
    """First components of everything that a package's files import."""
    return {name.split(".")[0] for path in python_files(package) for name in imported_modules(path)}
