"""BUILD files read as Bazel reads them: run with the rules as recorders, globs expanded in the tree."""

import ast
from dataclasses import dataclass
from pathlib import Path

from tests.house.modules import ROOT

STATEMENTS = (ast.Expr, ast.Assign)
NOT_STARLARK = (ast.JoinedStr, ast.Lambda, ast.GeneratorExp, ast.Set, ast.SetComp, ast.Await, ast.NamedExpr)


@dataclass(frozen=True)
class Target:
    """One rule of a BUILD file; labels in full (`//package:name`), sources as paths."""

    label: str
    rule: str
    srcs: frozenset[Path]
    data: frozenset[Path]
    main: Path | None
    deps: frozenset[str]
    visibility: frozenset[str]

    @property
    def package(self):
        """The label's package, such as `//ranking`; `//` for the root."""
        return self.label.split(":")[0]


def build_files(root=ROOT):
    """All BUILD files of the tree, tools and environments left out."""
    return sorted(path for path in root.glob("**/BUILD") if not path.relative_to(root).parts[0].startswith("."))


def read_targets(root=ROOT):
    """Every target of every BUILD file by its label."""
    found = {}
    for path in build_files(root):
        for target in _targets_of(path, root):
            if target.label in found:
                raise ValueError(f"{path}: {target.label} is defined twice")
            found[target.label] = target
    return found


def is_visible(target, package):
    """Whether a target may be named in the BUILD file of `package`, such as `//pipelines`."""
    if package == target.package or "//visibility:public" in target.visibility:
        return True
    return any(_grants(entry, package) for entry in target.visibility)


def _grants(entry, package):
    granting, kind = entry.split(":")
    if kind == "__subpackages__":
        return package == granting or package.startswith(granting.rstrip("/") + "/")
    return kind == "__pkg__" and package == granting


def _targets_of(path, root):
    folder, text = path.parent, path.read_text(encoding="utf-8")
    _require_starlark(path, text)
    package = "//" + ("" if folder == root else folder.relative_to(root).as_posix())
    targets, defaults, rules = [], {}, {"__builtins__": {}}

    def full(label):
        name = label.rsplit("/", 1)[-1]
        return package + label if label.startswith(":") else label if ":" in label else f"{label}:{name}"

    def recorder(rule):
        def record(name, srcs=(), data=(), main=None, deps=(), visibility=None, **_other):
            files = [one for one in data if "//" not in one]
            shown = visibility if visibility is not None else defaults.get("default_visibility", [])
            targets.append(
                Target(
                    label=f"{package}:{name}",
                    rule=rule,
                    srcs=frozenset(folder / source for source in srcs),
                    data=frozenset(folder / source for source in files),
                    main=folder / main if main else None,
                    deps=frozenset(map(full, deps)),
                    visibility=frozenset(shown),
                )
            )

        return record

    def glob(patterns, exclude=()):
        excluded = {found for pattern in exclude for found in folder.glob(_files(pattern))}
        taken = set()
        for pattern in patterns:
            matches = {
                found for found in folder.glob(_files(pattern)) if found.is_file() and _nearest(found, root) == folder
            }
            if not matches - excluded:
                raise ValueError(f"{path}: glob pattern {pattern!r} matches nothing, which Bazel 8 refuses")
            taken |= matches - excluded
        return sorted(found.relative_to(folder).as_posix() for found in taken)

    rules["load"] = lambda _source, *symbols: rules.update({symbol: recorder(symbol) for symbol in symbols})
    # Files of no language, which other targets name as `data`.
    rules["filegroup"] = lambda name, srcs, visibility: None
    rules["package"] = lambda **settings: defaults.update(settings)
    rules["glob"] = glob
    exec(compile(text, path, "exec"), rules)
    return targets


def _files(pattern):
    """A Bazel pattern for pathlib, where a last `**` means folders only."""
    return f"{pattern}/*" if pattern.endswith("**") else pattern


def _nearest(path, root):
    """The folder of the BUILD file that a file belongs to: the nearest one above it."""
    return next(folder for folder in path.parents if (folder / "BUILD").is_file() or folder == root)


def _require_starlark(path, text):
    """Refuse what Python would run and Starlark would not."""
    tree = ast.parse(text)
    for node in tree.body:
        if not isinstance(node, STATEMENTS):
            raise ValueError(f"{path}:{node.lineno}: a BUILD file holds calls and assignments only")
    for node in ast.walk(tree):
        if isinstance(node, NOT_STARLARK):
            raise ValueError(f"{path}:{node.lineno}: {type(node).__name__} is no Starlark")
