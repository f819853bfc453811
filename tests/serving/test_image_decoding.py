"""Image files: what is accepted, how it is read, and what is refused before it costs anything."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from serving.images.decoding import FORMATS, MAX_BYTES, MAX_SCANS, MAX_SIDE, START_OF_SCAN, decoded, prepared
from serving.images.manifest import InputSize
from serving.images.webp import webp_size
from serving.runtime.query import InvalidRequestError
from tests.serving.small_cascades import make_image

FIELD = "images[3].content"


def file_of(image, kind="PNG", **options):
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def refusal(content):
    with pytest.raises(InvalidRequestError) as caught:
        decoded(content, FIELD)
    assert caught.value.field == FIELD
    return caught.value.description


def png_header(width, height):
    """A PNG file that declares a size and holds next to nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_header(width, height):
    """The file of a small JPEG with another size in its frame header."""
    content = bytearray(file_of(make_image(0), "JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def webp_header(width, height):
    """An extended WebP file that declares a canvas."""
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + file_of(make_image(0), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


HEADERS = {"PNG": png_header, "JPEG": jpeg_header, "WEBP": webp_header}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_files_give_their_pixels(kind):
    pixels = make_image(1, (31, 17))
    found = np.asarray(decoded(file_of(pixels, kind, lossless=True), FIELD))
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_files_give_nearly_their_pixels(kind):
    pixels = np.full((40, 30, 3), (200, 90, 40), np.uint8)
    found = np.asarray(decoded(file_of(pixels, kind, quality=95), FIELD))
    assert np.abs(found.astype(int) - pixels).max() <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation):
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:12, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = np.asarray(decoded(file_of(pixels, exif=exif), FIELD))
    # The bright quarter lies where the EXIF standard says that row 0 and column 0 are.
    rows, columns = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    height, width = found.shape[:2]
    assert (height, width) == ((24, 40) if orientation < 5 else (40, 24))
    top = 0 if rows == "t" else height - 1
    left = 0 if columns == "l" else width - 1
    assert found[top, left].tolist() == [255] * 3
    assert found[height - 1 - top, width - 1 - left].tolist() == [0] * 3


def test_broken_camera_notes_do_not_spoil_a_sound_image():
    content = file_of(make_image(1), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(np.asarray(decoded(content, FIELD)), make_image(1))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    image = Image.fromarray(make_image(2)).convert(mode)
    content = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    assert decoded(content, FIELD).mode == "RGB"


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped():
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    found = np.asarray(decoded(file_of(Image.fromarray(grey)), FIELD))
    np.testing.assert_array_equal(found[:, :, 0], grey >> 8)


def test_each_stage_gets_its_size_and_stages_of_one_size_share_it():
    sizes = [InputSize(height=8, width=6), InputSize(height=12, width=12), InputSize(height=8, width=6)]
    pixels = make_image(3, (50, 70))
    small, large, again = prepared(file_of(pixels), sizes, FIELD)
    assert small is again
    expected = Image.fromarray(pixels).resize((6, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small, np.asarray(expected))
    assert (large.shape, large.dtype) == ((12, 12, 3), np.uint8)
    for found, direct in zip(prepared(pixels, sizes, FIELD), (small, large, small), strict=True):
        np.testing.assert_array_equal(found, direct)


def test_shrinking_averages_what_it_leaves_out():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    [found] = prepared(stripes, [InputSize(height=8, width=8)], FIELD)
    assert found.min() > 100
    assert found.max() < 155


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind):
    assert "no whole JPEG, PNG or WebP" in refusal(file_of(make_image(0, (32, 32)), kind))


def test_empty_and_too_long_files_are_refused():
    assert "is empty" in refusal(b"")
    assert f"at most {MAX_BYTES}" in refusal(file_of(make_image(0)) + bytes(MAX_BYTES))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(kind):
    rng = np.random.default_rng(0)
    content = file_of(rng.integers(0, 256, (24, 24, 3), np.uint8), kind)
    # The last bytes of a PNG hold no pixels, and a JPEG's say only that it ends.
    for length in range(0, len(content) - 16, 7):
        assert refusal(content[:length])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (16_383, 1025), (5000, 5000)])
def test_a_declared_size_beyond_the_limit_is_refused(kind, width, height):
    assert f"is {width} x {height} pixels" in refusal(HEADERS[kind](width, height))


def test_no_memory_is_taken_for_a_declared_size_beyond_the_limit(tmp_path):
    for kind, header in HEADERS.items():
        (tmp_path / kind).write_bytes(header(16_383, 1025))
        # The same files in small, so that what decoders load is there before the limit is drawn.
        (tmp_path / f"small {kind}").write_bytes(file_of(make_image(0), kind))
    program = """
import resource, sys
from pathlib import Path
from serving.images.decoding import decoded
from serving.runtime.query import InvalidRequestError

folder, kinds = Path(sys.argv[1]), ("PNG", "JPEG", "WEBP")
for kind in kinds:
    decoded((folder / f"small {kind}").read_bytes(), kind)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), -1))
for kind in kinds:
    try:
        decoded((folder / kind).read_bytes(), kind)
    except InvalidRequestError as error:
        print(error)
"""
    shown = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True).stdout
    assert [line.split(" pixels")[0] for line in shown.splitlines()] == [
        f"{kind}: is 16383 x 1025" for kind in ("PNG", "JPEG", "WEBP")
    ]


