"""Open a cascade: schema version, files and checksums are verified before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from seriatim_errors import BundleError
from serving.bundle.manifest import first_mistake
from serving.bundle.reader import verify_files
from serving.images.golden import GoldenImages
from serving.images.manifest import CASCADE_FILE, SCHEMA_VERSION, CascadeManifest

GOLDEN_FILE = "golden_images.npz"


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
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {folder} is no cascade, give a folder that holds one") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}); restore the cascade") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {version!r}, this release reads {SCHEMA_VERSION}; "
            "export the cascade again with this release"
        )
    try:
        manifest = CascadeManifest.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path}: {first_mistake(error)}; restore the cascade") from None
    for name in (*(stage.file for stage in manifest.stages), GOLDEN_FILE):
        if name not in manifest.files:
            raise BundleError(f"{path}: {name} is not among its files; restore the cascade")
    verify_files(folder, path, manifest.files)
    return Cascade(folder, manifest)
