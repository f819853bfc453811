"""Read the manifest of a folder and hold the folder against it: schema version, values, files, checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from seriatim_errors import BundleError
from serving.bundle.manifest import FileEntry, first_mistake
from serving.bundle.writer import file_entry

Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True)
class FolderKind:
    """What a folder with a manifest is called, and what its reader can do about it.

    Attributes:
        name: `bundle` or `cascade`.
        source: which folder to give instead of one that is none.
        again: how to get one of another schema version.
        restore: what to do with a damaged one.
    """

    name: str
    source: str
    again: str
    restore: str


def read_manifest(path: Path, schema_version: int, model: type[Read], kind: FolderKind) -> Read:
    """The manifest at `path`.

    Raises:
        BundleError: it is missing, no JSON, of another schema version, or malformed.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {path.parent} is no {kind.name}, give a folder {kind.source}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}); {kind.restore}") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != schema_version:
        raise BundleError(f"{path}: schema_version is {version!r}, this release reads {schema_version}; {kind.again}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path}: {first_mistake(error)}; {kind.restore}") from None


def verify_files(folder: Path, path: Path, files: Mapping[str, FileEntry], kind: FolderKind) -> None:
    """Hold the files of `folder` against what the manifest at `path` says of them.

    Raises:
        BundleError: a file is missing, altered, cannot be read or lies outside the folder.
    """
    for name, entry in files.items():
        file = folder / name
        if folder.resolve() not in file.resolve().parents:
            raise BundleError(f"{path}: file {name!r} lies outside the {kind.name}; {kind.restore}")
        if not file.is_file():
            raise BundleError(f"{file} is missing from the {kind.name}; {kind.restore}")
        try:
            unaltered = file_entry(file) == entry
        except OSError as error:
            raise BundleError(f"{file} cannot be read: {error.strerror}; correct its permissions") from None
        if not unaltered:
            raise BundleError(f"{file} does not match its checksum; {kind.restore}")
