"""Writing a bundle: whole and durable, or nothing at all."""

import os
import signal
import subprocess
import sys

import pytest

from seriatim_errors import BundleError
from serving.bundle import Features, bundle_versions, open_bundle, write_bundle
from serving.bundle.writer import PARTIAL_PREFIX, publish
from tests.serving.small_bundles import golden_requests, make_bundle

VERSION = "20240101T000000Z-00000000"

# Writes a bundle and kills itself at the flush to disk whose number is given.
KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from serving.bundle import writer
from tests.serving.small_bundles import make_bundle

flushes = 0
def flush(descriptor, fsync=os.fsync):
    global flushes
    fsync(descriptor)
    flushes += 1
    if flushes == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

root = Path(sys.argv[1])
if sys.argv[3] == "before publishing":
    writer.publish = lambda partial, target: os.kill(os.getpid(), signal.SIGKILL)
os.fsync = flush
make_bundle(root, kinds=("gate",))
"""


@pytest.mark.parametrize(("flush", "when"), [(0, "before publishing"), (1, "publishing"), (3, "publishing")])
def test_a_writer_killed_outright_publishes_nothing_and_does_not_block_the_next(tmp_path, flush, when):
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path), str(flush), when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    draft = tmp_path / f"draft-{VERSION}"
    assert [path.name for path in draft.iterdir()] == [f"{PARTIAL_PREFIX}{VERSION}"]
    assert bundle_versions(draft) == []
    sources = tmp_path / f"sources-{VERSION}"
    sources.rename(tmp_path / "sources-of-the-killed")
    made = make_bundle(tmp_path, kinds=("gate",))
    assert bundle_versions(draft) == [made.manifest.version]


def test_everything_is_flushed_to_disk_before_the_name_appears(tmp_path, monkeypatch):
    flushed = {}

    def flush(descriptor, fsync=os.fsync):
        fsync(descriptor)
        flushed[os.readlink(f"/proc/self/fd/{descriptor}")] = (root / VERSION).exists()

    made = make_bundle(tmp_path, kinds=("gate",))
    root = tmp_path / "again"
    monkeypatch.setattr(os, "fsync", flush)
    write_bundle(root, made.manifest, {"gate/model.onnx": made.folder / "gate" / "model.onnx"}, golden_requests(None))
    partial = root / f"{PARTIAL_PREFIX}{VERSION}"
    names = {partial.joinpath(name) for name in ("", "gate", "gate/model.onnx", "manifest.json", "golden_requests.npz")}
    assert flushed == {**{str(path): False for path in names}, str(root): True}


def test_writing_leaves_no_partial_folder_and_never_overwrites(bundle):
    root = bundle.folder.parent
    assert [path.name for path in root.iterdir()] == [bundle.manifest.version]
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(root, bundle.manifest, {}, golden_requests(None))


def test_a_name_taken_in_the_meantime_is_a_named_error(bundle, tmp_path):
    partial = tmp_path / f"{PARTIAL_PREFIX}late"
    partial.mkdir()
    (partial / "file").write_text("late")
    with pytest.raises(BundleError, match="cannot be published"):
        publish(partial, bundle.folder)
    assert open_bundle(bundle.folder).manifest == bundle.manifest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"stage base_ranker names base_ranker/model.txt"),
        ({"version": "../elsewhere"}, "version: String should match"),
        ({"version": ".hidden"}, "version: String should match"),
        ({"metrics": {"ndcg": float("nan")}}, r"metrics.ndcg: Input should be a finite number"),
        ({"features": Features.model_construct(context=("a",), item=("b", "a"))}, "feature 'a' stands twice"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused_and_nothing_is_left(bundle, tmp_path, changes, message):
    manifest = bundle.manifest.model_copy(update=changes)
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "root", manifest, {}, golden_requests(None))
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "root"])
