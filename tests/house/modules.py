"""The tree's modules and what they import, read from the source without importing anything."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipelines", "ranking", "serving", "structured", "vision_components")
FIRST_PARTY = (*PACKAGES, "benchmarks", "tests", "seriatim", "seriatim_errors")


def python_files(package):
    """Source files of a package, or the one file of a top-level module."""
    folder = ROOT / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]


def imported_modules(path):
    """Dotted names of all modules that a file imports, inside functions too; relative ones resolved."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: len(parts) - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.add(module)
    return names


def imported_roots(package):
    """First components of everything that a package's files import."""
    return {name.split(".")[0] for path in python_files(package) for name in imported_modules(path)}
