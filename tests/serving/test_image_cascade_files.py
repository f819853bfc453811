"""A cascade on disk: what is written is opened again, and anything odd is refused by name."""

import json

import numpy as np
import pytest
from onnx import TensorProto
from pydantic import ValidationError

from seriatim_config import read_config
from seriatim_errors import BundleError, ConfigError
from serving.config import ImagesConfig, ServiceConfig
from serving.images import GoldenImages, load_cascade, open_cascade, write_cascade
from serving.images.golden import self_test
from serving.images.stage_graph import StageGraph, load_stages
from tests.serving.small_cascades import CLASSES, SIZES, WIDTH, make_cascade, make_manifest, write_stage


@pytest.fixture
def cascade(tmp_path):
    return make_cascade(tmp_path)


def change(cascade, **values):
    path = cascade.folder / "cascade.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder):
    with pytest.raises(BundleError) as caught:
        open_cascade(folder)
    return str(caught.value)


def test_a_cascade_is_opened_as_it_was_written(cascade):
    assert open_cascade(cascade.folder) == cascade
    assert cascade.manifest.model_copy(update={"files": {}}) == make_manifest()
    assert set(cascade.manifest.files) == {"stage_0.onnx", "stage_1.onnx", "stage_2.onnx", "golden_images.npz"}
    self_test("cascade-1", load_stages(cascade.folder, cascade.manifest), cascade.golden())


@pytest.mark.parametrize("name", ["stage_1.onnx", "golden_images.npz"])
def test_an_altered_or_missing_file_is_named(cascade, name):
    file = cascade.folder / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    assert f"{name} does not match its checksum" in refused(cascade.folder)
    file.unlink()
    assert f"{name} is missing" in refused(cascade.folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"schema_version": 2}, "schema_version is 2"),
        ({"sauce": 1}, "sauce"),
        ({"version": "../up"}, "version"),
        ({"confidence": "gut feeling"}, "confidence"),
        ({"combine": "vote"}, "combine"),
        ({"class_names": ["cat"]}, "class_names"),
        ({"class_names": ["cat", "cat", "dog"]}, "'cat' stands twice"),
        ({"embedding_width": -1}, "embedding_width"),
        ({"stages": []}, "stages"),
        ({"files": {}}, "stage_0.onnx is not among its files"),
        ({"files": {"../secret": {"sha256": "0", "bytes": 1}}}, "stage_0.onnx is not among its files"),
    ],
)
def test_an_odd_manifest_is_refused_by_the_name_of_the_field(cascade, values, words):
    change(cascade, **values)
    assert words in refused(cascade.folder)


def test_a_file_outside_of_the_folder_is_refused(cascade, tmp_path):
    (tmp_path / "secret").write_text("x")
    files = json.loads((cascade.folder / "cascade.json").read_text())["files"]
    change(cascade, files=files | {"../secret": {"sha256": "0", "bytes": 1}})
    assert "'../secret' lies outside" in refused(cascade.folder)


def test_a_folder_without_manifest_and_one_that_is_no_json_are_refused(cascade, tmp_path):
    assert "is no cascade" in refused(tmp_path)
    (cascade.folder / "cascade.json").write_text("{")
    assert "not readable JSON" in refused(cascade.folder)
    (cascade.folder / "cascade.json").write_text("[]")
    assert "schema_version is None" in refused(cascade.folder)


@pytest.mark.parametrize(
    ("thresholds", "words"), [((None, 0.5), "stages.0 has no threshold"), ((0.5, "x"), "threshold")]
)
def test_every_stage_but_the_last_has_a_threshold(thresholds, words):
    with pytest.raises(ValidationError, match=words):
        make_manifest(thresholds)


def test_the_last_stage_has_no_threshold():
    stages = [stage.model_copy(update={"threshold": 0.5}) for stage in make_manifest().stages]
    with pytest.raises(ValidationError, match=r"stages.2 is the last and has the threshold 0.5; remove it"):
        make_manifest(stages=stages)


