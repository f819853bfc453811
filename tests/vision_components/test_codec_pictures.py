"""Picture files as the image codec reads them: odd ones made upright RGB, unfit ones refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seriatim_errors import DataError
from tests.vision_components.coded import picture
from vision_components.codec.pictures import pictures_below, read_picture, write_png

SHOWN = picture(12, 9)


def saved(tmp_path, image, name="x.png", **settings):
    image.save(tmp_path / name, **settings)
    return tmp_path / name


def test_a_png_comes_back_as_it_was_written(tmp_path):
    write_png(tmp_path / "x.png", SHOWN)
    np.testing.assert_array_equal(read_picture(tmp_path / "x.png"), SHOWN)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_greys_become_three_equal_channels(tmp_path, mode):
    grey = Image.fromarray(SHOWN).convert(mode)
    expected = np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, grey)), expected)


def test_a_palette_becomes_its_colours(tmp_path):
    palette = Image.fromarray(SHOWN).quantize(16)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, palette)), np.asarray(palette.convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path):
    inks = Image.fromarray(SHOWN).convert("CMYK")
    found = read_picture(saved(tmp_path, inks, "x.tif"))
    np.testing.assert_array_equal(found, np.asarray(inks.convert("RGB")))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda shown: shown),
        (2, lambda shown: shown[:, ::-1]),
        (3, lambda shown: shown[::-1, ::-1]),
        (6, lambda shown: np.rot90(shown, -1)),
        (8, lambda shown: np.rot90(shown)),
    ],
)
def test_a_picture_that_exif_turns_is_read_upright(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(SHOWN), exif=exif)
    np.testing.assert_array_equal(read_picture(path), turn(SHOWN))


def test_an_opaque_alpha_channel_is_left_out_and_a_transparent_one_refused(tmp_path):
    image = Image.fromarray(SHOWN).convert("RGBA")
    np.testing.assert_array_equal(read_picture(saved(tmp_path, image)), SHOWN)
    image.putpixel((3, 4), (1, 2, 3, 254))
    with pytest.raises(DataError, match=r"x\.png is transparent"):
        read_picture(saved(tmp_path, image))


def test_a_transparent_palette_entry_is_refused(tmp_path):
    palette = Image.fromarray(SHOWN).quantize(16)
    path = saved(tmp_path, palette, transparency=int(np.asarray(palette)[0, 0]))
    with pytest.raises(DataError, match="transparent"):
        read_picture(path)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_eight_bits_a_channel_are_refused(tmp_path, mode):
    deep = Image.fromarray(SHOWN[..., 0].astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    assert deep.mode == mode
    with pytest.raises(DataError, match="8 bits a channel"):
        read_picture(saved(tmp_path, deep, "x.tif"))


def test_several_frames_are_refused(tmp_path):
    frames = [Image.fromarray(picture(8, 8, seed)) for seed in range(3)]
    path = saved(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="3 frames"):
        read_picture(path)


def png_of(width, height):
    """A header that claims a size, without the pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.mark.parametrize(("width", "height"), [(70000, 1), (8000, 8000), (60000, 60000)])
def test_a_huge_picture_is_refused_before_it_is_read(tmp_path, width, height):
    (tmp_path / "x.png").write_bytes(png_of(width, height))
    with pytest.raises(DataError, match=r"x\.png"):
        read_picture(tmp_path / "x.png")


@given(st.binary(max_size=64), st.integers(0, 200))
def test_what_is_no_picture_is_refused(tmp_path_factory, content, cut):
    whole = io.BytesIO()
    Image.fromarray(SHOWN).save(whole, "PNG")
    path = tmp_path_factory.getbasetemp() / "broken.png"
    for bad in (content, whole.getvalue()[: min(cut, len(whole.getvalue()) - 40)]):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"broken\.png"):
            read_picture(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(DataError, match="no picture"):
        read_picture(tmp_path)


def test_folders_stand_for_the_pictures_below_them(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    first, second = (
        saved(tmp_path / "a", Image.fromarray(SHOWN), "2.JPG"),
        saved(tmp_path / "a/b", Image.new("L", (1, 1))),
    )
    (tmp_path / "a" / "notes.txt").write_text("x")
    assert pictures_below([tmp_path / "a"]) == [first, second]
    assert pictures_below([second, first]) == [second, first]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        pictures_below([tmp_path / "empty"])
    with pytest.raises(DataError, match="does not exist"):
        pictures_below([tmp_path / "none"])
