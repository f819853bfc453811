"""Write a bundle under a temporary name and rename it: a reader never sees half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from seriatim_errors import BundleError
from serving.bundle.golden import GoldenRequests
from serving.bundle.manifest import MANIFEST_FILE, FileEntry, Manifest, first_mistake

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
        BundleError: a bundle of that version exists, the manifest names a file that is not given, or one of
            its values is out of range. Nothing is left behind then.
    """
    manifest = _validated(manifest)
    with publishing(root, manifest.version, "bundle") as partial:
        _fill(partial, manifest, files, golden)
    return root / manifest.version


@contextmanager
def publishing(root: Path, version: str, kind: str) -> Iterator[Path]:
    """An empty folder to fill, which is published as `root/<version>/` when the block ends and gone when it fails.

    Args:
        root: made when absent.
        version: the folder's name.
        kind: `bundle` or `cascade`, for the message.

    Raises:
        BundleError: there is one of that version.
    """
    target = root / version
    if target.exists():
        raise BundleError(f"{kind} {target} exists already; {kind}s are never overwritten, use another version")
    partial = root / f"{PARTIAL_PREFIX}{version}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        publish(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def publish(partial: Path, target: Path) -> None:
    """Make `partial` durable and give it its final name in one step.

    Raises:
        BundleError: another process has published that name in the meantime.
    """
    for path in [*partial.rglob("*"), partial]:
        _flush(path)
    try:
        partial.rename(target)
    except OSError as error:
        raise BundleError(f"bundle {target} cannot be published: {error.strerror}; use another version") from None
    _flush(target.parent)


def file_entry(path: Path) -> FileEntry:
    """Checksum and size of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return FileEntry(sha256=digest.hexdigest(), bytes=path.stat().st_size)


def _validated(manifest: Manifest) -> Manifest:
    """The manifest, checked again: a copy with changed fields, as callers make it, never was."""
    try:
        return Manifest.model_validate(manifest.model_dump())
    except ValidationError as error:
        raise BundleError(f"bundle {manifest.version}: {first_mistake(error)}; correct the manifest") from None


def _fill(partial: Path, manifest: Manifest, files: Mapping[str, Path], golden: GoldenRequests) -> None:
    for name, source in files.items():
        destination = partial / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copyfile(source, destination)
    golden.save(partial / GOLDEN_FILE)
    for part, name in manifest.named_files:
        if not (partial / name).is_file():
            raise BundleError(f"bundle {manifest.version}: {part} names {name}, which is not given")
    entries = {
        path.relative_to(partial).as_posix(): file_entry(path) for path in sorted(partial.rglob("*")) if path.is_file()
    }
    sealed = manifest.model_copy(update={"files": entries})
    (partial / MANIFEST_FILE).write_text(sealed.model_dump_json(indent=1), encoding="utf-8")


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
