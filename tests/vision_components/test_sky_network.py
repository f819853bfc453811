"""The sky network: its shape, its training, its folder, and the labelled photos that it learns from."""

import io
import json
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks.sky_scenes import drawn_scene
from seriatim_errors import DataError, TrainingError
from vision_components.sky import load_network
from vision_components.sky.export import export_network
from vision_components.sky.labelled_photos import SkyExamples, read_labelled_photos, sky_examples
from vision_components.sky.metrics import intersection_over_union
from vision_components.sky.segmentation import keras_network, load_unet, unet
from vision_components.sky.training import TrainingSettings, train, varied

SIDE = 32


def labels_of(alpha):
    """Hard labels, with a band that nobody labelled between them."""
    return np.select([alpha > 0.95, alpha < 0.05], [np.uint8(255), np.uint8(0)], np.uint8(128))


def write_photos(folder, count=3, height=48, width=64, kind="jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        scene = drawn_scene(seed, height, width)
        Image.fromarray(scene.photo).save(folder / f"view_{seed}.{kind}")
        Image.fromarray(labels_of(scene.alpha)).save(folder / f"view_{seed}_sky.png")
    return folder


def small_examples(count=12, side=SIDE):
    scenes = [drawn_scene(seed, side, side) for seed in range(count)]
    labels = [labels_of(scene.alpha) for scene in scenes]
    return SkyExamples(
        np.stack([scene.photo for scene in scenes]),
        np.stack([np.where(one == 255, 255, 0).astype(np.uint8) for one in labels]),
        np.stack([np.where(one == 128, 0, 255).astype(np.uint8) for one in labels]),
    )


@pytest.fixture(scope="module")
def learned():
    tf.keras.utils.set_random_seed(0)
    model, seen = unet(SIDE, (4, 8)), []
    losses = train(
        model,
        small_examples(),
        TrainingSettings(steps=80, batch_size=6, learning_rate=1e-2),
        lambda *told: seen.append(told),
    )
    return model, losses, seen


def test_it_answers_with_a_probability_for_every_pixel():
    model = unet(64, (4, 6, 8))
    assert model.output_shape == (None, 64, 64, 1)
    answer = model(np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)).numpy()
    assert answer.min() >= 0
    assert answer.max() <= 1
    kinds = {type(layer).__name__ for layer in model.layers}
    assert "Lambda" not in kinds
    assert not any("OpLambda" in kind for kind in kinds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((30, (4, 4, 4)), "side 30"), ((2, (4, 4)), "side 2"), ((32, (4,)), "widths"), ((32, (4, 0)), "widths")],
)
def test_networks_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        unet(*arguments)


def test_a_model_of_another_kind_is_no_sky_network(tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Input((8, 8, 3)), tf.keras.layers.Flatten()])
    model.save(tmp_path / "other.keras")
    with pytest.raises(DataError, match="reads"):
        load_unet(tmp_path / "other.keras")


def test_training_finds_the_sky(learned):
    model, losses, seen = learned
    assert [step for step, _ in seen] == list(range(1, 81))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    unseen = [drawn_scene(seed, SIDE, SIDE) for seed in range(100, 108)]
    said = keras_network(model).probabilities(np.stack([scene.photo for scene in unseen]))
    found = [intersection_over_union(one, scene.alpha) for one, scene in zip(said, unseen, strict=True)]
    assert np.mean(found) > 0.8


def test_what_is_unlabelled_teaches_nothing():
    results = []
    for filling in (0, 255):
        examples = small_examples(4)
        examples.targets[examples.weights == 0] = filling
        # Cutting mixes neighbouring pixels, so that a label is read at whole pixels only.
        tf.keras.utils.set_random_seed(1)
        model = unet(SIDE, (4, 4))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vision_components.sky.training.SMALLEST_CUT", 1.0)
            train(model, examples, TrainingSettings(steps=3, batch_size=4))
        results.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)


