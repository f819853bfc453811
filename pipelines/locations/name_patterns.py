"""Which names of a listing `pathlib` patterns ask for, without a folder to look into."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


def wanted_names(names: Collection[str], patterns: Sequence[str], beside: Sequence[str]) -> set[str]:
    """The names that are asked for.

    Args:
        names: paths of files, relative to the folder.
        patterns: as `Path.glob` takes them; a folder that matches stands for all in it.
        beside: patterns of plain names that are asked for too in every folder where a file is.
    """
    split = {name: PurePosixPath(name).parts for name in names}
    asked = [PurePosixPath(pattern).parts for pattern in patterns]
    found = {name for name, parts in split.items() if any(_asked_for(parts, pattern) for pattern in asked)}
    folders = {split[name][:-1] for name in found}
    return found | {
        name
        for name, parts in split.items()
        if parts[:-1] in folders and any(fnmatchcase(parts[-1], pattern) for pattern in beside)
    }


def _asked_for(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the pattern matches a path or a folder above it."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_asked_for(parts[start:], pattern[1:]) for start in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _asked_for(parts[1:], pattern[1:])
