"""The benchmark of skies: its scenes are what they say, its rows are fair, and a killed run goes on."""

import numpy as np
import pytest

from benchmarks import sky
from benchmarks.sky_enlarging import BILINEAR, METHODS, OPENCV, UNWEIGHTED, WEIGHTED, enlarged
from benchmarks.sky_scenes import HOURS, coarse_probability, drawn_scene, natural_texture
from vision_components.sky import SkyNetwork
from vision_components.sky.labelled_photos import LabelledPhoto
from vision_components.sky.metrics import intersection_over_union
from vision_components.sky.resampling import resized_plane


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_photo_is_its_ground_where_nothing_is_sky(seed):
    ground = np.random.default_rng(0).integers(256, size=(96, 128, 3), dtype=np.uint8)
    scene = drawn_scene(seed, 96, 128, ground)
    assert scene.hour == HOURS[seed]
    assert scene.alpha.dtype == np.float32
    assert (scene.alpha.min(), scene.alpha.max()) == (0, 1)
    assert ((scene.alpha > 0) & (scene.alpha < 1)).mean() > 0.01
    covered = scene.alpha == 0
    assert np.abs(scene.photo[covered].astype(float) - ground[covered]).max() < 10


def test_a_seed_draws_one_scene():
    first, again, other = (drawn_scene(seed, 48, 64) for seed in (5, 5, 9))
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.alpha, again.alpha)
    assert (first.alpha != other.alpha).any()


def test_the_amplitude_of_textures_falls_with_frequency():
    texture = natural_texture(np.random.default_rng(0), 256, 256)
    spectrum = np.abs(np.fft.rfft2(texture))
    frequency = np.hypot(np.fft.fftfreq(256)[:, np.newaxis], np.fft.rfftfreq(256))
    bands = [spectrum[(frequency > low) & (frequency < 1.2 * low)].mean() for low in (0.03, 0.06, 0.12, 0.24)]
    np.testing.assert_allclose(np.array(bands[:-1]) / bands[1:], 2, rtol=0.2)


def test_an_imitated_answer_is_coarse_but_mostly_right():
    scene = drawn_scene(2, 192, 256)
    answer = resized_plane(coarse_probability(scene.alpha, 64, 0), 192, 256)
    assert 0.7 < intersection_over_union(answer, scene.alpha) < 0.97


def test_every_method_answers_in_the_photos_size():
    pytest.importorskip("cv2")
    scene = drawn_scene(1, 96, 128)
    coarse = coarse_probability(scene.alpha, 32, 0)
    found = {method: enlarged(method, scene.photo, coarse) for method in METHODS}
    assert set(found) == {BILINEAR, *OPENCV, UNWEIGHTED, WEIGHTED}
    for mask in found.values():
        assert mask.shape == (96, 128)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() <= 1
    assert len({mask.tobytes() for mask in found.values()}) == len(METHODS)


def test_unlabelled_pixels_of_street_scenes_do_not_count():
    scene = drawn_scene(0, 96, 128)
    labels = np.select([scene.alpha > 0.95, scene.alpha < 0.05], [np.uint8(255), np.uint8(0)], np.uint8(128))
    network = SkyNetwork(32, lambda photos: resized_plane(scene.alpha, 32, 32)[np.newaxis], "known")
    [(_, _, truth, where)] = sky.street_masks([LabelledPhoto("a", scene.photo, labels)], network)
    np.testing.assert_array_equal(where, labels != 128)
    rows = sky.compared("street", [(scene.photo, resized_plane(scene.alpha, 32, 32), truth, where)])
    assert {BILINEAR, UNWEIGHTED, WEIGHTED} <= {row["enlarged by"] for row in rows}
    assert all(row["iou"] > 0.9 for row in rows)


def test_what_was_computed_is_not_computed_again(tmp_path):
    assert sky.kept(tmp_path, "part", lambda: {"a": 1}) == {"a": 1}
    assert sky.kept(tmp_path, "part", lambda: pytest.fail("computed again")) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["part.json"]


def test_grounds_of_drawn_scenes_are_drawn_or_taken_in_turn(monkeypatch):
    monkeypatch.setattr(sky, "HEIGHT", 48)
    monkeypatch.setattr(sky, "WIDTH", 64)
    white = np.full((20, 30, 3), 255, np.uint8)
    grounds = [photo[alpha == 0].mean() for photo, _, alpha, _ in sky.drawn_masks(8, [white])]
    assert max(grounds[:4]) < 150
    assert min(grounds[4:]) > 245