def test_photos_and_masks_are_cut_and_mirrored_alike():
    ramp = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (6, SIDE, 1))
    examples = SkyExamples(np.repeat(ramp[..., np.newaxis], 3, axis=-1), ramp, ramp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vision_components.sky.training.GAMMAS", (1.0, 1.0))
        patch.setattr("vision_components.sky.training.GAINS", (1.0, 1.0))
        photos, targets, weights = varied(examples, np.arange(6), np.random.default_rng(0))
    np.testing.assert_allclose(photos[..., 0] / 255, targets[..., 0], atol=1e-5)
    np.testing.assert_allclose(weights, targets[..., 0], atol=1e-6)
    rising = np.diff(targets.numpy()[:, 0, :, 0], axis=1).mean(axis=1) > 0
    assert 0 < rising.sum() < 6
    spans = np.ptp(targets.numpy()[:, 0, :, 0], axis=1)
    assert (spans >= 0.6).all()
    assert len(np.unique(spans.round(3))) > 1


def test_masks_of_one_kind_only_are_refused():
    examples = small_examples(4)
    everything = SkyExamples(examples.photos, np.full_like(examples.targets, 255), examples.weights)
    nothing = SkyExamples(examples.photos, examples.targets, np.zeros_like(examples.weights))
    for wrong in (everything, nothing):
        with pytest.raises(TrainingError, match="both sky"):
            train(unet(SIDE, (4, 4)), wrong, TrainingSettings(steps=1))
    with pytest.raises(TrainingError, match="reads"):
        train(unet(64, (4, 4)), examples, TrainingSettings(steps=1))
    with pytest.raises(TrainingError, match="steps 0"):
        TrainingSettings(steps=0)


def test_a_folder_says_what_the_model_says(learned, tmp_path):
    model, photos = learned[0], small_examples().photos
    folder = export_network(model, tmp_path / "net", photos, {"photos": 12})
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    network = load_network(folder, threads=1)
    assert network.side == SIDE
    np.testing.assert_allclose(network.probabilities(photos), keras_network(model).probabilities(photos), atol=1e-5)
    manifest = json.loads((folder / "sky.json").read_text())
    assert manifest["training"] == {"photos": 12}
    assert manifest["multiply_adds"] > 0
    assert network.version == manifest["sha256"][:16]
    again = tf.keras.models.load_model(folder / "sky.keras")
    np.testing.assert_array_equal(again(photos[:2].astype(np.float32)), model(photos[:2].astype(np.float32)))
    with pytest.raises(DataError, match="exists already"):
        export_network(model, folder, photos)
    (folder / "sky.onnx").write_bytes(b"damaged")
    with pytest.raises(DataError, match="is not the file"):
        load_network(folder)
    (folder / "sky.onnx").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_network(folder)


def test_a_graph_that_says_something_else_leaves_nothing_behind(learned, tmp_path, monkeypatch):
    monkeypatch.setattr("vision_components.sky.export.TOLERANCE", -1.0)
    with pytest.raises(DataError, match="differ"):
        export_network(learned[0], tmp_path / "net", small_examples().photos)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "holds no sky.json"), ("[", "no JSON"), ('{"schema_version": 9}', "schema version 9"), ("3", "schema")],
)
def test_folders_that_hold_no_network_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "sky.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_network(tmp_path)


def as_tar(folder, path):
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_folder_and_a_tar_file_hold_the_same_photos(tmp_path, kind):
    folder = write_photos(tmp_path / "photos", kind=kind)
    found = [list(read_labelled_photos(path)) for path in (folder, as_tar(folder, tmp_path / "photos.tar"))]
    assert [one.name for one in found[0]] == [f"view_{seed}.{kind}" for seed in range(3)]
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
        np.testing.assert_array_equal(first.labels, second.labels)
    assert found[0][0].pixels.shape == (48, 64, 3)
    assert set(np.unique(found[0][0].labels)) == {0, 128, 255}


def test_examples_weigh_pixels_by_what_is_labelled(tmp_path):
    photos = list(read_labelled_photos(write_photos(tmp_path)))
    examples = sky_examples(photos, SIDE)
    assert examples.photos.shape == (3, SIDE, SIDE, 3)
    assert examples.targets.shape == examples.weights.shape == (3, SIDE, SIDE)
    assert 0.8 < examples.weights.mean() / 255 < 1
    filled = sky_examples(photos, SIDE, refine=True)
    assert filled.weights.min() == 255
    sure = examples.weights == 255
    assert np.abs(filled.targets[sure].astype(float) - examples.targets[sure]).mean() < 25


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="png")
    return buffer.getvalue()


SPOILT = {
    "holds no photo": {},
    "has no mask view_sky.png": {"view.png": png(np.zeros((8, 8, 3), np.uint8))},
    "has no photo view.jpg": {"view_sky.png": png(np.zeros((8, 8), np.uint8)), "b.png": b"", "b_sky.png": b""},
    "view.png cannot be read": {"view.png": b"no image", "view_sky.png": png(np.zeros((8, 8), np.uint8))},
    "are of 8 x 8 and 9 x 8 pixels": {
        "view.png": png(np.zeros((8, 8, 3), np.uint8)),
        "view_sky.png": png(np.zeros((8, 9), np.uint8)),
    },
    r"view_sky.png holds \[1\]": {
        "view.png": png(np.zeros((8, 8, 3), np.uint8)),
        "view_sky.png": png(np.ones((8, 8), np.uint8)),
    },
}


@pytest.mark.parametrize("message", SPOILT)
def test_spoilt_photos_are_named(tmp_path, message):
    for name, content in SPOILT[message].items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_labelled_photos(tmp_path))


def test_what_is_no_tar_file_is_named(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no archive")
    for path, message in ((tmp_path / "a.tar", "no whole tar"), (tmp_path / "b.tar", "does not exist")):
        with pytest.raises(DataError, match=message):
            list(read_labelled_photos(path))


@pytest.mark.real_data
def test_street_scenes_are_read(public_data):
    photos = list(read_labelled_photos(public_data / "camvid_sky" / "val.tar"))
    assert len(photos) == 101
    examples = sky_examples(photos[:4], SIDE)
    assert 0.02 < (examples.targets > 127).mean() < 0.5
