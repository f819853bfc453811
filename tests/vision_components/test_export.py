"""Export: the service opens what is written, and says about images what Keras says."""

import asyncio
import json

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import BundleError, DataError
from serving.config import ImagesConfig
from serving.images import load_cascade, open_cascade
from serving.images.decoding import resized
from serving.images.manifest import InputSize
from tests.vision_components.networks import CLASSES, images, network
from vision_components.backbones import efficientnet, mobilenet
from vision_components.committees import NEVER
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade, export_stage
from vision_components.export import stage as stage_module
from vision_components.multi_hashing import hash_model

NAMES = ("bag", "hat", "shoe", "sock")


def pixels(rows=6, side=16, seed=0):
    return np.rint(images(rows, side, seed)).astype(np.uint8)


def made(threshold=0.5, width=None, **settings):
    """A cascade whose stages read images of half and of full size."""
    first, second = (network(seed, width=4 + 2 * seed, embedding_width=width) for seed in (0, 1))
    return Cascade([CascadeStage(first, resolution=(8, 8)), CascadeStage(second)], [threshold], **settings)


@pytest.mark.parametrize("width", [None, 5])
@pytest.mark.parametrize("combine", ["mean", "last"])
def test_the_service_opens_it_and_says_what_keras_says(tmp_path, width, combine):
    cascade, shown = made(width=width, combine=combine), pixels(12)
    small = np.stack([resized(image, InputSize(height=8, width=8)) for image in shown])
    stages = [stage.model for stage in cascade.stages]
    said = [stages[0](small.astype(np.float32)), stages[1](shown.astype(np.float32))]
    logits = [one["logits"] if width else one for one in said]
    probabilities = [tf.nn.softmax(one).numpy() for one in logits]
    sure = np.sort(probabilities[0].max(axis=1))
    threshold = float(sure[5:7].mean())
    cascade.thresholds = (threshold,)
    folder = export_cascade(cascade, tmp_path, "v1", NAMES, shown[:3])
    assert list(tmp_path.iterdir()) == [folder]

    async def scored():
        runtime = load_cascade(folder, ImagesConfig(cascade=folder))
        try:
            return await runtime.score(list(shown))
        finally:
            await runtime.close()

    scores = asyncio.run(scored())
    for row, score in enumerate(scores):
        stage = int(probabilities[0][row].max() < threshold)
        assert score.exit_stage == stage
        answers = [probabilities[place][row] for place in range(stage + 1)]
        expected = np.mean(answers, axis=0) if combine == "mean" else answers[-1]
        np.testing.assert_allclose(score.probabilities, expected, atol=1e-4)
        if width:
            np.testing.assert_allclose(score.embedding, said[stage]["embedding"][row], atol=1e-4)
    assert {score.exit_stage for score in scores} == {0, 1}


def test_the_manifest_says_what_the_cascade_is(tmp_path):
    cascade = made(threshold=0.25, width=5, confidence="margin")
    manifest = open_cascade(export_cascade(cascade, tmp_path, "v1", NAMES, pixels())).manifest
    assert [stage.threshold for stage in manifest.stages] == [0.25, None]
    assert [stage.input_size.height for stage in manifest.stages] == [8, 16]
    assert [stage.cost for stage in manifest.stages] == [stage.multiply_adds((16, 16, 3)) for stage in cascade.stages]
    assert (manifest.confidence, manifest.combine, manifest.embedding_width) == ("margin", "mean", 5)
    assert set(manifest.files) == {"stage_0.onnx", "stage_1.onnx", "golden_images.npz"}


def test_thresholds_beyond_reach_are_kept(tmp_path):
    manifest = open_cascade(export_cascade(made(NEVER), tmp_path, "v1", NAMES, pixels())).manifest
    assert manifest.stages[0].threshold == NEVER


@pytest.mark.parametrize("build", [lambda: mobilenet(CLASSES, width=0.25), lambda: efficientnet(CLASSES, width=0.25)])
def test_other_backbones_are_exported(tmp_path, build):
    answers = export_stage(CascadeStage(build(), temperature=2.0), tmp_path / "stage.onnx", pixels(3), False)
    assert answers.probabilities.shape == (3, CLASSES)
    assert answers.embeddings.shape == (3, 0)


def test_a_hashed_model_is_exported_in_full_size(tmp_path):
    plain = network(width=16)
    for name, model in {"plain": plain, "hashed": hash_model(plain, fraction=0.1)}.items():
        export_stage(CascadeStage(model), tmp_path / f"{name}.onnx", pixels(2), False)
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("plain", "hashed")]
    assert sizes[1] > 0.9 * sizes[0]


def test_a_graph_that_says_something_else_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_module, "_run", lambda path, images, names: {"probabilities": np.full((6, 4), np.nan)})
    with pytest.raises(DataError, match="differ by nan between ONNX Runtime and Keras"):
        export_cascade(made(), tmp_path, "v1", NAMES, pixels())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_converted_is_named(tmp_path):
    class Odd(tf.keras.layers.Layer):
        def call(self, values):
            return tf.raw_ops.Bucketize(input=values, boundaries=[1.0])

    image = tf.keras.Input((16, 16, 3))
    rows = tf.keras.layers.GlobalAveragePooling2D()(tf.cast(Odd()(image), tf.float32))
    model = tf.keras.Model(image, tf.keras.layers.Dense(CLASSES)(rows), name="odd")
    with pytest.raises(DataError, match="odd cannot be converted to ONNX"):
        export_stage(CascadeStage(model), tmp_path / "stage.onnx", pixels(2), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "../v1"}, "give letters"),
        ({"class_names": ("a", "b")}, "of 4 classes"),
        ({"class_names": ("a", "a", "b", "c")}, "name each once"),
        ({"images": pixels()[:0]}, "1 or more"),
        ({"images": images(2)}, "images float32"),
    ],
)
def test_what_no_cascade_is_is_named(tmp_path, change, message):
    given = {"version": "v1", "class_names": NAMES, "images": pixels(), **change}
    with pytest.raises(DataError, match=message):
        export_cascade(made(), tmp_path, **given)


def test_a_version_is_never_overwritten(tmp_path):
    folder = export_cascade(made(), tmp_path, "v1", NAMES, pixels())
    before = (folder / "cascade.json").read_bytes()
    with pytest.raises(DataError, match="never overwritten"):
        export_cascade(made(), tmp_path, "v1", NAMES, pixels())
    assert (folder / "cascade.json").read_bytes() == before


def test_an_altered_graph_is_noticed(tmp_path):
    folder = export_cascade(made(), tmp_path, "v1", NAMES, pixels())
    graph = folder / "stage_1.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"stage_1\.onnx"):
        open_cascade(folder)
    assert json.loads((folder / "cascade.json").read_text())["version"] == "v1"


def test_a_wanted_embedding_must_be_there(tmp_path):
    with pytest.raises(DataError, match="has no embedding"):
        export_stage(CascadeStage(network()), tmp_path / "stage.onnx", pixels(1), True)
