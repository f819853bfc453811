"""The whole chain on photos, with a network that knows where the sky is; and photos as files."""

import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.sky_scenes import drawn_scene
from seriatim_errors import DataError
from vision_components.sky import SkyNetwork, SkySettings, improve, sky_features, sky_mask
from vision_components.sky.evaluation import MEASURES, evaluate, mean_measures
from vision_components.sky.labelled_photos import LabelledPhoto
from vision_components.sky.metrics import boundary_band_error, intersection_over_union
from vision_components.sky.photo import cell_for, filter_size
from vision_components.sky.photo_file import read_photo, write_photo
from vision_components.sky.resampling import resized_plane

SIDE = 64


def knowing(alpha, side=SIDE):
    """A network that answers with what is known of one photo."""
    small = resized_plane(alpha, side, side)
    return SkyNetwork(side, lambda photos: np.stack([small] * len(photos)), "knowing")


def saying(value, side=SIDE):
    return SkyNetwork(side, lambda photos: np.full(photos.shape[:3], value, np.float32), "saying")


@pytest.mark.parametrize("seed", range(4))
def test_a_sky_is_found_along_its_edges_and_the_rest_stays(seed):
    scene = drawn_scene(seed, 240, 320)
    found = improve(scene.photo, knowing(scene.alpha))
    assert found.changed
    assert found.sky_share == pytest.approx(found.mask.mean() / 255)
    assert found.sky_share == pytest.approx(scene.alpha.mean(), abs=0.05)
    np.testing.assert_array_equal(found.photo[found.mask == 0], scene.photo[found.mask == 0])
    assert (found.photo != scene.photo).any()
    coarse = resized_plane(resized_plane(scene.alpha, SIDE, SIDE), 240, 320)
    refined = found.mask / np.float32(255)
    assert boundary_band_error(refined, scene.alpha) < 0.9 * boundary_band_error(coarse, scene.alpha)
    assert intersection_over_union(refined, scene.alpha) > intersection_over_union(coarse, scene.alpha)


def test_a_photo_without_sky_comes_back_as_it_is():
    photo = drawn_scene(0, 60, 80).photo
    found = improve(photo, saying(0.3))
    assert found.photo is photo
    assert (found.changed, found.sky_share) == (False, 0.0)
    assert found.mask.shape == (60, 80)
    assert not found.mask.any()


def test_a_sky_smaller_than_the_least_is_none():
    scene = drawn_scene(0, 120, 160)
    assert not improve(scene.photo, knowing(scene.alpha), SkySettings(min_sky=0.99)).changed


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 7), (33, 1000)])
def test_photos_of_odd_shapes_pass(shape):
    photo = np.random.default_rng(0).integers(256, size=(*shape, 3), dtype=np.uint8)
    found = improve(photo, saying(0.9))
    assert found.photo.shape == photo.shape
    assert found.mask.shape == shape


def test_a_photo_all_of_sky_has_a_full_mask():
    photo = np.full((50, 60, 3), (90, 140, 220), np.uint8)
    assert improve(photo, saying(1.0)).mask.min() == 255


@pytest.mark.parametrize(("said", "mask"), [(0.985, 255), (0.5, 128)])
def test_a_mask_that_is_nearly_full_is_full(said, mask):
    photo = np.full((50, 60, 3), (90, 140, 220), np.uint8)
    assert set(np.unique(improve(photo, saying(said)).mask)) == {mask}


def test_ground_that_is_nearly_out_of_the_mask_stays():
    scene = drawn_scene(0, 120, 160)
    alpha = np.where(scene.alpha > 0.5, 1, 0.012)
    photo = np.where(scene.alpha[..., np.newaxis] > 0.5, (90, 140, 220), (60, 50, 30)).astype(np.uint8)
    found = improve(photo, knowing(alpha, 160))
    ground = np.zeros(alpha.shape, bool)
    ground[110:] = True
    assert found.changed
    assert not found.mask[ground].any()
    np.testing.assert_array_equal(found.photo[ground], photo[ground])


def test_large_photos_are_refined_on_fewer_pixels():
    scene = drawn_scene(1, 240, 320)
    network = knowing(scene.alpha)
    fast = sky_mask(scene.photo, network, SkySettings(filter_pixels=120 * 160))
    assert fast.shape == (240, 320)
    assert np.abs(fast.astype(float) - sky_mask(scene.photo, network)).mean() < 12


def test_the_filters_size_keeps_proportions_and_the_bound():
    assert filter_size((768, 1024), 1 << 20) == (768, 1024)
    height, width = filter_size((3024, 4032), 1 << 20)
    assert height * width <= 1 << 20
    assert height / width == pytest.approx(0.75, abs=0.01)
    assert filter_size((1, 10**6), 1000)[0] == 1


def test_cells_shrink_with_the_photo():
    assert [cell_for(shape, 64) for shape in ((768, 1024), (360, 480), (20, 30), (4000, 10))] == [64, 30, 4, 64]


