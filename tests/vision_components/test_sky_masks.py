"""Confidence of masks, masks from partial labels, and measures of masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from seriatim_errors import DataError
from vision_components.sky import metrics
from vision_components.sky.confidence import FLOOR, biased, confidence_of
from vision_components.sky.inpainting import inpainted, log_density, refined

UNLABELLED = 128


def test_confidence_is_full_at_the_ends_and_the_floor_between_the_bounds():
    found = confidence_of(np.array([0, 0.3, 0.4, 0.5, 1]))
    np.testing.assert_allclose(found, [1, FLOOR, FLOOR, FLOOR, 1], atol=1e-12)


def test_confidence_follows_the_formula():
    np.testing.assert_allclose(confidence_of(np.array([0.15, 0.75])), [0.8, 0.8], atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_confidence_falls_to_the_lower_bound_and_rises_from_the_upper(values):
    ordered = np.sort(np.array(values))
    steps = np.diff(confidence_of(ordered))
    assert (steps[ordered[1:] <= 0.5] <= 1e-12).all()
    assert (steps[ordered[:-1] >= 0.3] >= -1e-12).all()


def test_the_bias_keeps_both_ends_and_is_a_line_at_one_half():
    x = np.linspace(0, 1, 11)
    np.testing.assert_allclose(biased(x, 0.5), x, atol=1e-12)
    assert biased(x, 0.8)[0] == 0
    assert biased(x, 0.8)[-1] == 1
    assert biased(np.float64(0.5), 0.8) == pytest.approx(0.8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_confidence_keeps_the_type(dtype):
    assert confidence_of(np.zeros(3, dtype)).dtype == dtype


@pytest.mark.parametrize("wrong", [{"low": 0.6}, {"bias": 0}, {"bias": 1}, {"floor": 0}, {"high": 1}])
def test_constants_out_of_order_are_named(wrong):
    with pytest.raises(DataError, match=f"{next(iter(wrong))} "):
        confidence_of(np.zeros(3), **wrong)


def two_colours(height=40, width=50, seed=0):
    """Blue above, green below, each with a little noise."""
    rng = np.random.default_rng(seed)
    photo = np.empty((height, width, 3))
    photo[: height // 2], photo[height // 2 :] = (90, 140, 220), (60, 90, 30)
    truth = np.zeros((height, width), np.uint8)
    truth[: height // 2] = 255
    return np.clip(photo + rng.normal(0, 2, photo.shape), 0, 255).astype(np.uint8), truth


def test_skies_of_one_colour_are_recovered_exactly():
    photo, truth = two_colours()
    labels = np.where(np.random.default_rng(1).random(truth.shape) < 0.9, np.uint8(UNLABELLED), truth)
    np.testing.assert_array_equal(inpainted(photo, labels), truth)


@given(st.integers(0, 20))
def test_what_is_labelled_stays(seed):
    rng = np.random.default_rng(seed)
    photo = rng.integers(256, size=(12, 9, 3), dtype=np.uint8)
    labels = rng.choice(np.array([0, UNLABELLED, 255], np.uint8), size=(12, 9))
    filled = inpainted(photo, labels, seed=seed)
    known = labels != UNLABELLED
    np.testing.assert_array_equal(filled[known], labels[known])
    assert set(np.unique(filled)) <= {0, 255}


@pytest.mark.parametrize("labels", [np.full((40, 50), UNLABELLED, np.uint8), np.zeros((40, 50), np.uint8)])
def test_without_a_sky_nothing_becomes_sky(labels):
    assert not inpainted(two_colours()[0], labels).any()


def test_the_density_is_a_mean_of_gaussians():
    rng = np.random.default_rng(0)
    colours, samples = rng.random((7, 3)), rng.random((5, 3))
    expected = np.mean([multivariate_normal(one, 0.1**2).pdf(colours) for one in samples], axis=0)
    np.testing.assert_allclose(np.exp(log_density(colours, samples, 0.1)), expected, rtol=1e-10)


def test_colours_far_from_any_sky_have_a_finite_density():
    assert np.isfinite(log_density(np.ones((1, 3)), np.zeros((4, 3)))).all()


def test_the_number_of_sky_pixels_that_are_looked_at_is_bounded():
    photo, truth = two_colours(80, 90)
    labels = truth.copy()
    labels[30:50] = UNLABELLED
    np.testing.assert_array_equal(inpainted(photo, labels, samples=50), truth)


def test_a_refined_mask_is_soft_and_fills_gaps():
    photo, truth = two_colours()
    labels = truth.copy()
    labels[15:25] = UNLABELLED
    soft = refined(photo, labels, cell=16)
    assert soft.dtype == np.float32
    assert metrics.mean_absolute_error(soft, truth / 255) < 0.03


def test_bad_labels_are_named():
    photo, truth = two_colours()
    with pytest.raises(DataError, match=r"labels hold \[7\]"):
        inpainted(photo, np.full_like(truth, 7))
    with pytest.raises(DataError, match="labels"):
        inpainted(photo, truth[1:])


SYMMETRIC = {
    "intersection_over_union": 1.0,
    "misclassification": 0.0,
    "root_mean_squared_error": 0.0,
    "mean_absolute_error": 0.0,
    "jensen_shannon_divergence": 0.0,
}


def random_masks(seed=0, shape=(12, 15)):
    rng = np.random.default_rng(seed)
    return rng.random(shape), rng.random(shape)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_mask_is_perfect_against_itself_and_sides_do_not_matter(name):
    measure, (first, second) = getattr(metrics, name), random_masks()
    assert measure(first, first) == pytest.approx(SYMMETRIC[name], abs=1e-12)
    assert measure(first, second) == pytest.approx(measure(second, first), abs=1e-12)
    assert measure(first, second) != pytest.approx(SYMMETRIC[name], abs=1e-3)


def test_measures_of_a_small_mask_are_as_counted_by_hand():
    mask, truth = np.array([[1, 1, 0, 0.25]]), np.array([[1, 0, 0, 1.0]])
    assert metrics.intersection_over_union(mask, truth) == pytest.approx(1 / 3)
    assert metrics.misclassification(mask, truth) == pytest.approx(0.5)
    assert metrics.mean_absolute_error(mask, truth) == pytest.approx(1.75 / 4)
    assert metrics.root_mean_squared_error(mask, truth) == pytest.approx(np.sqrt((1 + 0.75**2) / 4))


def test_opposite_masks_diverge_by_one_bit():
    assert metrics.jensen_shannon_divergence(np.ones((3, 3)), np.zeros((3, 3))) == pytest.approx(1)


def test_masks_without_sky_agree():
    assert metrics.intersection_over_union(np.zeros((3, 3)), np.zeros((3, 3))) == 1


def half(height=20, width=20, edge=10):
    truth = np.zeros((height, width))
    truth[:edge] = 1
    return truth


def test_mistakes_far_from_the_boundary_weigh_more():
    truth = half()
    near, far = truth.copy(), truth.copy()
    near[9, 3], far[0, 3] = 0, 0
    assert metrics.boundary_loss(truth, truth) == 0
    assert metrics.boundary_loss(far, truth) == pytest.approx(10 * metrics.boundary_loss(near, truth))
    assert metrics.boundary_loss(near, truth) == pytest.approx(1 / 400 / np.hypot(20, 20))


def test_the_boundary_band_is_on_both_sides():
    truth, mask = half(), half()
    mask[7], mask[8], mask[11], mask[12] = 0, 0, 1, 1
    assert metrics.boundary_band_error(mask, truth, band=1) == 0
    assert metrics.boundary_band_error(mask, truth, band=2) == pytest.approx(0.5)
    assert np.isnan(metrics.boundary_band_error(truth * 0, truth * 0))


MEASURES = [*SYMMETRIC, "boundary_loss", "boundary_band_error"]


@pytest.mark.parametrize("name", MEASURES)
def test_pixels_that_do_not_count_change_nothing(name):
    measure, truth = getattr(metrics, name), half()
    mask = np.clip(truth + np.random.default_rng(0).normal(0, 0.3, truth.shape), 0, 1)
    where = np.random.default_rng(1).random(truth.shape) < 0.6
    spoilt = np.where(where, mask, 1 - mask)
    assert measure(mask, truth, where) == measure(spoilt, truth, where)
    assert measure(mask, truth, where) != measure(mask, truth)


@pytest.mark.parametrize("name", MEASURES)
def test_masks_of_two_shapes_are_refused(name):
    with pytest.raises(DataError, match="shapes"):
        getattr(metrics, name)(np.zeros((3, 4)), np.zeros((4, 3)))
    with pytest.raises(DataError, match="no pixel"):
        getattr(metrics, name)(np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((3, 4), bool))
