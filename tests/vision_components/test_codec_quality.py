"""PSNR, MS-SSIM and BD-rates."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from seriatim_errors import DataError
from tests.vision_components.coded import picture
from vision_components.codec.bd_rate import bd_rate
from vision_components.codec.quality import ms_ssim, ms_ssim_decibels, psnr

# Bits per pixel and PSNR in dB on Kodak, averaged at constant lambda: results/image_compression/kodak/PSNR_sRGB_RGB of
# github.com/tensorflow/compression. Balle 2018; Minnen 2018 without and with context.
BALLE = list(
    zip(
        [0.115239, 0.185698, 0.301804, 0.468972, 0.686378, 0.966864, 1.307441, 1.727503],
        [27.106351, 28.679134, 30.616753, 32.554935, 34.580960, 36.720366, 38.807960, 40.794920],
        strict=True,
    )
)
NO_CONTEXT = list(
    zip(
        [0.116419, 0.172233, 0.289868, 0.455688, 0.664587, 0.934780, 1.272558, 1.692898, 2.222060, 2.861839],
        [27.869507, 28.844869, 31.025364, 33.049656, 34.991868, 36.993942, 39.038383, 40.948441, 42.859464, 44.557811],
        strict=True,
    )
)
CONTEXT = list(
    zip(
        [0.071997, 0.153354, 0.264381, 0.428511, 0.635404, 0.904279, 1.258828, 1.982050, 2.992778],
        [26.804116, 28.880747, 30.927089, 33.028649, 34.998064, 37.053312, 39.120817, 42.165220, 45.074915],
        strict=True,
    )
)
FITS = ("pchip", "cubic")


@pytest.mark.parametrize(
    ("curve", "fit", "expected"),
    [(NO_CONTEXT, "pchip", -9.8), (NO_CONTEXT, "cubic", -10.1), (CONTEXT, "pchip", -15.5), (CONTEXT, "cubic", -15.7)],
)
def test_bd_rates_of_published_curves(curve, fit, expected):
    assert bd_rate(BALLE, curve, fit) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("fit", FITS)
def test_a_curve_needs_no_more_than_itself(fit):
    assert bd_rate(BALLE, BALLE, fit) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("fit", FITS)
@given(factor=st.floats(0.2, 5))
def test_a_constant_share_more_is_that_share(fit, factor):
    more = [(rate * factor, quality) for rate, quality in BALLE]
    assert bd_rate(BALLE, more, fit) == pytest.approx(100 * (factor - 1), abs=1e-6)


@pytest.mark.parametrize("fit", FITS)
def test_turned_around_it_is_the_inverse_factor(fit):
    there, back = bd_rate(BALLE, CONTEXT, fit), bd_rate(CONTEXT, BALLE, fit)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1, abs=1e-9)


def test_points_on_a_line_are_interpolated_exactly():
    straight = [(math.exp(0.2 * quality), quality) for quality in (20.0, 27.0, 33.0, 40.0)]
    bent = [(math.exp(0.3 * quality - 2), quality) for quality in (25.0, 30.0, 35.0)]
    # The mean of 0.1 q - 2 over 25 to 35.
    assert bd_rate(straight, bent) == pytest.approx(100 * math.expm1(1.0))


@pytest.mark.parametrize("fit", FITS)
def test_the_order_of_points_does_not_matter(fit):
    assert bd_rate(BALLE[::-1], CONTEXT[::-1], fit) == bd_rate(BALLE, CONTEXT, fit)


@pytest.mark.parametrize(
    ("curve", "fit", "words"),
    [
        (BALLE[:1], "pchip", "1 points"),
        (BALLE[:3], "cubic", "3 points"),
        ([(0.0, 30.0), *BALLE], "pchip", "rates above 0"),
        ([(0.3, math.inf), *BALLE], "pchip", "finite"),
        ([BALLE[0], *BALLE], "pchip", "each once"),
        ([(0.1, 3.0), (0.2, 5.0)], "pchip", "none in common"),
        (BALLE, "spline", "'spline'"),
    ],
)
def test_curves_that_cannot_be_compared_are_refused_by_name(curve, fit, words):
    with pytest.raises(DataError, match=words):
        bd_rate(BALLE, curve, fit)


def test_psnr_is_that_of_tensorflow_and_of_its_definition():
    first, second = picture(seed=1), picture(seed=2)
    assert psnr(first, second) == pytest.approx(float(tf.image.psnr(first, second, 255)), abs=1e-4)
    assert psnr(first, first) == math.inf
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert psnr(black, white) == 0
    assert psnr(black, black + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_ms_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    first = picture(170, 180)
    rng = np.random.default_rng(0)
    noisy = [np.clip(first + rng.normal(0, sigma, first.shape), 0, 255).astype(np.uint8) for sigma in (2, 10, 40)]
    reached = [ms_ssim(first, second) for second in (first, *noisy)]
    assert reached[0] == pytest.approx(1)
    assert reached == sorted(reached, reverse=True)
    assert ms_ssim_decibels(0.99) == pytest.approx(20)
    assert ms_ssim_decibels(1.0) == math.inf


def test_pictures_too_small_for_ms_ssim_are_refused_by_name():
    assert ms_ssim(picture(161, 161), picture(161, 161)) == pytest.approx(1)
    with pytest.raises(DataError, match="161 or more"):
        ms_ssim(picture(160, 300), picture(160, 300))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (picture(8, 8), picture(8, 9)),
        (picture(8, 8) / 255, picture(8, 8)),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)),
        (np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint8)),
    ],
)
def test_what_is_no_pair_of_pictures_is_refused(first, second):
    for measure in (psnr, ms_ssim):
        with pytest.raises(DataError):
            measure(first, second)