def test_a_cascade_is_never_overwritten_and_a_failed_one_leaves_nothing(cascade, tmp_path):
    golden = cascade.golden()
    files = {stage.file: cascade.folder / stage.file for stage in cascade.manifest.stages}
    with pytest.raises(BundleError, match="never overwritten"):
        write_cascade(tmp_path, make_manifest(), files, golden)
    with pytest.raises(BundleError, match=r"names stage_1.onnx, which is not given"):
        write_cascade(tmp_path / "new", make_manifest(), {"stage_0.onnx": files["stage_0.onnx"]}, golden)
    with pytest.raises(OSError, match="gone"):
        write_cascade(tmp_path / "new", make_manifest(), files | {"stage_1.onnx": tmp_path / "gone"}, golden)
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": (9, 9)}, "images is tensor(uint8) ['batch', 9, 9, 3]"),
        ({"embedding": 0}, "has the outputs ['probabilities'], expected ['embedding', 'probabilities']"),
        ({"embedding": 5}, "embedding is tensor(float) ['batch', 5]"),
        ({"image_type": TensorProto.FLOAT}, "images is tensor(float)"),
        ({"batch": 4}, "any number of images"),
    ],
)
def test_a_graph_that_is_no_stage_of_the_cascade_is_refused(tmp_path, changes, words):
    path = write_stage(tmp_path / "stage.onnx", 0, **changes)
    with pytest.raises(BundleError) as caught:
        StageGraph(path, make_manifest().stages[0].input_size, len(CLASSES), WIDTH)
    assert words in str(caught.value)


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "stage.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="cannot be loaded by ONNX Runtime"):
        StageGraph(tmp_path / "stage.onnx", make_manifest().stages[0].input_size, len(CLASSES))


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("name", ["probabilities", "embeddings"])
def test_the_self_test_finds_a_stage_that_says_something_else(cascade, name, stage):
    golden = cascade.golden()
    getattr(golden, name)[1, stage, 0] += 0.01
    with pytest.raises(BundleError, match=f"golden image 1: {name} of stage {stage} are off by 1.0e-02"):
        self_test("cascade-1", load_stages(cascade.folder, cascade.manifest), golden)


def test_golden_images_of_another_form_are_refused(tmp_path):
    images = np.zeros((2, *SIZES[0], 3), np.uint8)
    sound = GoldenImages(images, np.zeros((2, 3, 3), np.float32), np.zeros((2, 3, 2), np.float32))
    path = tmp_path / "golden.npz"
    sound.save(path)
    assert len(GoldenImages.load(path, 3, 3, 2)) == 2
    with pytest.raises(BundleError, match=r"probabilities is float32 \[2, 3, 3\], expected float32 \[2, 4, 3\]"):
        GoldenImages.load(path, 4, 3, 2)
    GoldenImages(images[:0], sound.probabilities[:0], sound.embeddings[:0]).save(path)
    with pytest.raises(BundleError, match="at least one image"):
        GoldenImages.load(path, 3, 3, 2)
    path.write_bytes(b"no archive")
    with pytest.raises(BundleError, match="holds no golden images"):
        GoldenImages.load(path, 3, 3, 2)


def test_the_configured_cascade_is_loaded_tested_and_warm(cascade):
    runtime = load_cascade(cascade.folder, ImagesConfig(buckets=(4, 1, 4)))
    assert runtime.manifest == cascade.manifest
    assert runtime.times.buckets == (1, 4)
    assert all(runtime.times.mean(stage, bucket) > 0 for stage in range(3) for bucket in (1, 4))


def test_a_provider_that_is_not_installed_is_a_mistake_in_the_configuration(cascade):
    with pytest.raises(ConfigError, match="onnxruntime-gpu"):
        load_cascade(cascade.folder, ImagesConfig(provider="cuda"))
    assert load_cascade(cascade.folder, ImagesConfig(provider="cuda", provider_fallback=True)) is not None


def test_a_queue_that_holds_no_whole_request_is_refused(tmp_path):
    (tmp_path / "service.yaml").write_text("images:\n  queue_images: 10\n")
    with pytest.raises(ConfigError, match=r"line 2: images\.queue_images"):
        read_config(tmp_path / "service.yaml", ServiceConfig)
