"""Reading a bundle: refused by name when anything is wrong with it."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from seriatim_errors import BundleError
from serving.bundle import (
    Bundle,
    Features,
    GoldenRequests,
    LabellerStage,
    bundle_versions,
    newest_bundle,
    open_bundle,
    self_test,
)
from serving.bundle.manifest import MANIFEST_FILE
from serving.bundle.writer import GOLDEN_FILE, PARTIAL_PREFIX
from serving.runtime import SlateRanker
from tests.serving.small_bundles import STEPS, golden_requests, make_bundle


@pytest.fixture
def copy(bundle, tmp_path):
    """A copy of the bundle that a test may break."""
    return shutil.copytree(bundle.folder, tmp_path / bundle.folder.name)


def test_a_bundle_opens_with_every_file_accounted_for(bundle):
    files = {path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if path.is_file()}
    assert set(bundle.manifest.files) == files - {MANIFEST_FILE}


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
    golden.slates[1, 0] = (golden.slates[1, 0] + 1) % 8
    with pytest.raises(BundleError, match="golden request 1 gives slate"):
        self_test(ranker, golden)
    golden = bundle.golden()
    golden.base_scores[0] += 1
    with pytest.raises(BundleError, match="base scores are off"):
        self_test(ranker, golden)


def test_checking_says_what_was_done_or_what_is_wrong(bundle, copy):
    def check(folder):
        command = [sys.executable, "-m", "serving.check", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    sound = check(bundle.folder)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "2 golden requests ranked as promised" in sound.stdout
    (copy / "base_ranker" / "model.txt").write_text("no trees")
    broken = check(copy)
    assert broken.returncode == BundleError.exit_code
    assert "model.txt does not match its checksum" in broken.stderr
    assert broken.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["base_ranker", "gate", "seq2slate"])
def test_a_model_of_another_width_is_refused(tmp_path, kind):
    made = make_bundle(tmp_path, kinds=(kind,))
    wider = made.manifest.model_copy(update={"features": Features(context=("a", "b"), item=("c", "d", "e"))})
    with pytest.raises(BundleError, match="reads 4 features, the manifest names 5"):
        SlateRanker(Bundle(made.folder, wider))


def test_a_graph_of_another_stage_is_refused(bundle, tmp_path):
    for kind, other in (("gate", "seq2slate"), ("seq2slate", "gate")):
        [stage] = [stage for stage in bundle.manifest.stages if stage.kind == kind]
        swapped = stage.model_copy(update={"file": f"{other}/model.onnx"})
        manifest = bundle.manifest.model_copy(update={"stages": (swapped,)})
        with pytest.raises(BundleError, match=r"has the inputs \[.*\], expected \["):
            SlateRanker(Bundle(bundle.folder, manifest))


def test_a_graph_of_another_slate_size_is_refused(bundle):
    [stage] = [stage for stage in bundle.manifest.stages if stage.kind == "seq2slate"]
    longer = bundle.manifest.model_copy(update={"stages": (stage.model_copy(update={"slate_size": STEPS + 1}),)})
    with pytest.raises(BundleError, match=f"places {STEPS} items, the manifest says {STEPS + 1}"):
        SlateRanker(Bundle(bundle.folder, longer))


@pytest.mark.parametrize("file", ["base_ranker/model.txt", "gate/model.onnx"])
def test_a_file_that_is_no_model_is_refused_by_name(bundle, copy, file):
    (copy / file).write_text("no model")
    with pytest.raises(BundleError, match=file):
        SlateRanker(Bundle(copy, bundle.manifest))


def test_golden_requests_that_are_missing_or_torn_are_refused(copy):
    golden = copy / GOLDEN_FILE
    golden.write_bytes(golden.read_bytes()[:100])
    with pytest.raises(BundleError, match="holds no golden requests"):
        GoldenRequests.load(golden)
    golden.unlink()
    with pytest.raises(BundleError, match="holds no golden requests"):
        GoldenRequests.load(golden)


def test_a_golden_request_that_the_bundle_cannot_rank_fails_the_self_test(bundle, ranker):
    golden = bundle.golden()
    golden.features[6, 2] = np.nan
    with pytest.raises(BundleError, match="golden request 1: features: feature 'age' of item 'i6' is nan"):
        self_test(ranker, golden)


def test_golden_requests_survive_a_round_trip(tmp_path):
    golden = golden_requests(None)
    golden.save(tmp_path / "golden.npz")
    again = type(golden).load(tmp_path / "golden.npz")
    for name, values in golden.__dict__.items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_the_self_test_notices_other_labels_and_labels_that_are_missing(labelled_bundle, labelled_ranker, ranker):
    golden = labelled_bundle.golden()
    self_test(labelled_ranker, golden)
    assert golden.labels.shape == (2, 4, 3)
    assert (golden.labels[0, 3] == -1).all()
    golden.labels[1, 2, 2] = (golden.labels[1, 2, 2] + 1) % 3
    with pytest.raises(BundleError, match=r"golden request 1 gives labels .*, expected .*do not serve it"):
        self_test(labelled_ranker, golden)
    with pytest.raises(BundleError, match=r"golden request 0 gives labels \[.*, expected None"):
        self_test(labelled_ranker, dataclasses.replace(golden, labels=None))
    with pytest.raises(BundleError, match=r"golden request 0 gives labels None, expected \["):
        self_test(ranker, golden)


def test_golden_labels_survive_a_round_trip_and_must_fit_the_slates(labelled_bundle, tmp_path):
    golden, path = labelled_bundle.golden(), tmp_path / "golden.npz"
    golden.save(path)
    np.testing.assert_array_equal(GoldenRequests.load(path).labels, golden.labels)
    dataclasses.replace(golden, labels=golden.labels[:1]).save(path)
    with pytest.raises(BundleError, match=r"labels has the shape \[1, 4, 3\], expected \[2, 4\] and the number"):
        GoldenRequests.load(path)


@pytest.mark.parametrize(("labels", "edges"), [(4, 2), (3, 1)])
def test_a_labeller_of_other_counts_is_refused(labelled_bundle, labels, edges):
    stage = LabellerStage(file="labeller/model.npz", labels=labels, edges=edges)
    manifest = labelled_bundle.manifest.model_copy(update={"stages": (stage,)})
    with pytest.raises(BundleError, match=f"holds 3 labels and 2 edges, the manifest says {labels} and {edges}"):
        SlateRanker(Bundle(labelled_bundle.folder, manifest))


def test_a_labeller_of_other_features_is_refused(labelled_bundle):
    stages = tuple(stage for stage in labelled_bundle.manifest.stages if stage.kind == "labeller")
    changes = {"stages": stages, "features": Features(item=("price", "quality"))}
    with pytest.raises(BundleError, match="feature_names names 'age', which is not among the manifest's features"):
        SlateRanker(Bundle(labelled_bundle.folder, labelled_bundle.manifest.model_copy(update=changes)))
