"""Training the image codec, its folder, and decoders trained for the latents of another."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError, TrainingError
from tests.vision_components.coded import TINY, picture, tiny_codec
from vision_components.codec.codec_folder import DECODER_GRAPH, DESCRIPTION, TABLES, load_codec, save_codec
from vision_components.codec.decoder_training import train_decoder
from vision_components.codec.networks import synthesis
from vision_components.codec.patches import Patches
from vision_components.codec.quality import psnr
from vision_components.codec.training import TrainingPlan, descend, train_codec

PICTURES = [picture(80, 90, seed) for seed in range(4)]
CODEC = tiny_codec()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_codec(CODEC, tmp_path_factory.mktemp("codecs") / "tiny")


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def trained():
    told = []
    plan = TrainingPlan(distortion_weight=0.02, steps=240, batch_size=4, patch=64, learning_rate=3e-3)
    return train_codec(PICTURES, TINY, plan, told.append), told


def test_training_makes_the_loss_fall_and_tells_how(trained):
    codec, told = trained
    losses = [state.bits_per_pixel + 0.02 * 255**2 * 10 ** (-state.psnr / 10) for state in told]
    assert [state.step for state in told] == list(range(20, 241, 20))
    assert np.mean(losses[-3:]) < 0.3 * losses[0]
    assert codec.training["steps"] == 240


def test_what_training_expects_is_what_files_take(trained):
    codec, told = trained
    expected = np.mean([state.bits_per_pixel for state in told[-3:]])
    # Side by side the patches make one picture, which has room for the header's bytes to be few.
    shown = np.concatenate([np.concatenate(PICTURES[:2]), np.concatenate(PICTURES[2:])], axis=1)
    content = codec.encode(shown)
    assert 8 * (len(content) - 37) / (shown.shape[0] * shown.shape[1]) == pytest.approx(expected, rel=0.6)
    decoded = codec.decode(content)
    assert psnr(shown, decoded) > psnr(shown, np.full_like(shown, shown.mean())) + 2


def test_a_new_decoder_learns_and_leaves_the_files_as_they_are(trained):
    codec, _ = trained
    told = []
    plan = TrainingPlan(distortion_weight=0.02, steps=60, batch_size=4, patch=64, learning_rate=3e-3)
    narrow = train_decoder(codec, PICTURES, (4, 4, 4), "relu", plan, told.append)
    content = codec.encode(PICTURES[0])
    assert narrow.encode(PICTURES[0]) == content
    assert told[-1].psnr > told[0].psnr
    assert told[-1].bits_per_pixel == 0
    assert narrow.training["decoder"] == [4, 4, 4]
    assert narrow.decode(content).shape == PICTURES[0].shape
    with pytest.raises(DataError, match="give 3"):
        train_decoder(codec, PICTURES, (4, 4))


def test_patches_are_parts_of_large_enough_pictures_and_mirrored_half_of_the_time():
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, :, None], (70, 100, 3))
    patches = Patches([ramp, picture(60, 300)], 64, seed=1).batch(40)
    assert patches.shape == (40, 64, 64, 3)
    steps = np.diff(patches[:, 0, :, 0].astype(int), axis=1)
    assert set(steps.ravel()) == {1, -1}
    assert (np.abs(steps.sum(axis=1)) == 63).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"steps": 0}, "steps 0"), ({"distortion_weight": float("nan")}, "distortion_weight nan"), ({"patch": 72}, "72")],
)
def test_a_plan_that_cannot_be_followed_is_refused_by_name(settings, words):
    with pytest.raises(TrainingError, match=words):
        train_codec(PICTURES, TINY, TrainingPlan(**settings))


def test_pictures_that_are_all_too_small_are_refused():
    with pytest.raises(TrainingError, match="none of 4 pictures"):
        train_codec(PICTURES, TINY, TrainingPlan(patch=128))


def test_a_loss_that_is_no_number_ends_the_training():
    def costs(batch):
        return weight * float("nan"), tf.reduce_mean(batch)

    weight = tf.Variable(1.0)
    plan = TrainingPlan(steps=40, batch_size=1, patch=64)
    with pytest.raises(TrainingError, match="step 20; give a lower learning rate"):
        descend(costs, [weight], Patches(PICTURES, 64), plan, None)


def test_a_codec_survives_its_folder(folder):
    again = load_codec(folder)
    content = CODEC.encode(picture())
    assert again.encode(picture()) == content
    np.testing.assert_array_equal(again.decode(content), CODEC.decode(content))
    assert again.design == CODEC.design
    assert again.training == CODEC.training


def test_onnx_runtime_draws_the_same_picture(folder):
    content = CODEC.encode(picture(90, 130))
    drawn = load_codec(folder, synthesis="onnx").decode(content)
    # Both round, and values near a half may go either way.
    off = np.abs(drawn.astype(int) - CODEC.decode(content))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_a_codec_is_never_overwritten(folder):
    with pytest.raises(DataError, match="exists already"):
        save_codec(CODEC, folder)


def test_a_folder_that_cannot_be_finished_is_not_left_behind(tmp_path):
    network = synthesis(TINY.latents, TINY.decoder)
    network.set_weights([value * np.nan for value in network.get_weights()])
    broken = CODEC.with_synthesis(network)
    with pytest.raises(DataError, match="differs"):
        save_codec(broken, tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["analysis.keras", "synthesis.keras", TABLES, DECODER_GRAPH])
def test_a_missing_or_damaged_file_is_refused_by_name(copied, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} has another checksum"):
        load_codec(copied)
    (copied / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        load_codec(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said.update(schema_version=9), "schema_version 9"),
        (lambda said: said.pop("design"), "design"),
        (lambda said: said.update(coder_id="00" * 8), "calls itself 0000"),
        (lambda said: said["files"].pop(TABLES), TABLES),
        (lambda said: said["files"].update({"../x": "0"}), "missing"),
        (lambda said: said["design"].update(latents=-1), "latents width -1"),
        (lambda said: said["design"].update(depth=1), "depth"),
        (lambda said: said["design"].update(latents=8), "latents"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_by_name(copied, change, words):
    said = json.loads((copied / DESCRIPTION).read_text())
    change(said)
    (copied / DESCRIPTION).write_text(json.dumps(said))
    with pytest.raises(DataError, match=words):
        load_codec(copied)


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"'])
def test_a_description_that_is_none_is_refused(copied, content):
    (copied / DESCRIPTION).write_text(content)
    with pytest.raises(DataError, match=DESCRIPTION):
        load_codec(copied)


def test_a_folder_that_is_no_codec_is_refused(tmp_path):
    with pytest.raises(DataError, match="train-codec"):
        load_codec(tmp_path)


def test_a_codec_without_a_graph_is_decoded_with_keras_alone(tmp_path):
    folder = save_codec(CODEC, tmp_path / "plain", with_graph=False)
    assert load_codec(folder).decode(CODEC.encode(picture())).shape == (70, 50, 3)
    with pytest.raises(DataError, match=DECODER_GRAPH):
        load_codec(folder, synthesis="onnx")
