"""The reference of the Python interface: one page a module with public names, read from the source, none imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PACKAGES = ("ranking", "structured", "vision_components", "serving", "pipelines")
# The tree of errors is public as a whole.
ERRORS = "seriatim_errors"


@dataclass(frozen=True)
class PublicModule:
    """A module that others may import from.

    Attributes:
        name: dotted.
        origins: what it gives, by name: each with the module in front that defines it.
    """

    name: str
    origins: Mapping[str, str]

    @property
    def page(self) -> str:
        """Path of its page in the site."""
        return f"reference/python/{self.name}.md"


def public_modules(root: Path) -> list[PublicModule]:
    """The packages of the checkout that say in `__all__` what is public, and the errors."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("__init__.py")):
            name = ".".join(path.relative_to(root).parts[:-1])
            origins = _origins(name, ast.parse(path.read_text(encoding="utf-8")))
            if origins:
                found.append(PublicModule(name, origins))
    errors = ast.parse((root / f"{ERRORS}.py").read_text(encoding="utf-8"))
    classes = sorted(statement.name for statement in errors.body if isinstance(statement, ast.ClassDef))
    return [*found, PublicModule(ERRORS, {name: f"{ERRORS}.{name}" for name in classes})]


def python_page(root: Path, module: PublicModule) -> str:
    """The page, in Markdown; mkdocstrings puts the docstrings in."""
    # What is named like a module below is taken for that module, unless it is asked for by itself.
    below = root.joinpath(*module.name.split("."))
    hidden = [name for name in module.origins if (below / f"{name}.py").exists()]
    plain = [name for name in module.origins if name not in hidden]
    alone = {"show_root_heading": True, "show_root_toc_entry": True, "show_root_full_path": False}
    parts = [f"# {module.name}\n", _directive(module.name, {"members": plain})]
    return "\n".join([*parts, *(_directive(module.origins[name], alone) for name in hidden)])


def _directive(of: str, options: Mapping[str, Any]) -> str:
    indented = "\n".join(f"    {line}" for line in yaml.safe_dump({"options": dict(options)}, indent=2).splitlines())
    return f"::: {of}\n{indented}\n"


def navigation(modules: Iterable[PublicModule]) -> list[dict[str, Any]]:
    """Entries of the navigation: a section a package, titles without what the section says already."""
    sections: dict[str, list[dict[str, str]]] = {}
    for module in modules:
        package, _, rest = module.name.partition(".")
        sections.setdefault(package, []).append({rest or package: module.page})
    return [{package: pages} if len(pages) > 1 else pages[0] for package, pages in sections.items()]


def _origins(name: str, module: ast.Module) -> dict[str, str]:
    """Names in a module's `__all__`, with where it imports each from."""
    listed: list[str] = []
    sources = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            listed = ast.literal_eval(statement.value)
        elif isinstance(statement, ast.ImportFrom):
            sources |= {alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names}
    return {each: sources.get(each, f"{name}.{each}") for each in listed}
