"""Open a bundle: schema version, files and checksums are verified before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from seriatim_errors import BundleError
from serving.bundle.golden import GoldenRequests
from serving.bundle.manifest import MANIFEST_FILE, SCHEMA_VERSION, FileEntry, Manifest, first_mistake
from serving.bundle.writer import GOLDEN_FILE, file_entry


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    folder: Path
    manifest: Manifest

    def golden(self) -> GoldenRequests:
        """The requests the bundle tests itself with.

        Raises:
            BundleError: there are none, or their file is not what `GoldenRequests.save` writes.
        """
        return GoldenRequests.load(self.folder / GOLDEN_FILE)


def bundle_versions(root: Path) -> list[str]:
    """Versions under `root`, oldest first; unfinished bundles are not among them."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if (path / MANIFEST_FILE).is_file() and path.name[0] != ".")


def newest_bundle(root: Path) -> Bundle:
    """Open the newest bundle under `root`.

    Raises:
        BundleError: there is none, or it is broken.
    """
    versions = bundle_versions(root)
    if not versions:
        raise BundleError(f"no bundle under {root}; make one with 'seriatim run' or give another --bundles folder")
    return open_bundle(root / versions[-1])


def open_bundle(folder: Path) -> Bundle:
    """Verify the bundle in `folder`.

    Raises:
        BundleError: the manifest is missing or malformed, its schema version is another, or a file is missing
            or altered; the message names the file and the way out.
    """
    path = folder / MANIFEST_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {folder} is no bundle, give a folder that 'seriatim run' made") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}); restore the bundle or use another version") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {version!r}, this release reads {SCHEMA_VERSION}; "
            "run the pipeline again with this release"
        )
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path}: {first_mistake(error)}; restore the bundle or use another version") from None
    for part, name in manifest.named_files:
        if name not in manifest.files:
            raise BundleError(
                f"{path}: {part} names {name}, which is not among its files; restore the bundle or use another version"
            )
    verify_files(folder, path, manifest.files)
    return Bundle(folder, manifest)


def verify_files(folder: Path, path: Path, files: Mapping[str, FileEntry]) -> None:
    """Hold the files of `folder` against what the manifest at `path` says of them.

    Raises:
        BundleError: a file is missing, altered, cannot be read or lies outside the folder.
    """
    for name, entry in files.items():
        file = folder / name
        if folder.resolve() not in file.resolve().parents:
            raise BundleError(f"{path}: file {name!r} lies outside the bundle; restore it")
        if not file.is_file():
            raise BundleError(f"{file} is missing from the bundle; restore it or use another version")
        try:
            unaltered = file_entry(file) == entry
        except OSError as error:
            raise BundleError(f"{file} cannot be read: {error.strerror}; correct its permissions") from None
        if not unaltered:
            raise BundleError(f"{file} does not match its checksum; restore it or use another version")
