"""Write a cascade under a temporary name and rename it: a reader never sees half of one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from seriatim_errors import BundleError
from serving.bundle.manifest import first_mistake
from serving.bundle.writer import file_entry, publishing
from serving.images.golden import GoldenImages
from serving.images.manifest import CASCADE_FILE, CascadeManifest
from serving.images.reader import GOLDEN_FILE


def write_cascade(root: Path, manifest: CascadeManifest, files: Mapping[str, Path], golden: GoldenImages) -> Path:
    """Copy `files` and write `manifest` with their checksums to `root/<version>/`.

    Args:
        root: folder of cascades, made when absent.
        manifest: without `files`, which are filled in here.
        files: path inside the cascade to the file to copy.
        golden: images with what the trained stages say about them.

    Returns:
        The cascade's folder.

    Raises:
        BundleError: a cascade of that version exists, the manifest names a file that is not given, or one of its
            values is out of range. Nothing is left behind then.
    """
    try:
        manifest = CascadeManifest.model_validate(manifest.model_dump())
    except ValidationError as error:
        raise BundleError(f"cascade {manifest.version}: {first_mistake(error)}; correct the manifest") from None
    for stage in manifest.stages:
        if stage.file not in files:
            raise BundleError(f"cascade {manifest.version}: a stage names {stage.file}, which is not given")
    with publishing(root, manifest.version, "cascade") as partial:
        for name, source in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, partial / name)
        golden.save(partial / GOLDEN_FILE)
        entries = {name: file_entry(partial / name) for name in sorted([*files, GOLDEN_FILE])}
        sealed = manifest.model_copy(update={"files": entries})
        (partial / CASCADE_FILE).write_text(sealed.model_dump_json(indent=1), encoding="utf-8")
    return root / manifest.version
