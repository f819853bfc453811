"""What is done to a sky: within the mask, within a bound, and nothing where there is nothing to do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sky_scenes import drawn_scene
from seriatim_errors import DataError
from vision_components.sky.colours import luma_of, yuv_of
from vision_components.sky.effects import EffectSettings, improving, with_effects
from vision_components.sky.effects.contrast import contrasted
from vision_components.sky.effects.darkening import darkened, night_share, smoothstep, tone_strength
from vision_components.sky.effects.denoise import KEPT, denoised, expanded, reduced
from vision_components.sky.effects.improving import SkyTones, sky_tones, tone_curve
from vision_components.sky.effects.white_balance import MOST_GAIN, cooling_gains, grey_world_gains, shown_gains

NOTHING = {"denoise": 0.0, "darkening": 0.0, "contrast": 0.0, "white_balance": 0.0}
LUMA = np.linspace(0, 1, 501)


def night(height=60, width=80, seed=3):
    scene = drawn_scene(seed, height, width)
    return scene.photo, np.rint(scene.alpha * 255).astype(np.uint8)


def only(**settings):
    return EffectSettings(**{**NOTHING, **settings})


@given(st.integers(0, 30), st.integers(1, 40), st.integers(1, 40))
def test_pixels_outside_the_mask_stay_bit_for_bit(seed, height, width):
    rng = np.random.default_rng(seed)
    photo = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
    mask = rng.integers(256, size=(height, width), dtype=np.uint8) * (rng.random((height, width)) < 0.5)
    found = with_effects(photo, mask.astype(np.uint8))
    np.testing.assert_array_equal(found[mask == 0], photo[mask == 0])


@given(st.integers(0, 30), st.integers(0, 60))
def test_no_pixel_changes_by_more_than_the_bound(seed, most):
    rng = np.random.default_rng(seed)
    photo = rng.integers(256, size=(20, 24, 3), dtype=np.uint8)
    mask = rng.integers(256, size=(20, 24), dtype=np.uint8)
    found = with_effects(photo, mask, EffectSettings(max_change=most, ground_balance=1.0))
    assert np.abs(found.astype(int) - photo).max() <= most


def test_the_default_bound_is_seldom_met():
    photo, mask = night()
    change = np.abs(with_effects(photo, mask).astype(int) - photo)
    assert 5 < change.max() < EffectSettings().max_change


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_photos_have_numbers_only(value):
    photo = np.full((30, 40, 3), value, np.uint8)
    with np.errstate(all="raise"):
        found = with_effects(photo, np.full((30, 40), 255, np.uint8))
    np.testing.assert_array_equal(found, photo)


def test_an_effect_of_no_strength_changes_nothing():
    photo, mask = night()
    np.testing.assert_array_equal(with_effects(photo, mask, EffectSettings(**NOTHING)), photo)


@pytest.mark.parametrize("effect", NOTHING)
def test_every_effect_does_something_to_a_warm_noisy_night(effect):
    photo, mask = night()
    noisy = np.clip(photo + np.random.default_rng(0).normal((12, 6, 0), 3, photo.shape), 0, 255).astype(np.uint8)
    assert (with_effects(noisy, mask, only(**{effect: 1.0})) != noisy).mean() > 0.001


def test_large_photos_are_worked_on_in_strips_without_seams(monkeypatch):
    rng = np.random.default_rng(0)
    photo = np.clip(rng.normal(70, 5, (600, 64, 3)), 0, 255).astype(np.uint8)
    mask = np.full((600, 64), 255, np.uint8)
    mask[:37] = 0
    whole = with_effects(photo, mask)
    monkeypatch.setattr(improving, "STRIP_PIXELS", 64 * 64)
    parts = with_effects(photo, mask)
    assert np.abs(parts.astype(int) - whole).max() <= 2
    assert (parts != whole).mean() < 0.1


def test_the_photo_that_was_given_is_left_alone():
    photo, mask = night()
    before = photo.copy()
    with_effects(photo, mask)
    np.testing.assert_array_equal(photo, before)


def test_darkening_keeps_black_white_and_order():
    dark = darkened(LUMA)
    assert dark[0] == 0
    assert dark[-1] == 1
    assert (np.diff(dark) > 0).all()
    assert (dark[1:-1] < LUMA[1:-1]).all()
    np.testing.assert_allclose(dark, LUMA**1.32, atol=1e-12)


def test_a_bright_scene_is_changed_less():
    strengths = [tone_strength(night_share(value)) for value in np.linspace(0, 1, 21)]
    assert strengths[0] == 1
    assert strengths[-1] == pytest.approx(0.4)
    assert (np.diff(strengths) <= 0).all()


def test_contrast_leaves_the_darker_nine_tenths_alone_and_lifts_the_rest_by_eleven_per_cent():
    lifted = contrasted(LUMA, 0.25)
    np.testing.assert_array_equal(lifted[LUMA <= 0.25], LUMA[LUMA <= 0.25])
    full = (LUMA >= 0.4) & (LUMA <= 0.9)
    np.testing.assert_allclose(lifted[full], 1.11 * LUMA[full], atol=1e-12)
    assert lifted.max() == 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 40))
def test_tones_keep_their_order_and_range(darkening, contrast, strength, seed):
    photo, mask = night(32, 40, seed)
    settings = EffectSettings(darkening=darkening, contrast=contrast)
    curve = tone_curve(LUMA.astype(np.float32), sky_tones(photo, mask, settings), settings)
    assert curve[0] == 0
    assert curve.max() <= 1
    assert (np.diff(curve) >= -1e-6).all()


def test_a_smooth_step_without_width_is_a_step():
    np.testing.assert_array_equal(smoothstep(0.5, 0.5, np.array([0.4, 0.5, 0.6])), [0, 0, 1])


def noise(height=200, width=240, deviation=0.02, seed=0):
    return np.random.default_rng(seed).normal(0.2, deviation, (height, width)).astype(np.float32)


def test_noise_is_shrunk_by_band_and_its_mean_stays():
    luma = noise()
    clean = denoised(luma, np.ones_like(luma))
    assert clean.mean() == pytest.approx(luma.mean(), abs=1e-4)
    bands = [[], []]
    for place, plane in enumerate((luma, clean)):
        for _ in range(3):
            smaller = reduced(plane)
            bands[place].append(float((plane - expanded(smaller, plane.shape)).std()))
            plane = smaller
    found = np.array(bands[1]) / np.array(bands[0])
    np.testing.assert_allclose(found, KEPT[:3], atol=0.12)
    assert (np.diff(found) > 0).all()


def test_stars_are_not_noise():
    luma = noise(deviation=0.01)
    stars = np.random.default_rng(1).integers(10, 190, (25, 2))
    luma[stars[:, 0], stars[:, 1]] = 0.8
    clean = denoised(luma, np.ones_like(luma))
    assert np.abs(clean[stars[:, 0], stars[:, 1]] - 0.8).max() < 0.02
    far = np.ones(luma.shape, bool)
    for row, column in stars:
        far[row - 8 : row + 9, column - 8 : column + 9] = False
    assert clean[far].std() < 0.65 * luma[far].std()


def test_denoising_far_from_the_sky_does_nothing():
    luma = noise()
    alpha = np.zeros_like(luma)
    alpha[:40] = 1
    np.testing.assert_array_equal(denoised(luma, alpha)[180:], luma[180:])


@given(st.integers(1, 20), st.integers(1, 20), st.floats(-1, 1))
def test_a_plane_without_detail_passes_the_pyramid_unchanged(height, width, value):
    plane = np.full((height, width), value, np.float32)
    np.testing.assert_allclose(denoised(plane, np.ones_like(plane)), plane, atol=1e-6)
    np.testing.assert_allclose(expanded(reduced(plane), plane.shape), plane, atol=1e-6)


def test_reducing_is_a_binomial_mean_of_every_other_pixel():
    plane = noise(9, 12)
    weights = np.array([1, 4, 6, 4, 1]) / 16
    padded = np.pad(plane, 2, "edge")
    expected = [[weights @ padded[y : y + 5, x : x + 5] @ weights for x in range(0, 12, 2)] for y in range(0, 9, 2)]
    np.testing.assert_allclose(reduced(plane), expected, atol=1e-6)


def test_gains_of_one_are_no_white_balance():
    np.testing.assert_array_equal(shown_gains(np.ones(3)), np.ones(3))
    photo = np.repeat(np.random.default_rng(0).integers(256, size=(20, 24, 1), dtype=np.uint8), 3, axis=2)
    mask = np.full((20, 24), 128, np.uint8)
    np.testing.assert_array_equal(with_effects(photo, mask, only(white_balance=1.0, ground_balance=1.0)), photo)


def test_a_grey_world_has_gains_of_one_and_so_has_a_black_one():
    grey = np.broadcast_to(np.random.default_rng(0).random((5, 6)), (3, 5, 6))
    np.testing.assert_allclose(grey_world_gains(grey, np.ones((5, 6))), 1, atol=1e-12)
    np.testing.assert_array_equal(grey_world_gains(grey * 0, np.ones((5, 6))), 1)
    np.testing.assert_array_equal(grey_world_gains(grey, np.zeros((5, 6))), 1)


def test_gains_make_a_slight_cast_grey_and_are_bounded():
    planes = (
        np.random.default_rng(0).uniform(0.2, 0.8, (1, 8, 9)) * np.array([1.0, 0.97, 0.95])[:, np.newaxis, np.newaxis]
    )
    gains = grey_world_gains(planes, np.ones((8, 9)))
    linear = (planes * shown_gains(gains)[:, np.newaxis, np.newaxis]) ** 2.2
    means = linear.mean(axis=(1, 2))
    np.testing.assert_allclose(means, means[0], rtol=1e-9)
    strong = grey_world_gains(planes * np.array([1, 0.5, 0.1])[:, np.newaxis, np.newaxis], np.ones((8, 9)))
    assert strong.max() <= MOST_GAIN
    assert strong.min() >= 1 / MOST_GAIN


def test_a_blue_sky_stays_blue_and_a_warm_one_is_cooled():
    warm, blue = np.array([0.9, 1.0, 1.2]), np.array([1.2, 1.0, 0.85])
    np.testing.assert_array_equal(cooling_gains(blue, 1.0), 1)
    np.testing.assert_allclose(cooling_gains(warm, 1.0), warm)
    np.testing.assert_allclose(cooling_gains(warm, 0.0), 1)


def test_two_white_balances_are_blended_by_the_mask():
    photo = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0, 128, 255]], np.uint8)
    sky, ground = np.array([0.8, 1.0, 1.2]), np.array([1.1, 1.0, 0.9])
    tones = SkyTones(strength=1.0, bright=0.5, sky=sky, ground=ground)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(improving, "sky_tones", lambda *given: tones)
        found = with_effects(photo, mask, only(ground_balance=1.0))[0].astype(float)
    np.testing.assert_allclose(found[0], 100 * ground ** (1 / 2.2), atol=0.5)
    np.testing.assert_allclose(found[2], 100 * sky ** (1 / 2.2), atol=0.5)
    np.testing.assert_allclose(found[1], (found[0] + found[2]) / 2, atol=1)


def test_a_warm_evening_sky_stays_warm_and_a_warm_night_sky_is_cooled():
    full = np.full((20, 24), 255, np.uint8)
    redder = []
    for level in (40, 170):
        photo = np.broadcast_to(np.array([1.0, 0.8, 0.7]) * level, (20, 24, 3)).round().astype(np.uint8)
        found = with_effects(photo, full, only(white_balance=1.0))[0, 0].astype(float)
        redder.append((found[0] / found[2]) / (photo[0, 0, 0] / photo[0, 0, 2]))
    assert redder[0] < 0.9
    assert redder[1] == pytest.approx(1, abs=0.01)


def test_the_ground_is_balanced_only_when_asked():
    rng = np.random.default_rng(0)
    photo = np.clip(rng.normal((150, 100, 60), 10, (30, 40, 3)), 0, 255).astype(np.uint8)
    mask = np.zeros((30, 40), np.uint8)
    np.testing.assert_array_equal(with_effects(photo, mask), photo)
    found = with_effects(photo, mask, EffectSettings(ground_balance=1.0)).astype(float).mean(axis=(0, 1))
    assert found[0] < 145
    assert found[2] > 63


def test_luma_and_chroma_of_grey_are_luma_alone():
    planes = np.broadcast_to(np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), (3, 2, 3)).copy()
    changed = yuv_of(planes)
    np.testing.assert_allclose(changed[0], planes[0], atol=1e-6)
    np.testing.assert_allclose(changed[1:], 0, atol=1e-6)
    np.testing.assert_array_equal(changed[0], luma_of(planes))


@pytest.mark.parametrize("wrong", [{"denoise": -0.1}, {"contrast": 1.5}, {"max_change": 300}, {"darkening": np.nan}])
def test_strengths_out_of_range_are_named(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        EffectSettings(**wrong)


def test_a_mask_of_another_size_is_refused():
    photo, mask = night()
    with pytest.raises(DataError, match="mask"):
        with_effects(photo, mask[1:])
