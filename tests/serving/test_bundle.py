"""Bundles: whole or not at all, and refused by name when anything is wrong with them."""

import json
import shutil

import numpy as np
import pytest

from seriatim_errors import BundleError
from serving.bundle import bundle_versions, newest_bundle, open_bundle, self_test, write_bundle
from serving.bundle.manifest import MANIFEST_FILE
from serving.bundle.writer import PARTIAL_PREFIX
from serving.check import check_bundle
from serving.runtime import SlateRanker
from tests.serving.small_bundles import golden_requests, make_bundle


@pytest.fixture
def copy(bundle, tmp_path):
    """A copy of the bundle that a test may break."""
    return shutil.copytree(bundle.folder, tmp_path / bundle.folder.name)


def test_a_bundle_opens_with_every_file_accounted_for(bundle):
    files = {path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if path.is_file()}
    assert set(bundle.manifest.files) == files - {MANIFEST_FILE}


def test_writing_leaves_no_partial_folder_and_never_overwrites(bundle, tmp_path):
    root = bundle.folder.parent
    assert [path.name for path in root.iterdir()] == [bundle.manifest.version]
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(root, bundle.manifest, {}, golden_requests(None))


def test_a_manifest_that_names_a_file_not_given_is_refused_and_nothing_is_published(bundle, tmp_path):
    with pytest.raises(BundleError, match=r"stage base_ranker names base_ranker/model.txt"):
        write_bundle(tmp_path / "root", bundle.manifest, {}, golden_requests(None))
    assert bundle_versions(tmp_path / "root") == []


def test_unfinished_bundles_are_not_versions(copy):
    shutil.copytree(copy, copy.parent / f"{PARTIAL_PREFIX}later")
    (copy.parent / "20990101T000000Z-half").mkdir()
    assert bundle_versions(copy.parent) == [copy.name]
    assert newest_bundle(copy.parent).folder == copy


def test_the_newest_version_is_the_last_by_time(tmp_path):
    for version in ("20240301T000000Z-aaaa", "20240201T000000Z-bbbb"):
        make_bundle(tmp_path, version, kinds=("gate",))
    assert newest_bundle(tmp_path / "bundles").manifest.version == "20240301T000000Z-aaaa"


def test_no_bundle_at_all_says_how_to_make_one(tmp_path):
    with pytest.raises(BundleError, match="no bundle under"):
        newest_bundle(tmp_path / "absent")
    with pytest.raises(BundleError, match=r"manifest.json is missing"):
        open_bundle(tmp_path)


def test_a_changed_byte_is_found(copy):
    file = copy / "gate" / "model.onnx"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"model.onnx does not match its checksum"):
        open_bundle(copy)


def test_a_missing_file_is_named(copy):
    (copy / "base_ranker" / "model.txt").unlink()
    with pytest.raises(BundleError, match=r"model.txt is missing from the bundle"):
        open_bundle(copy)


def changed_manifest(folder, **changes):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "schema_version is 99, this release reads 1"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"stages": []}, "stages"),
        ({"files": {}}, "which is not among its files"),
    ],
)
def test_a_foreign_manifest_is_refused_with_the_field(copy, changes, message):
    changed_manifest(copy, **changes)
    with pytest.raises(BundleError, match=message):
        open_bundle(copy)


def test_a_manifest_cannot_reach_outside_its_bundle(copy):
    entries = json.loads((copy / MANIFEST_FILE).read_text())["files"]
    (copy.parent / "outside").write_text("secret")
    entries["../outside"] = entries["gate/model.onnx"]
    changed_manifest(copy, files=entries)
    with pytest.raises(BundleError, match="lies outside the bundle"):
        open_bundle(copy)


def test_a_torn_manifest_is_refused(copy):
    path = copy / MANIFEST_FILE
    path.write_text(path.read_text()[:100])
    with pytest.raises(BundleError, match="is not readable JSON"):
        open_bundle(copy)


def test_the_self_test_passes_and_notices_other_answers(bundle, ranker):
    golden = bundle.golden()
    self_test(ranker, golden)
    assert "2 golden requests ranked as promised" in check_bundle_without_tensorflow_check(bundle)
    golden.slates[1, 0] = (golden.slates[1, 0] + 1) % 8
    with pytest.raises(BundleError, match="golden request 1 gives slate"):
        self_test(ranker, golden)
    golden = bundle.golden()
    golden.base_scores[0] += 1
    with pytest.raises(BundleError, match="base scores are off"):
        self_test(ranker, golden)


def check_bundle_without_tensorflow_check(bundle):
    """`check_bundle` in a process that has never seen TensorFlow, as the pipeline runs it."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "serving.check", str(bundle.folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_checking_a_broken_bundle_fails_by_name(copy):
    (copy / "base_ranker" / "model.txt").write_text("no trees")
    with pytest.raises(BundleError, match="checksum"):
        check_bundle(copy)


def test_a_model_of_another_width_is_refused(tmp_path):
    from serving.bundle import Bundle, Features

    made = make_bundle(tmp_path, kinds=("base_ranker",))
    wider = made.manifest.model_copy(update={"features": Features(context=("a", "b"), item=("c", "d", "e"))})
    with pytest.raises(BundleError, match="reads 4 features, the manifest names 5"):
        SlateRanker(Bundle(made.folder, wider))


def test_golden_requests_survive_a_round_trip(tmp_path):
    golden = golden_requests(None)
    golden.save(tmp_path / "golden.npz")
    again = type(golden).load(tmp_path / "golden.npz")
    for name, values in golden.__dict__.items():
        np.testing.assert_array_equal(getattr(again, name), values)