@pytest.mark.parametrize(("kind", "size"), [("PNG", 2**31 - 1), ("JPEG", 65_535), ("WEBP", 1 << 24)])
def test_absurd_sizes_are_refused(kind, size):
    assert refusal(HEADERS[kind](size, size))


def test_a_size_that_pillow_itself_refuses_is_named_as_such():
    assert "too many pixels" in refusal(png_header(16_000, 16_000))


def test_a_long_side_is_refused_where_few_pixels_are_declared():
    assert f"{MAX_SIDE} a side" in refusal(png_header(MAX_SIDE + 1, 1))


def test_a_jpeg_of_very_many_passes_is_refused():
    content = file_of(make_image(0), "JPEG", progressive=True)
    scans = content.count(START_OF_SCAN)
    assert scans < MAX_SCANS
    last = content.rindex(START_OF_SCAN)
    bomb = content[:last] + content[last:-2] * (MAX_SCANS + 1) + content[-2:]
    assert f"has {scans + MAX_SCANS} scans" in refusal(bomb)


def test_a_png_whose_notes_explode_is_refused_or_read_without_them():
    notes = b"zTXtnotes\0\0" + zlib.compress(bytes(200 << 20), 9)
    chunk = struct.pack(">I", len(notes) - 4) + notes + struct.pack(">I", zlib.crc32(notes))
    content = file_of(make_image(0))
    assert "no whole" in refusal(content[:33] + chunk + content[33:])


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_the_size_of_a_webp_file_is_read_from_its_header(options):
    content = file_of(make_image(0, (23, 57)), "WEBP", **options)
    assert webp_size(content) == webp_size(content[:30]) == (57, 23)


def test_what_is_no_webp_file_has_no_webp_size():
    assert webp_size(b"") is None
    assert webp_size(file_of(make_image(0))) is None


def outcome(content):
    """The mode of the image, or the field that is refused."""
    try:
        return decoded(content, FIELD).mode
    except InvalidRequestError as error:
        return error.field


@given(
    st.sampled_from((b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ")), st.binary(max_size=300)
)
@example(b"RIFF\0\0\0\0WEBPVP8L", b"")
@example(b"RIFF\0\0\0\0WEBPVP8X", b"\xff" * 30)
def test_any_bytes_are_read_or_refused(start, rest):
    assert outcome(start + rest) in ("RGB", FIELD)


@given(
    st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_any_damage_to_a_file_is_survived(kind, changes):
    content = bytearray(file_of(make_image(5), kind))
    for place, value in changes:
        content[place % len(content)] = value
    assert outcome(bytes(content)) in ("RGB", FIELD)
