"""The reference of the Python interface: one page a module with public names, read from the source, nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable
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
        names: what it gives, sorted.
    """

    name: str
    names: tuple[str, ...]

    @property
    def page(self) -> str:
        """Path of its page in the site."""
        return f"reference/python/{self.name}.md"


def public_modules(root: Path) -> list[PublicModule]:
    """The packages of the checkout that say in `__all__` what is public, and the errors."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("__init__.py")):
            names = _listed(ast.parse(path.read_text(encoding="utf-8")))
            if names:
                found.append(PublicModule(".".join(path.relative_to(root).parts[:-1]), names))
    errors = ast.parse((root / f"{ERRORS}.py").read_text(encoding="utf-8"))
    return [*found, PublicModule(ERRORS, tuple(sorted(n.name for n in errors.body if isinstance(n, ast.ClassDef))))]


def python_page(module: PublicModule) -> str:
    """The page, in Markdown; mkdocstrings puts the docstrings in."""
    options = yaml.safe_dump({"options": {"members": list(module.names)}}, indent=2)
    indented = "\n".join(f"    {line}" for line in options.splitlines())
    return f"# {module.name}\n\n::: {module.name}\n{indented}\n"


def navigation(modules: Iterable[PublicModule]) -> list[dict[str, Any]]:
    """Entries of the navigation: a section a package, titles without what the section says already."""
    sections: dict[str, list[dict[str, str]]] = {}
    for module in modules:
        package, _, rest = module.name.partition(".")
        sections.setdefault(package, []).append({rest or package: module.page})
    return [{package: pages} if len(pages) > 1 else pages[0] for package, pages in sections.items()]


def _listed(module: ast.Module) -> tuple[str, ...]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return tuple(ast.literal_eval(statement.value))
    return ()
