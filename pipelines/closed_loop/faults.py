"""Broken nights on purpose: what blessing, service and canary must keep from the traffic."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
from onnx import helper

from pipelines.hashed_split import column_hash
from pipelines.readers.event_log import EventJoin, read_event_logs
from seriatim_errors import DataError
from serving.bundle import Bundle, open_bundle, write_bundle
from serving.bundle.manifest import MANIFEST_FILE
from serving.bundle.writer import GOLDEN_FILE
from serving.runtime import SlateRanker

RANKER_FILE = "base_ranker/model.onnx"


def inverted_log(events: Path, join: EventJoin, training_alone: bool, seed: int, evaluation_share: float) -> pa.Table:
    """The click log of an event log in which clicked and not clicked have changed places.

    Args:
        events: the event log's folder.
        join: how its events become clicks.
        training_alone: spare the requests that the pipeline will hold out, so that it is judged on true clicks.
        seed, evaluation_share: of the pipeline, which say what is held out.
    """
    [log] = read_event_logs([events], join)
    table = log.table
    wrong = np.ones(len(table), bool)
    if training_alone:
        wrong = column_hash(table["request_id"], seed) >= evaluation_share
    clicked = table["clicked"].to_numpy()
    place = table.column_names.index("clicked")
    return table.set_column(place, "clicked", pa.array(np.where(wrong, 1 - clicked, clicked).astype(np.int8)))


def push_bad_bundle(stable: Path, root: Path) -> str:
    """Push by hand, past the blessing, a sound bundle that ranks the worst items first; returns its version.

    Its files match their checksums and its golden requests give the slates they should: only traffic shows what it is.
    """
    bundle = _with_trees(stable)
    manifest = bundle.manifest.model_copy(update={"version": _new_version(bundle), "files": {}})
    with tempfile.TemporaryDirectory(prefix="seriatim-bad-bundle-") as name:
        draft = Path(name) / manifest.version
        shutil.copytree(stable, draft)
        for file in (MANIFEST_FILE, GOLDEN_FILE):
            (draft / file).unlink()
        onnx.save(_negated(onnx.load(str(draft / RANKER_FILE))), str(draft / RANKER_FILE))
        golden, ranker = bundle.golden(), SlateRanker(Bundle(draft, manifest))
        slates = [ranker.rank(ranker.golden_query(golden, index)) for index in range(len(golden))]
        worst = np.full_like(golden.slates, -1)
        for row, slate in enumerate(slates):
            worst[row, : len(slate.order)] = slate.order
        scores = np.concatenate([slate.base_scores for slate in slates])
        files = {path.name: path for path in sorted(draft.iterdir())}
        write_bundle(root, manifest, files, replace(golden, slates=worst, base_scores=scores))
    return manifest.version


def push_damaged_bundle(stable: Path, root: Path) -> str:
    """Put a bundle into the folder whose ranker's last byte has changed after it was sealed; returns its version."""
    bundle = _with_trees(stable)
    manifest = bundle.manifest.model_copy(update={"version": _new_version(bundle), "files": {}})
    files = {path.name: path for path in sorted(stable.iterdir()) if path.name not in (MANIFEST_FILE, GOLDEN_FILE)}
    folder = write_bundle(root, manifest, files, bundle.golden())
    damaged = folder / RANKER_FILE
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    return manifest.version


def _with_trees(stable: Path) -> Bundle:
    bundle = open_bundle(stable)
    if not (stable / RANKER_FILE).exists():
        raise DataError(f"bundle {stable} has no {RANKER_FILE} to break; give a configuration with base_ranker")
    return bundle


def _new_version(bundle: Bundle) -> str:
    """A version that sorts behind all that were pushed before."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{bundle.manifest.version[-8:]}"


def _negated(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its output `scores` negated."""
    [output] = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["scores_of_trees" if name == output.name else name for name in node.output]
    model.graph.node.append(helper.make_node("Neg", ["scores_of_trees"], [output.name]))
    return model
