"""`seriatim vision train-codec`, `encode` and `decode` as a person meets them."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipelines.commands.vision import vision
from seriatim_errors import DataError


def seriatim(*arguments):
    return CliRunner().invoke(vision, [str(argument) for argument in arguments])


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        picture(70, 80, number).save(folder / f"photo_{number}.png")
    picture(20, 20).save(folder / "tiny.jpg")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("codecs") / "mine"
    small = ("--steps", 2, "--channels", 4, "--latents", 5, "--decoder", "4,3,2", "--patch", 64, "--batch-size", 1)
    return out, seriatim("train-codec", photos, "--out", out, *small)


def test_training_says_what_it_left_out_and_what_it_made(trained, photos):
    out, answer = trained
    assert answer.exit_code == 0, answer.output
    assert f"left out: {photos / 'tiny.jpg'} of 20 x 20" in answer.output
    assert f"left out: {photos / 'broken.png'} is no picture" in answer.output
    assert f"{out}: codec " in answer.output
    assert (out / "codec.json").is_file()


def test_pictures_go_there_and_back(trained, photos, tmp_path):
    codec = trained[0]
    coded = seriatim("encode", photos / "photo_0.png", photos / "tiny.jpg", "--codec", codec, "--out", tmp_path / "a")
    assert coded.exit_code == 0, coded.output
    size = (tmp_path / "a" / "tiny.seic").stat().st_size
    assert f"tiny.seic: {size} bytes, {8 * size / 400:.3f} bits per pixel" in coded.output
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == ["photo_0.seic", "tiny.seic"]
    for runtime in ("keras", "onnx"):
        out = tmp_path / runtime
        answer = seriatim("decode", *files, "--codec", codec, "--out", out, "--runtime", runtime)
        assert answer.exit_code == 0, answer.output
        assert f"{out}: 2 files" in answer.output
        assert Image.open(out / "photo_0.png").size == (80, 70)
        assert Image.open(out / "tiny.png").size == (20, 20)


def test_one_bad_file_is_refused_by_name_and_the_others_are_written(trained, photos, tmp_path):
    answer = seriatim("encode", photos, "--codec", trained[0], "--out", tmp_path)
    assert isinstance(answer.exception, DataError)
    assert "1 of 5 files refused, 4 written" in str(answer.exception)
    assert f"refused: {photos / 'broken.png'} is no picture" in answer.output
    assert not (tmp_path / "broken.seic").exists()
    (tmp_path / "photo_1.seic").write_bytes((tmp_path / "photo_1.seic").read_bytes()[:-1])
    answer = seriatim("decode", *sorted(tmp_path.glob("*.seic")), "--codec", trained[0], "--out", tmp_path / "back")
    assert "1 of 4 files refused, 3 written" in str(answer.exception)
    assert "photo_1.seic has" in answer.output
    assert len(list((tmp_path / "back").iterdir())) == 3


def test_files_that_are_there_are_replaced_only_when_asked(trained, photos, tmp_path):
    arguments = ("encode", photos / "photo_0.png", "--codec", trained[0], "--out", tmp_path)
    assert seriatim(*arguments).exit_code == 0
    again = seriatim(*arguments)
    assert "exists already" in again.output
    assert isinstance(again.exception, DataError)
    assert seriatim(*arguments, "--overwrite").exit_code == 0


def test_a_smaller_decoder_reads_the_files_of_its_codec(trained, photos, tmp_path):
    codec = trained[0]
    assert seriatim("encode", photos / "photo_0.png", "--codec", codec, "--out", tmp_path).exit_code == 0
    settings = ("--codec", codec, "--steps", 20, "--patch", 64, "--batch-size", 1)
    given = seriatim("train-decoder", photos, *settings, "--out", tmp_path / "given", "--decoder", "2,2,2")
    assert given.exit_code == 0, given.output
    searched = seriatim("train-decoder", photos, *settings, "--out", tmp_path / "searched", "--budget", 0.7)
    assert searched.exit_code == 0, searched.output
    assert f"{tmp_path / 'given'}: a decoder of widths 2, 2, 2 for files of codec" in given.output
    for name in ("given", "searched"):
        answer = seriatim(
            "decode", tmp_path / "photo_0.seic", "--codec", tmp_path / name, "--out", tmp_path / "out" / name
        )
        assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("encode", "{photos}/none.png", "--codec", "{codec}"), "does not exist"),
        (("encode", "{photos}/photo_0.png", "--codec", "{photos}"), "codec.json is missing"),
        (("encode", "{photos}/photo_0.png", "{photos}/photo_0.png", "--codec", "{codec}"), "both be written"),
        (("encode", "{photos}/photo_0.png", "--codec", "{codec}", "--out", "{photos}/tiny.jpg"), "cannot be made"),
        (("decode", "{photos}/none.seic", "--codec", "{codec}"), "1 of 1 files refused"),
        (("decode", "{photos}/photo_0.png", "--codec", "{codec}"), "1 of 1 files refused"),
        (("train-codec", "{photos}/tiny.jpg", "--out", "{photos}/new"), "none of 1 pictures"),
        (("train-codec", "{photos}", "--out", "{codec}"), "never overwritten"),
        (("train-codec", "{photos}", "--out", "{photos}/new", "--patch", "65"), "patch 65"),
        (("train-decoder", "{photos}", "--codec", "{codec}", "--out", "{codec}"), "never overwritten"),
        (("train-decoder", "{photos}", "--codec", "{photos}", "--out", "{photos}/new"), "codec.json is missing"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(trained, photos, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(photos=photos, codec=trained[0]) for argument in arguments]
    answer = seriatim(*filled)
    assert isinstance(answer.exception, DataError) or type(answer.exception).__name__ == "TrainingError"
    assert words in str(answer.exception)


def test_widths_that_are_none_are_a_wrong_command_line(photos, tmp_path):
    answer = seriatim("train-codec", photos, "--out", tmp_path / "new", "--decoder", "4,4")
    assert answer.exit_code == 2
    assert "three widths" in answer.output
