"""Open a bundle: schema version, files and checksums are verified before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seriatim_errors import BundleError
from serving.bundle.golden import GoldenRequests
from serving.bundle.manifest import MANIFEST_FILE, SCHEMA_VERSION, Manifest
from serving.bundle.manifest_file import FolderKind, read_manifest, verify_files
from serving.bundle.writer import GOLDEN_FILE

BUNDLE = FolderKind(
    "bundle",
    source="that 'seriatim run' made",
    again="run the pipeline again with this release",
    restore="restore the bundle or use another version",
)


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
    manifest = read_manifest(path, SCHEMA_VERSION, Manifest, BUNDLE)
    for part, name in manifest.named_files:
        if name not in manifest.files:
            raise BundleError(f"{path}: {part} names {name}, which is not among its files; {BUNDLE.restore}")
    verify_files(folder, path, manifest.files, BUNDLE)
    return Bundle(folder, manifest)
