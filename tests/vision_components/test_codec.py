"""Pictures through the image codec and back, whole files and damaged ones."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError
from tests.vision_components.coded import TINY, picture, tiny_codec
from vision_components.codec import bitstream, tiles
from vision_components.codec.codec import Codec
from vision_components.codec.design import CodecDesign
from vision_components.codec.networks import synthesis

CODEC = tiny_codec()
CONTENT = CODEC.encode(picture())


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (3, 2), (63, 65), (64, 64), (70, 50)])
def test_latents_come_back_exactly_for_pictures_of_any_size(size):
    shown = picture(*size)
    before = CODEC.latents(shown)
    after = CODEC.unpack(CODEC.pack(before))
    np.testing.assert_array_equal(after.hyper_symbols, before.hyper_symbols)
    np.testing.assert_array_equal(after.symbols, before.symbols)
    np.testing.assert_array_equal(after.values, before.values)
    assert len(np.unique(before.symbols)) > 5, "the test needs latents that differ"
    decoded = CODEC.decode(CODEC.encode(shown))
    assert decoded.shape == shown.shape
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, CODEC.synthesise(before))


def test_patches_have_the_latents_of_pictures_of_their_own():
    patches = np.stack([picture(64, 128, seed) for seed in range(3)])
    found = CODEC.latents_of_patches(patches)
    alone = np.stack([CODEC.latents(patch).values for patch in patches])
    assert found.dtype == np.float32
    # A batch may be added up in another order, and a value near a half then be rounded the other way.
    assert np.mean(found != alone) < 0.01


def test_what_lies_in_the_padding_is_cut_off():
    low = CODEC.latents(picture(70, 50))
    assert low.values.shape == (8, 4, TINY.latents)
    assert CODEC.synthesise(low).shape == (70, 50, 3)


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
@settings(max_examples=150)
def test_a_changed_byte_is_always_noticed(place, change):
    damaged = bytearray(CONTENT)
    damaged[place] ^= change
    with pytest.raises(DataError, match="stream"):
        CODEC.decode(bytes(damaged))


@given(st.integers(0, len(CONTENT) - 1))
@settings(max_examples=60)
def test_a_file_that_was_cut_off_is_refused(length):
    with pytest.raises(DataError, match="stream"):
        CODEC.decode(CONTENT[:length])


@given(st.binary(max_size=120))
def test_what_is_no_coded_picture_is_refused(content):
    for whole in (content, bitstream.MAGIC + content, bitstream.MAGIC + b"\x01" + content):
        with pytest.raises(DataError):
            CODEC.decode(whole, "x.seic")


def test_a_file_with_more_behind_it_is_refused():
    with pytest.raises(DataError, match="bytes behind its header"):
        CODEC.decode(CONTENT + b"\0")


def rewritten(content=CONTENT, **fields):
    """The file with other fields and sound checksums."""
    coded = bitstream.from_bytes(content)
    return bitstream.to_bytes(bitstream.CodedPicture(**{**vars(coded), **fields}))


def test_another_version_is_refused_by_its_number():
    content = bytearray(CONTENT)
    content[len(bitstream.MAGIC)] = 7
    with pytest.raises(DataError, match="version 7"):
        CODEC.decode(bytes(content), "x.seic")


def test_a_file_of_another_codec_is_refused_by_both_names():
    other = tiny_codec(1)
    with pytest.raises(DataError, match=f"{CODEC.coder_id.hex()}.*{other.coder_id.hex()}"):
        other.decode(CONTENT)


def test_sound_checksums_do_not_hide_other_symbols():
    with pytest.raises(DataError, match="other numbers"):
        CODEC.decode(rewritten(symbol_check=bitstream.from_bytes(CONTENT).symbol_check ^ 1))
    with pytest.raises(DataError, match="other numbers"):
        CODEC.decode(rewritten(latents=b"\x12\x34" * 40))
    with pytest.raises(DataError, match="other numbers"):
        CODEC.decode(rewritten(hyper_latents=b"", latents=b""))
    with pytest.raises(DataError, match="other numbers"):
        CODEC.decode(rewritten(height=300))


def test_side_information_that_differs_by_one_is_never_silent(monkeypatch):
    kind = type(CODEC.entropy.hyper_decoder)
    sound = kind.__call__

    def off(self, hyper):
        side = sound(self, hyper)
        rows = side.rows.copy()
        rows[0, 0, 0] += 1 if rows[0, 0, 0] < 63 else -1
        return type(side)(side.means, rows)

    monkeypatch.setattr(kind, "__call__", off)
    with pytest.raises(DataError, match="other numbers"):
        CODEC.decode(CONTENT)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (8192, 8192)])
def test_a_header_that_asks_for_too_much_is_refused_before_memory_is_taken(height, width):
    with pytest.raises(DataError, match="pixels"):
        CODEC.decode(rewritten(height=height, width=width))


def test_the_header_is_as_the_page_says():
    coded = bitstream.from_bytes(CONTENT)
    payload = coded.hyper_latents + coded.latents
    head = b"SeIC" + bytes([1]) + coded.coder_id + struct.pack(
        "<HHIIII", 70, 50, len(coded.hyper_latents), len(coded.latents), coded.symbol_check, zlib.crc32(payload)
    )  # fmt: skip
    assert head + struct.pack("<I", zlib.crc32(head)) + payload == CONTENT
    assert bitstream.HEADER_BYTES == 37


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (picture().astype(np.float32), "float32"),
        (picture()[..., 0], r"\[70, 50\]"),
        (np.zeros((5, 5, 4), np.uint8), r"\[5, 5, 4\]"),
        (np.zeros((5, 5, 1), np.uint8), r"\[5, 5, 1\]"),
        (np.zeros((0, 5, 3), np.uint8), "5 x 0 pixels"),
        (np.broadcast_to(np.uint8(0), (1, 70000, 3)), "70000 x 1"),
        (np.broadcast_to(np.uint8(0), (6000, 6000, 3)), "6000 x 6000"),
        ([[1, 2]], "list"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_type_and_shape(shown, words):
    with pytest.raises(DataError, match=words):
        CODEC.encode(shown)


def test_an_encoder_that_answers_with_no_numbers_is_refused():
    broken = Codec(TINY, CODEC.analysis, CODEC.hyper_analysis, CODEC.synthesis, CODEC.entropy)
    broken._analyse = lambda shown: np.full((1, 4, 4, TINY.latents), np.nan, np.float32)
    with pytest.raises(DataError, match="no numbers"):
        broken.encode(picture(64, 64))


def test_another_synthesis_reads_the_same_files():
    narrow = CODEC.with_synthesis(synthesis(TINY.latents, (2, 2, 2), "relu"))
    assert narrow.coder_id == CODEC.coder_id
    assert narrow.encode(picture()) == CONTENT
    assert narrow.decode(CONTENT).shape == (70, 50, 3)


def test_pieces_say_what_the_whole_says():
    shown = picture(64 * 6, 64 * 5, 3).astype(np.float32) / 255
    whole = CODEC._analyse(shown[None])[0]
    np.testing.assert_allclose(tiles.in_tiles(CODEC._analyse, shown, 16, 1, tile=7, halo=4), whole, atol=2e-4)
    drawn = CODEC._draw(whole[None])[0]
    pieces = tiles.in_tiles(CODEC._draw, whole, 1, 16, tile=5, halo=4)
    np.testing.assert_allclose(pieces, drawn, atol=1e-6 * np.abs(drawn).max())


def test_pieces_without_a_halo_differ_only_near_their_edges():
    latents = CODEC.latents(picture(64 * 4, 64 * 4)).values
    drawn = CODEC._draw(latents[None])[0]
    pieces = tiles.in_tiles(CODEC._draw, latents, 1, 16, tile=8, halo=0)
    off = np.abs(pieces - drawn).max(axis=-1) > 1e-6 * np.abs(drawn).max()
    near = np.zeros_like(off)
    near[128 - 48 : 128 + 48], near[:, 128 - 48 : 128 + 48] = True, True
    assert off.any()
    assert not (off & ~near).any()


def test_a_large_picture_is_coded_in_pieces(monkeypatch):
    seen = []
    monkeypatch.setattr(CODEC, "_draw", lambda values, draw=CODEC._draw: seen.append(values.shape) or draw(values))
    shown = picture(1200, 80)
    assert CODEC.decode(CODEC.encode(shown)).shape == shown.shape
    assert [shape[1] for shape in seen] == [68, 16]


def test_a_design_tells_codecs_apart():
    other = tiny_codec(0, CodecDesign((6, 5, 4), 7, (5, 6, 4), (5, 7), (6, 5, 4)))
    assert other.coder_id != CODEC.coder_id
    assert tiny_codec(1).coder_id != CODEC.coder_id
