"""The guided filter: what it keeps, what it ignores, and what rounding does to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.sky_scenes import coarse_probability, drawn_scene, natural_texture
from seriatim_errors import DataError
from vision_components.sky.colours import planes_of, yuv_of
from vision_components.sky.confidence import confidence_of
from vision_components.sky.guided_filter import guided_filter, solve_symmetric
from vision_components.sky.metrics import boundary_band_error
from vision_components.sky.resampling import antialiased_means, resized_plane, smooth_upsampling


def random_planes(height=70, width=90, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((3, height, width)), rng.random((height, width)), rng.uniform(0.01, 1, (height, width))


def by_hand(guide, mask, confidence, cell, epsilon):
    """The filter as the equations read, pixel by pixel and cell by cell, with numpy's solver."""
    height, width = mask.shape
    rows, columns = -(-height // cell), -(-width // cell)
    slopes, offsets = np.empty((3, rows, columns)), np.empty((rows, columns))
    y, x = np.mgrid[:height, :width] + 0.5
    for row in range(rows):
        for column in range(columns):
            tall, broad = height / rows, width / columns
            near = np.clip(1 - abs(y - (row + 0.5) * tall) / tall, 0, None)
            near = near * np.clip(1 - abs(x - (column + 0.5) * broad) / broad, 0, None)
            weights = near * confidence / (near * confidence).sum()
            means = (guide * weights).sum(axis=(1, 2))
            level = (mask * weights).sum()
            spread = np.einsum("jyx,kyx,yx->jk", guide, guide, weights) - np.outer(means, means)
            together = (guide * mask * weights).sum(axis=(1, 2)) - means * level
            slopes[:, row, column] = np.linalg.solve(spread + epsilon**2 * np.eye(3), together)
            offsets[row, column] = level - slopes[:, row, column] @ means
    up, along = smooth_upsampling(rows, height), smooth_upsampling(columns, width)
    filtered = up @ offsets @ along.T
    for slope, plane in zip(slopes, guide, strict=True):
        filtered = filtered + (up @ slope @ along.T) * plane
    return np.clip(filtered, 0, 1)


@pytest.mark.parametrize("cell", [7, 16, 64, 1000])
def test_it_is_what_the_equations_say(cell):
    guide, mask, confidence = random_planes(40, 53)
    expected = by_hand(guide, mask, confidence, cell, 0.05)
    np.testing.assert_allclose(guided_filter(guide, mask, confidence, cell=cell, epsilon=0.05), expected, atol=1e-11)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 100), st.integers(0, 5))
def test_a_constant_mask_stays(height, width, cell, seed):
    guide, _, confidence = random_planes(height, width, seed)
    mask = np.full((height, width), 0.3)
    np.testing.assert_allclose(guided_filter(guide, mask, confidence, cell=cell), mask, atol=1e-12)


