"""`seriatim vision train-sky` and `seriatim vision sky`: from labelled photos to better ones."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipelines import sky_folder
from pipelines.commands.vision import vision
from pipelines.commands.vision_train_sky import train_sky
from seriatim_errors import DataError
from vision_components.sky import SkyNetwork

SKY, GRASS = (70, 110, 190), (60, 80, 30)


def landscape(seed=0, height=48, width=64, sky=0.5):
    """Blue above, green below, and the mask."""
    rng = np.random.default_rng(seed)
    edge = round(height * sky)
    mask = np.zeros((height, width), np.uint8)
    mask[:edge] = 255
    photo = np.where(mask[..., np.newaxis] == 255, SKY, GRASS) + rng.normal(0, 4, (height, width, 3))
    return np.clip(photo, 0, 255).astype(np.uint8), mask


def bluish(side=32):
    """A network that calls blue pixels sky."""
    return SkyNetwork(side, lambda photos: (photos[..., 2] > photos[..., 1] + 30).astype(np.float32), "bluish")


def run(*arguments):
    return CliRunner().invoke(vision, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    for seed in range(8):
        photo, mask = landscape(seed, sky=seed / 8)
        Image.fromarray(photo).save(folder / f"view_{seed}.jpg", quality=95)
        Image.fromarray(mask).save(folder / f"view_{seed}_sky.png")
    out = folder.parent / "network"
    small = ("--steps", 80, "--batch-size", 4, "--learning-rate", 0.02, "--side", 32, "--widths", "4,8")
    ended = run("train-sky", folder, "--out", out, "--held-out", folder, *small)
    assert ended.exit_code == 0, ended.output
    assert "training on 8 photos" in ended.output
    assert "iou" in ended.output
    return out


def test_a_trained_network_improves_photos_and_copies_those_without_sky(network, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(landscape(20, 96, 128)[0]).save(photos / "sky.png")
    Image.fromarray(landscape(21, 96, 128, sky=0)[0]).save(photos / "grass.jpg", quality=50, comment=b"kept as it is")
    out = tmp_path / "out"
    ended = run("sky", photos / "sky.png", photos / "grass.jpg", "--network", network, "--out", out, "--pictures")
    assert ended.exit_code == 0, ended.output
    assert "improved 1 of 2 photos, 0 refused" in ended.output
    names = {path.name for path in out.iterdir()}
    assert names == {
        "sky.png", "sky_sky.png", "sky_before_after.jpg", "grass.jpg", "grass_sky.png", "sky_photos.json"
    }  # fmt: skip
    assert (out / "grass.jpg").read_bytes() == (photos / "grass.jpg").read_bytes()
    mask = np.asarray(Image.open(out / "sky_sky.png"))
    assert ((mask > 127) == (landscape(20, 96, 128)[1] > 127)).mean() > 0.97
    before, after = (np.asarray(Image.open(folder / "sky.png")) for folder in (photos, out))
    np.testing.assert_array_equal(after[mask == 0], before[mask == 0])
    assert after[:40].mean() < before[:40].mean()
    record = json.loads((out / "sky_photos.json").read_text())
    assert record["network"] == json.loads((network / "sky.json").read_text())["sha256"][:16]
    assert [photo["changed"] for photo in record["photos"]] == [True, False]


def test_effects_may_be_left_out(network, tmp_path):
    path = tmp_path / "sky.png"
    Image.fromarray(landscape(20)[0]).save(path)
    none = [part for name in ("denoise", "darkening", "contrast", "white-balance") for part in (f"--{name}", 0)]
    assert run("sky", path, "--network", network, "--out", tmp_path / "out", *none).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "sky.png")), landscape(20)[0])


def test_one_bad_file_does_not_stop_the_others(network, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    Image.fromarray(landscape()[0]).save(good)
    bad.write_bytes(b"no picture")
    ended = run("sky", bad, good, "--network", network, "--out", tmp_path / "out")
    assert isinstance(ended.exception, DataError)
    assert f"refused: {bad}" in ended.output
    assert "improved 1 of 2 photos, 1 refused" in ended.output
    assert (tmp_path / "out" / "good.png").exists()
    assert not (tmp_path / "out" / "bad.jpg").exists()
    record = json.loads((tmp_path / "out" / "sky_photos.json").read_text())
    assert str(bad) in record["photos"][0]["refused"]


def improved(photos, out):
    return sky_folder.improve_files(photos, bluish(), out, max_megapixels=50)


def test_an_original_is_never_overwritten(tmp_path):
    path = tmp_path / "sky.png"
    Image.fromarray(landscape()[0]).save(path)
    with pytest.raises(DataError, match="would be overwritten"):
        improved([path], tmp_path)
    with pytest.raises(DataError, match="one name"):
        improved([path, tmp_path / "other" / "SKY.jpg"], tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["sky.png"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    path, out = tmp_path / "sky.png", tmp_path / "out"
    Image.fromarray(landscape()[0]).save(path)
    out.write_text("in the way")
    with pytest.raises(DataError, match="--out"):
        improved([path], out)


def test_a_picture_that_cannot_be_finished_is_not_there(tmp_path, monkeypatch):
    path = tmp_path / "sky.png"
    Image.fromarray(landscape()[0]).save(path)

    def half_written(partial, *others):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sky_folder, "write_photo", half_written)
    with pytest.raises(DataError, match="No space left"):
        improved([path], tmp_path / "out")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["sky_sky.png"]


def test_a_network_that_is_none_and_a_folder_that_exists_are_named(tmp_path):
    ended = run("sky", tmp_path / "a.jpg", "--network", tmp_path, "--out", tmp_path / "out")
    assert "holds no sky.json" in str(ended.exception)
    ended = run("train-sky", tmp_path, "--out", tmp_path)
    assert "exists already" in str(ended.exception)
    (tmp_path / "file").write_text("in the way")
    ended = run("train-sky", tmp_path, "--out", tmp_path / "file" / "new")
    assert "cannot be written" in str(ended.exception)


def test_a_network_is_trained_on(network, tmp_path):
    for seed in range(2):
        photo, mask = landscape(seed)
        Image.fromarray(photo).save(tmp_path / f"view_{seed}.png")
        Image.fromarray(mask).save(tmp_path / f"view_{seed}_sky.png")
    few = ("--steps", 2, "--batch-size", 2, "--learning-rate", 1e-6)
    ended = run("train-sky", tmp_path, "--out", tmp_path / "on", "--start", network / "sky.keras", *few)
    assert ended.exit_code == 0, ended.output
    before, after = (json.loads((folder / "sky.json").read_text()) for folder in (network, tmp_path / "on"))
    assert after["side"] == before["side"] == 32
    assert after["multiply_adds"] == before["multiply_adds"]
    assert after["training"]["last_loss"] < 0.3
    ended = run("train-sky", tmp_path, "--out", tmp_path / "off", "--start", network / "sky.json", *few)
    assert "is no Keras model" in str(ended.exception)
    ended = run("train-sky", tmp_path, "--out", tmp_path / "off", "--start", tmp_path / "none.keras", *few)
    assert "does not exist" in str(ended.exception)


def test_widths_that_are_no_numbers_are_named(tmp_path):
    ended = CliRunner().invoke(train_sky, [str(tmp_path), "--out", str(tmp_path / "new"), "--widths", "4,x"])
    assert isinstance(ended.exception, DataError)
    assert "--widths '4,x'" in str(ended.exception)


def test_improving_photos_needs_no_tensorflow():
    program = "import pipelines.sky_folder, vision_components.sky, sys; print('tensorflow' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "False"
