"""Publish a bundle: copied under a hidden name, verified, then renamed."""

from __future__ import annotations

import shutil
from pathlib import Path

from serving.bundle import open_bundle
from serving.bundle.writer import PARTIAL_PREFIX, publish


def push_bundle(source: Path, bundle_folder: Path) -> Path:
    """Copy the bundle `source` into `bundle_folder`; pushing the same bundle twice changes nothing.

    Raises:
        BundleError: the copy does not match its checksums.
    """
    target = bundle_folder / source.name
    if target.exists():
        return target
    partial = bundle_folder / f"{PARTIAL_PREFIX}{source.name}"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    open_bundle(partial)
    publish(partial, target)
    return target