def weighted_means(mask, confidence, cell):
    down, across = (antialiased_means(size, -(-size // cell)) for size in mask.shape)
    up, along = (smooth_upsampling(-(-size // cell), size) for size in mask.shape)
    return up @ ((down @ (mask * confidence) @ across.T) / (down @ confidence @ across.T)) @ along.T


def test_with_a_constant_guide_it_gives_the_weighted_means():
    guide, mask, confidence = random_planes()
    filtered = guided_filter(np.full_like(guide, 0.4), mask, confidence, cell=16)
    np.testing.assert_allclose(filtered, weighted_means(mask, confidence, 16), atol=1e-14)


def test_with_a_large_epsilon_it_gives_the_weighted_means():
    guide, mask, confidence = random_planes()
    filtered = guided_filter(guide, mask, confidence, cell=16, epsilon=1e8)
    np.testing.assert_allclose(filtered, weighted_means(mask, confidence, 16), atol=1e-14)


@pytest.mark.parametrize("cell", [16, 64, 200])
def test_a_mask_that_is_affine_in_the_guide_stays_as_epsilon_vanishes(cell):
    guide, _, confidence = random_planes()
    mask = 0.1 + 0.3 * guide[0] + 0.2 * guide[1] + 0.3 * guide[2]
    filtered = guided_filter(guide, mask, confidence, cell=cell, epsilon=1e-7)
    np.testing.assert_allclose(filtered, mask, atol=1e-11)


@given(st.floats(1e-3, 1e3))
def test_the_scale_of_confidence_says_nothing(scale):
    guide, mask, confidence = random_planes()
    expected = guided_filter(guide, mask, confidence, cell=16)
    np.testing.assert_allclose(guided_filter(guide, mask, scale * confidence, cell=16), expected, atol=1e-13)


def test_pixels_without_confidence_say_nothing():
    guide, mask, confidence = random_planes()
    ignored = np.random.default_rng(1).random(mask.shape) < 0.3
    confidence[ignored] = 0
    expected = guided_filter(guide, mask, confidence, cell=32)
    mask[ignored] = np.random.default_rng(2).random(int(ignored.sum()))
    np.testing.assert_array_equal(guided_filter(guide, mask, confidence, cell=32), expected)


def test_none_is_the_same_confidence_everywhere():
    guide, mask, _ = random_planes()
    expected = guided_filter(guide, mask, np.full_like(mask, 0.5), cell=16)
    np.testing.assert_allclose(guided_filter(guide, mask, cell=16), expected, atol=1e-13)


def test_each_plane_may_have_an_epsilon_of_its_own():
    guide, mask, confidence = random_planes()
    same = guided_filter(guide, mask, confidence, epsilon=(0.1, 0.1, 0.1))
    np.testing.assert_array_equal(same, guided_filter(guide, mask, confidence, epsilon=0.1))
    blind = guided_filter(guide, mask, confidence, epsilon=(0.1, 1e8, 1e8))
    guide[1:] = 0.5
    np.testing.assert_allclose(guided_filter(guide, mask, confidence, epsilon=0.1), blind, atol=1e-9)


@given(st.integers(0, 1000))
def test_the_solver_agrees_with_numpy(seed):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(4, 5, 3, 6))
    matrices = factors @ np.swapaxes(factors, -1, -2) + 0.01 * np.eye(3)
    right = rng.normal(size=(4, 5, 3))
    triangle = {(j, k): matrices[..., j, k] for j in range(3) for k in range(j, 3)}
    found = np.stack(solve_symmetric(triangle, list(np.moveaxis(right, -1, 0))), axis=-1)
    expected = np.linalg.solve(matrices, right[..., np.newaxis])[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def natural_planes(height=256, width=320):
    """Dark, as at night, with the spectrum of natural images and hard edges: what breaks filters in float32."""
    rng = np.random.default_rng(3)
    texture = np.stack([natural_texture(rng, height, width) for _ in range(3)])
    shared = natural_texture(rng, height, width)
    planes = 0.12 + 0.03 * shared + 0.004 * texture
    planes[:, height // 2 :, width // 3 : width // 2] += 0.5
    planes[:, : height // 3, :] = 0.9 + 0.0005 * texture[:, : height // 3]
    return np.clip(planes, 0, 1)


@pytest.mark.parametrize("cell", [16, 64])
def test_half_the_digits_suffice_on_a_natural_image(cell):
    guide = natural_planes()
    mask = np.clip(guide[2] * 2 - 0.2 + 0.2 * natural_texture(np.random.default_rng(4), 256, 320), 0, 1)
    confidence = confidence_of(mask)
    exact = guided_filter(guide, mask, confidence, cell=cell)
    short = guided_filter(guide.astype(np.float32), mask, confidence, cell=cell)
    assert short.dtype == np.float32
    assert exact.dtype == np.float64
    assert np.abs(short - exact).max() < 2e-4


@pytest.mark.real_data
def test_half_the_digits_suffice_on_photographs(public_data):
    for name in ("kodim05.png", "kodim12.png", "kodim19.png"):
        guide = yuv_of(planes_of(np.asarray(Image.open(public_data / "kodak" / name))))
        mask = np.clip(guide[0] * 1.5 - 0.3, 0, 1)
        confidence = confidence_of(mask)
        exact = guided_filter(guide.astype(np.float64), mask, confidence)
        assert np.abs(guided_filter(guide, mask, confidence) - exact).max() < 2e-4


def test_confidence_helps_at_the_edges_of_a_drawn_scene():
    scene = drawn_scene(1, 288, 384)
    probability = coarse_probability(scene.alpha, 96, 0)
    guide = yuv_of(planes_of(scene.photo))
    mask, confidence = (resized_plane(plane, 288, 384) for plane in (probability, confidence_of(probability)))
    errors = [
        boundary_band_error(one, scene.alpha)
        for one in (guided_filter(guide, mask, confidence), guided_filter(guide, mask), mask)
    ]
    assert errors[0] < 0.97 * errors[1] < 0.9 * errors[2]


def test_opencvs_filter_is_the_same_where_windows_hardly_matter():
    """Where one affine function of the colours holds everywhere, both filters find it."""
    cv2 = pytest.importorskip("cv2")
    guide, _, _ = random_planes(64, 80)
    guide = guide.astype(np.float32)
    mask = (0.2 + 0.4 * guide[0] + 0.2 * guide[1]).astype(np.float32)
    theirs = cv2.ximgproc.guidedFilter(np.ascontiguousarray(np.moveaxis(guide, 0, -1)), mask, 16, 0.01**2)
    np.testing.assert_allclose(guided_filter(guide, mask, cell=16), theirs, atol=3e-3)


@given(st.integers(1, 200), st.integers(1, 40))
def test_resampling_weights_sum_to_one(size, cells):
    cells = min(size, cells)
    for matrix in (antialiased_means(size, cells), smooth_upsampling(cells, size).copy()):
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
        assert matrix.min() >= 0


def test_sixty_four_times_as_many_take_three_steps_of_linear_upsampling():
    values = np.array([0.0, 1.0, 0.0, 0.0, 0.5])
    stepwise = values
    for _ in range(3):
        places = (np.arange(4 * len(stepwise)) + 0.5) / 4 - 0.5
        stepwise = np.interp(places, np.arange(len(stepwise)), stepwise)
    np.testing.assert_allclose(smooth_upsampling(5, 320) @ values, stepwise, atol=1e-14)


REFUSED = {
    "guide is int64": {"guide": np.zeros((3, 4, 4), np.int64)},
    r"guide \(4, 4, 3\)": {"guide": np.zeros((4, 4, 3))},
    "has no pixel": {"guide": np.zeros((3, 0, 4)), "mask": np.zeros((0, 4)), "confidence": np.zeros((0, 4))},
    "cell 0": {"cell": 0},
    "epsilon": {"epsilon": 0.0},
    "guide has values that are not finite": {"guide": np.full((3, 4, 4), np.nan)},
    "mask has values that are not finite": {"mask": np.full((4, 4), np.inf)},
    "confidence has a value of -1": {"confidence": np.full((4, 4), -1.0)},
    "confidence is 0 throughout a cell": {"confidence": np.zeros((4, 4))},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_filtered_is_named(message):
    given_arrays = {"guide": np.zeros((3, 4, 4)), "mask": np.zeros((4, 4)), "confidence": np.ones((4, 4))}
    arrays = given_arrays | REFUSED[message]
    with pytest.raises(DataError, match=message):
        guided_filter(arrays.pop("guide"), arrays.pop("mask"), arrays.pop("confidence"), **arrays)
