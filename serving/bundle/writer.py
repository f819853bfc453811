"""Write a bundle under a temporary name and rename it: a reader never sees half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from seriatim_errors import BundleError
from serving.bundle.golden import GoldenRequests
from serving.bundle.manifest import MANIFEST_FILE, FileEntry, Manifest

GOLDEN_FILE = "golden_requests.npz"
PARTIAL_PREFIX = ".partial-"


def write_bundle(root: Path, manifest: Manifest, files: Mapping[str, Path], golden: GoldenRequests) -> Path:
    """Copy `files` and write `manifest` with their checksums to `root/<version>/`.

    Args:
        root: folder of bundles, made when absent.
        manifest: without `files`, which are filled in here.
        files: path inside the bundle to the file or folder to copy.
        golden: requests with their expected slates.

    Returns:
        The bundle's folder.

    Raises:
        BundleError: a bundle of that version exists, or the manifest names a file that is not given.
    """
    target = root / manifest.version
    if target.exists():
        raise BundleError(f"bundle {target} exists already; bundles are never overwritten, use another version")
    partial = root / f"{PARTIAL_PREFIX}{manifest.version}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, source in files.items():
        destination = partial / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copyfile(source, destination)
    golden.save(partial / GOLDEN_FILE)
    for stage in manifest.stages:
        if not (partial / stage.file).is_file():
            raise BundleError(f"bundle {manifest.version}: stage {stage.kind} names {stage.file}, which is not given")
    entries = {
        path.relative_to(partial).as_posix(): file_entry(path) for path in sorted(partial.rglob("*")) if path.is_file()
    }
    sealed = manifest.model_copy(update={"files": entries})
    (partial / MANIFEST_FILE).write_text(sealed.model_dump_json(indent=1), encoding="utf-8")
    publish(partial, target)
    return target


def publish(partial: Path, target: Path) -> None:
    """Make `partial` durable and give it its final name in one step."""
    for path in [*partial.rglob("*"), partial]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    partial.rename(target)


def file_entry(path: Path) -> FileEntry:
    """Checksum and size of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return FileEntry(sha256=digest.hexdigest(), bytes=path.stat().st_size)
