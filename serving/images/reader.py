"""Open a cascade: schema version, files and checksums are verified before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seriatim_errors import BundleError
from serving.bundle.manifest_file import FolderKind, read_manifest, verify_files
from serving.images.golden import GoldenImages
from serving.images.manifest import CASCADE_FILE, SCHEMA_VERSION, CascadeManifest

GOLDEN_FILE = "golden_images.npz"
CASCADE = FolderKind(
    "cascade",
    source="that holds one",
    again="export the cascade again with this release",
    restore="restore the cascade",
)


@dataclass(frozen=True)
class Cascade:
    """A verified cascade on disk."""

    folder: Path
    manifest: CascadeManifest

    def golden(self) -> GoldenImages:
        """The images the cascade tests itself with.

        Raises:
            BundleError: their file is not what `GoldenImages.save` writes, or fits another cascade.
        """
        manifest = self.manifest
        return GoldenImages.load(
            self.folder / GOLDEN_FILE, len(manifest.stages), len(manifest.class_names), manifest.embedding_width
        )


def open_cascade(folder: Path) -> Cascade:
    """Verify the cascade in `folder`.

    Raises:
        BundleError: `cascade.json` is missing or malformed, its schema version is another, or a file is missing,
            altered, or outside the folder; the message names the file and the way out.
    """
    path = folder / CASCADE_FILE
    manifest = read_manifest(path, SCHEMA_VERSION, CascadeManifest, CASCADE)
    for name in (*(stage.file for stage in manifest.stages), GOLDEN_FILE):
        if name not in manifest.files:
            raise BundleError(f"{path}: {name} is not among its files; {CASCADE.restore}")
    verify_files(folder, path, manifest.files, CASCADE)
    return Cascade(folder, manifest)
