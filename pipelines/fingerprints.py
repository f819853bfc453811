"""Fingerprints that decide whether a component's cached outputs still hold."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import ranking
import serving
import structured
import vision_components
from pipelines.config import PipelineConfig
from pipelines.images_of_run import RunImages
from pipelines.ingest import PreparedLog
from pipelines.item_catalogue import ItemCatalogue
from pipelines.locations import Location

CODE_FOLDERS = ("components", "evaluation", "stages")
CODE_FILES = (
    "log_columns.py",
    "click_log.py",
    "examples.py",
    "hashed_split.py",
    "image_features.py",
    "item_catalogue.py",
    "items_in_common.py",
    "picture_opening.py",
    "pictures.py",
    "thumbnails.py",
)
# What shapes the bundle's file of item features; the rest of that package only reads.
FEATURE_FILES = ("item_keys.py", "lmdb_file.py", "schema.py")


def fingerprint(values: Any) -> str:
    """sha256 of the values' canonical JSON, 16 hex digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def settings_of(config: PipelineConfig) -> str:
    """All of the configuration that shapes results, as JSON: where files lie does not, so it is levelled."""
    items = None if config.labeller is None and config.images is None else Location("items")
    # Which day a window ends with makes other data and no other settings.
    spans = config.data.spans and config.data.spans.model_copy(update={"last": None})
    path = Location("{date}" if config.data.dated else "log")
    data = config.data.model_copy(update={"path": path, "simulate": None, "items": items, "spans": spans})
    images = None if config.images is None else config.images.model_copy(update={"cache_root": Path("cache")})
    places = {"images": images, "run_root": Path("runs"), "bundle_root": Location("bundles"), "beam_options": ()}
    return config.model_copy(update={"data": data, **places}).model_dump_json(exclude={"metadata"})


def data_fingerprint(log: PreparedLog, catalogue: ItemCatalogue | None, images: RunImages | None) -> str:
    """Fingerprint of all data that a bundle is made from, 16 hex digits: the log's own without tags and thumbnails."""
    parts = [log.fingerprint, *(part.fingerprint for part in (catalogue, images) if part is not None)]
    return log.fingerprint if len(parts) == 1 else fingerprint(parts)


@functools.cache
def code_fingerprint() -> str:
    """Fingerprint of the code that trains, evaluates and bundles: another release trains anew."""
    here = Path(__file__).parent
    folders = [here / name for name in CODE_FOLDERS]
    for package in (ranking, structured, vision_components):
        folders += map(Path, package.__path__)
    folders += [Path(serving.__file__).parent / name for name in ("bundle", "images", "runtime")]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    files += [here / name for name in CODE_FILES]
    files += [Path(serving.__file__).parent / "features" / name for name in FEATURE_FILES]
    return fingerprint([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