@pytest.mark.parametrize(
    "photo",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_photo_is_refused(photo):
    with pytest.raises(DataError, match="photo is"):
        improve(photo, saying(0.9))


@pytest.mark.parametrize("wrong", [{"min_sky": 2}, {"filter_pixels": 0}, {"cell": 0}, {"min_probability": -1}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        SkySettings(**wrong)


def test_features_say_how_much_sky_how_surely_and_how_dark():
    dark, bright = np.zeros((30, 40, 3), np.uint8), np.full((30, 40, 3), 255, np.uint8)
    assert sky_features(dark, saying(1.0)).as_row() == {"sky_share": 1.0, "sky_confidence": 1.0, "darkness": 1.0}
    row = sky_features(bright, saying(0.4)).as_row()
    assert row == pytest.approx({"sky_share": 0.4, "sky_confidence": 0.01, "darkness": 0.0}, abs=1e-6)


def picture(height=40, width=50):
    return drawn_scene(0, height, width).photo


@pytest.mark.parametrize(("ending", "kind"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_a_photo_keeps_its_kind_and_profile(tmp_path, ending, kind):
    path, again = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    Image.fromarray(picture()).save(path, format=kind, icc_profile=b"profile", quality=95)
    photo = read_photo(path)
    write_photo(again, photo.pixels, photo)
    with Image.open(again) as image:
        assert (image.format, image.mode, image.size) == (kind, "RGB", (50, 40))
        assert image.info["icc_profile"] == b"profile"
        assert np.abs(np.asarray(image).astype(float) - photo.pixels).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_once(tmp_path, orientation):
    path, again = tmp_path / "a.png", tmp_path / "b.png"
    upright = picture(32, 48)
    turned = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    Image.fromarray(np.ascontiguousarray(turned)).save(path, exif=exif)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, upright)
    write_photo(again, photo.pixels, photo)
    np.testing.assert_array_equal(read_photo(again).pixels, upright)
    with Image.open(again) as image:
        assert image.getexif().get(0x010F) == "maker"


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_grey_and_palette_pictures_become_rgb(tmp_path, mode):
    path = tmp_path / "a.png"
    image = Image.fromarray(picture()).convert(mode)
    image.save(path)
    np.testing.assert_array_equal(read_photo(path).pixels, np.asarray(image.convert("RGB")))


def test_of_a_phones_several_pictures_the_first_is_the_photo(tmp_path):
    path, again = tmp_path / "a.jpg", tmp_path / "b.jpg"
    first, second = Image.fromarray(picture()), Image.fromarray(picture()[::-1])
    first.save(path, format="MPO", save_all=True, append_images=[second], quality=95)
    photo = read_photo(path)
    assert np.abs(photo.pixels.astype(float) - picture()).mean() < 8
    write_photo(again, photo.pixels, photo)
    with Image.open(again) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, kind):
    path, rng = tmp_path / "a.img", np.random.default_rng(0)
    Image.fromarray(picture(24, 32)).save(path, format=kind)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    refusals = []
    for _ in range(150):
        damaged = content.copy()
        places = rng.integers(len(damaged), size=rng.integers(1, 6))
        damaged[places] = rng.integers(256, size=len(places))
        path.write_bytes(damaged[: rng.integers(len(damaged) // 2, len(damaged) + 1)].tobytes())
        try:
            assert read_photo(path).pixels.dtype == np.uint8
        except DataError as error:
            refusals.append(str(error))
    assert refusals
    assert all(refusal.startswith(str(path)) for refusal in refusals)


def saved(path, image, **settings):
    image.save(path, **settings)
    return path


def refused_files(tmp_path):
    rgb = Image.fromarray(picture())
    note = tmp_path / "note.jpg"
    note.write_text("no picture", encoding="utf-8")
    cut = saved(tmp_path / "cut.jpg", Image.fromarray(picture(200, 300)))
    cut.write_bytes(cut.read_bytes()[:3000])
    return {
        "does not exist": tmp_path / "none.jpg",
        "is no JPEG, PNG or WebP image": note,
        "is no whole image": cut,
        "in mode RGBA": saved(tmp_path / "rgba.png", rgb.convert("RGBA")),
        "in mode CMYK": saved(tmp_path / "cmyk.jpg", rgb.convert("CMYK")),
        "in mode I;16": saved(tmp_path / "deep.png", Image.fromarray(np.zeros((40, 50), np.uint16))),
        "transparent": saved(tmp_path / "clear.png", rgb.convert("P"), transparency=0),
        "animation of 2": saved(
            tmp_path / "film.webp", rgb, save_all=True, append_images=[Image.fromarray(picture()[::-1])]
        ),
        "16 or more a side": saved(tmp_path / "tiny.png", Image.fromarray(picture()[:15])),
        "at most 0.01 megapixels": saved(tmp_path / "huge.png", Image.fromarray(picture(101, 100))),
    }


def test_files_that_are_no_such_photos_are_refused_by_name(tmp_path):
    for message, path in refused_files(tmp_path).items():
        with pytest.raises(DataError, match=message) as caught:
            read_photo(path, max_megapixels=0.01 if "huge" in path.name else 50)
        assert str(path) in str(caught.value)


def test_a_file_that_declares_a_gigantic_picture_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.png"
    Image.fromarray(picture()).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="megapixels"):
        read_photo(path)


def test_a_network_is_measured_over_labelled_pixels_of_labelled_photos():
    scene = drawn_scene(2, 120, 160)
    labels = np.select([scene.alpha > 0.95, scene.alpha < 0.05], [np.uint8(255), np.uint8(0)], np.uint8(128))
    photo = LabelledPhoto("a.jpg", scene.photo, labels)
    unlabelled = LabelledPhoto("b.jpg", scene.photo, np.full_like(labels, 128))
    found = evaluate(knowing(scene.alpha), [photo, unlabelled])
    assert found == evaluate(knowing(scene.alpha), [photo])
    assert set(found["enlarged"]) == set(found["filtered"]) == set(MEASURES)
    assert found["enlarged"]["iou"] < found["filtered"]["iou"] < 1
    assert found["filtered"]["band_error"] < found["enlarged"]["band_error"]
    with pytest.raises(DataError, match="no photos to measure"):
        evaluate(knowing(scene.alpha), [unlabelled])


def test_means_leave_out_what_is_not_a_number():
    assert mean_measures([{"a": 1.0, "b": np.nan}, {"a": 2.0, "b": 5.0}]) == {"a": 1.5, "b": 5.0}
    assert np.isnan(mean_measures([{"a": np.nan}])["a"])
