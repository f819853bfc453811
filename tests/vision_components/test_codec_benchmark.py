"""The benchmark of the image codec compares decoders on the same files and counts what it says."""

import io
import tarfile
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from benchmarks import codec as benchmark
from benchmarks.codec import FULL, JOINT, REFERENCE, Decoder, decoders_of, figures_of, mean_of, measures
from benchmarks.codec_pictures import read_pictures
from benchmarks.codec_plot import codec_plot
from benchmarks.codec_rivals import QUALITIES, opened, rival_files
from benchmarks.codec_times import decode_seconds
from tests.vision_components.coded import TINY, picture, tiny_codec
from vision_components.codec import decoder_macs
from vision_components.codec.networks import synthesis

CODEC = tiny_codec()


def test_decoders_are_full_ones_and_two_narrow_ones_of_one_cost():
    found = {decoder.name: decoder for decoder in decoders_of(64, 96, ["mine:relu:9,8,7"])}
    assert found[REFERENCE] == Decoder(REFERENCE, "gdn", (64, 64, 64))
    assert found["mine"] == Decoder("mine", "relu", (9, 8, 7))
    assert found["narrow"].widths == (26, 7, 14)
    narrow, even = (decoder_macs(96, found[name].widths) for name in ("narrow", "narrow, even"))
    wider = decoder_macs(96, [width + 1 for width in found["narrow, even"].widths])
    assert even <= narrow < wider


def test_pictures_are_read_from_folders_and_tar_files_without_masks(tmp_path):
    for name in ("b.png", "a.png", "a_sky.png"):
        Image.fromarray(picture(8, 9, seed=len(name))).save(tmp_path / name)
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for name in ("b.png", "a_sky.png", "a.png"):
            archive.add(tmp_path / name, f"frames/{name}")
    folder, archived = read_pictures(tmp_path), read_pictures(tmp_path / "all.tar")
    assert list(folder) == list(archived) == ["a", "b"]
    for name, shown in folder.items():
        np.testing.assert_array_equal(shown, archived[name])
    assert list(read_pictures(tmp_path, 1)) == ["a"]


@pytest.mark.parametrize(("name", "kind"), [("JPEG", "JPEG"), ("WebP", "WEBP")])
def test_rivals_write_larger_and_better_files_at_higher_quality(name, kind):
    shown = picture(176, 200)
    files = dict(rival_files(name, shown))
    assert tuple(files) == QUALITIES
    assert all(Image.open(io.BytesIO(content)).format == kind for content in files.values())
    points = [measures(shown, content, opened(content)) for content in files.values()]
    rates = [point["bpp"] for point in points]
    assert rates == sorted(rates)
    assert points[0]["PSNR"] < points[5]["PSNR"] < points[-1]["PSNR"]
    assert points[0]["bpp"] == 8 * len(files[5]) / (176 * 200)


def test_results_that_are_there_are_not_made_again(tmp_path):
    path = tmp_path / "x.jsonl"
    first = benchmark._once(path, "a", lambda: {"bpp": 1.0})
    assert benchmark._once(path, "b", lambda: {"bpp": 2.0}) == {"bpp": 2.0}
    assert benchmark._once(path, "a", lambda: pytest.fail("made again")) == first


def test_rates_are_compared_with_the_full_decoder_and_the_rivals():
    points = {weight: {"bpp": rate, "PSNR": level, "MS-SSIM": level / 2} for weight, rate, level in
              ((1, 0.2, 30.0), (2, 0.4, 33.0), (3, 0.8, 36.0))}  # fmt: skip
    dearer = {weight: {**point, "bpp": 1.1 * point["bpp"]} for weight, point in points.items()}
    figures = figures_of({REFERENCE: points, FULL: points, JOINT: points, "narrow": dearer}, {"JPEG": dearer})
    assert figures["narrow_bd_rate_psnr"] == pytest.approx(10)
    assert figures["narrow_bd_rate_ms_ssim"] == pytest.approx(10)
    assert figures["full_gdn1_over_jpeg_bd_rate_psnr"] == pytest.approx(100 * (1 / 1.1 - 1))
    assert mean_of([points[1], points[2]]) == pytest.approx({"bpp": 0.3, "PSNR": 31.5, "MS-SSIM": 15.75})


def test_decoders_without_a_quality_in_common_have_no_bd_rate(capsys):
    points = {weight: {"bpp": 0.2 * weight, "PSNR": 30.0 + weight, "MS-SSIM": 10.0 + weight} for weight in (1, 2)}
    poor = {weight: {**point, "PSNR": point["PSNR"] - 9} for weight, point in points.items()}
    figures = figures_of({REFERENCE: points, FULL: points, "narrow": poor}, {})
    assert "narrow_bd_rate_psnr" not in figures
    assert figures["narrow_bd_rate_ms_ssim"] == pytest.approx(0, abs=1e-9)
    assert "none in common" in capsys.readouterr().out


def test_both_halves_of_decoding_are_timed(monkeypatch):
    monkeypatch.setattr("benchmarks.codec_times.TURNS", 1)
    codecs = {"full": CODEC, "narrow": CODEC.with_synthesis(synthesis(TINY.latents, (2, 2, 2)))}
    shown = picture(64, 64)
    seconds, entropy, jpeg = decode_seconds(codecs, shown, dict(rival_files("JPEG", shown))[50])
    assert set(seconds) == set(codecs)
    assert min(*seconds.values(), entropy, jpeg) > 0


def test_every_point_is_in_the_picture():
    def row(name, rate, quality, cost):
        return {
            "codec": name,
            "setting": "x",
            "bits per pixel": rate,
            "PSNR, dB": quality,
            "multiply-adds per pixel": cost,
        }

    rows = [row("full", 0.2, 30.0, 900.0), row("full", 0.5, 33.0, 900.0), row("JPEG", 0.4, 29.0, "")]
    drawn = ElementTree.fromstring(codec_plot(rows))
    titles = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(title.startswith("full, x") for title in titles) == 4
    assert sum(title.startswith("JPEG, x: 0.400 bits per pixel, 29.00 dB") for title in titles) == 1
    circles = [one for one in drawn.iter("{http://www.w3.org/2000/svg}circle") if len(one)]
    heights = {one[0].text: float(one.get("cy")) for one in circles}
    assert heights["full, x: 0.500 bits per pixel, 33.00 dB"] < heights["full, x: 0.200 bits per pixel, 30.00 dB"]
