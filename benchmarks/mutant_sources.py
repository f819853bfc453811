"""One changed module a mutant, by mutmut's own rules of what to change."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace


@dataclass(frozen=True)
class Mutant:
    """A module of which one expression differs.

    Attributes:
        path: of the module.
        owner: the function, or `Class.method`, that holds the change.
        lines: of the module, from 1, that the change replaces.
        body: lines of the function.
        before: their text, stripped and joined by spaces.
        after: what stands there instead.
        source: of the whole changed module.
    """

    path: Path
    owner: str
    lines: tuple[int, ...]
    body: range
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """A name that lines above the change do not alter."""
        return f"{self.path.as_posix()}:{self.owner}: {self.before} => {self.after}"


def mutants_of(path: Path) -> list[Mutant]:
    """All distinct mutants of a module but those of the texts of its errors, and but those that put None for a value.

    `f(None)` and `x = None` would fail wherever they are reached at all: they test that, and cost a half of the time.
    """
    code = path.read_text(encoding="utf-8")
    module, mutations, _, _ = create_mutations(str(path), code)
    texts = set(_nodes_of_errors(module))
    places = {id(node): (index, owner) for index, owner, node in _functions(module)}
    bodies = _bodies(code)
    parts = [module.code_for_node(line) for line in module.header]
    offset = len(parts)
    parts += [module.code_for_node(statement) for statement in module.body]
    parts += [module.code_for_node(line) for line in module.footer]
    found: dict[str, Mutant] = {}
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if id(function) not in places or id(mutation.original_node) in texts or _puts_none(mutation):
            continue
        index, owner = places[id(function)]
        changed = parts.copy()
        changed[offset + index] = _rendered(module, index, mutation)
        source = "".join(changed)
        if source != code:
            lines, before, after = _change(code, source)
            found.setdefault(source, Mutant(path, owner, lines, bodies[owner], before, after, source))
    return list(found.values())


def _puts_none(mutation: Mutation) -> bool:
    before, after = mutation.original_node, mutation.mutated_node
    if isinstance(before, cst.Assign | cst.AnnAssign) and isinstance(after, cst.Assign | cst.AnnAssign):
        return _is_none(after.value)
    if isinstance(before, cst.Call) and isinstance(after, cst.Call) and len(before.args) == len(after.args):
        return any(_is_none(new.value) and new is not old for old, new in zip(before.args, after.args, strict=True))
    return False


def _is_none(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _rendered(module: cst.Module, index: int, mutation: Mutation) -> str:
    statement = deep_replace(module.body[index], mutation.original_node, mutation.mutated_node)
    assert isinstance(statement, cst.CSTNode)
    return module.code_for_node(statement)


def _functions(module: cst.Module) -> Iterator[tuple[int, str, cst.CSTNode]]:
    """Of each function and method the place of its top statement, and its name."""
    for index, statement in enumerate(module.body):
        if isinstance(statement, cst.FunctionDef):
            yield index, statement.name.value, statement
        elif isinstance(statement, cst.ClassDef):
            for member in statement.body.body:
                if isinstance(member, cst.FunctionDef):
                    yield index, f"{statement.name.value}.{member.name.value}", member


def _bodies(code: str) -> dict[str, range]:
    """Lines of each function's statements."""
    found = {}
    for statement in ast.parse(code).body:
        is_class = isinstance(statement, ast.ClassDef)
        for one in statement.body if is_class else [statement]:
            if isinstance(one, ast.FunctionDef):
                name = f"{statement.name}.{one.name}" if is_class else one.name
                found[name] = range(one.body[0].lineno, (one.end_lineno or 0) + 1)
    return found


def _nodes_of_errors(node: cst.CSTNode, inside: bool = False) -> Iterator[int]:
    inside = inside or isinstance(node, cst.Raise)
    if inside:
        yield id(node)
    for child in node.children:
        yield from _nodes_of_errors(child, inside)


def _change(code: str, source: str) -> tuple[tuple[int, ...], str, str]:
    old, new = code.splitlines(), source.splitlines()
    lines: list[int] = []
    before: list[str] = []
    after: list[str] = []
    for kind, low, high, new_low, new_high in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            lines += range(low + 1, high + 1)
            before += [line.strip() for line in old[low:high]]
            after += [line.strip() for line in new[new_low:new_high]]
    return tuple(lines), " ".join(before), " ".join(after)
