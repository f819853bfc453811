"""Images with classes are read from arrays and folders, and what cannot be read is named."""

import numpy as np
import pytest
from PIL import Image

from pipelines.vision_jobs.labelled_images import read_labelled_images, split_rows
from seriatim_errors import DataError


def arrays(tmp_path, **changed):
    rng = np.random.default_rng(0)
    given = {"images": rng.integers(256, size=(12, 8, 8, 3), dtype=np.uint8), "labels": np.arange(12) % 3}
    path = tmp_path / "images.npz"
    np.savez(path, **{name: value for name, value in {**given, **changed}.items() if value is not None})
    return path


def folder(tmp_path, sizes=((8, 8), (8, 8))):
    for place, (name, size) in enumerate(zip(("cat", "dog"), sizes, strict=True)):
        (tmp_path / name).mkdir()
        for row in range(3):
            Image.new("RGB", size, (place * 100, row, 7)).save(tmp_path / name / f"{row}.png")
    return tmp_path


def test_arrays_are_read_as_they_are(tmp_path):
    images = read_labelled_images(arrays(tmp_path))
    assert images.pixels.shape == (12, 8, 8, 3)
    assert images.labels.tolist() == [0, 1, 2] * 4
    assert images.names == ("0", "1", "2")


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path):
    images = read_labelled_images(folder(tmp_path))
    assert images.names == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.pixels[4, 0, 0].tolist() == [100, 1, 7]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, "array 'labels' is missing"),
        ({"images": np.zeros((12, 8, 8, 3))}, "'images' is float64"),
        ({"images": np.zeros((12, 8, 8), np.uint8)}, "'images' is uint8"),
        ({"labels": np.arange(11)}, "'labels' is int64"),
        ({"labels": np.arange(12.0)}, "'labels' is float64"),
        ({"labels": np.zeros(12, np.int64)}, "has 1 class"),
        ({"labels": -np.ones(12, np.int64)}, "integers from 0"),
    ],
)
def test_arrays_of_another_kind_are_refused_by_name(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        read_labelled_images(arrays(tmp_path, **changed))


def test_files_that_are_missing_or_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_labelled_images(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(DataError, match="is no npz file"):
        read_labelled_images(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="is no npz file"):
        read_labelled_images(tmp_path / "one.npy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures in subfolders"):
        read_labelled_images(tmp_path / "empty")


def test_pictures_of_other_sizes_and_broken_ones_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="in class 'dog'"):
        read_labelled_images(folder(tmp_path, ((8, 8), (8, 9))))
    (tmp_path / "cat" / "1.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1\.png is no picture"):
        read_labelled_images(tmp_path)


def test_a_part_has_its_share_of_every_class_and_no_image_twice(tmp_path):
    images = read_labelled_images(arrays(tmp_path))
    first, second = split_rows(images, 0.25)
    assert np.bincount(second.labels).tolist() == [1, 1, 1]
    assert len(first) + len(second) == 12
    assert len(np.unique(np.concatenate([first.pixels, second.pixels]).reshape(12, -1), axis=0)) == 12


def test_a_class_of_one_image_cannot_be_split(tmp_path):
    images = read_labelled_images(arrays(tmp_path, labels=np.array([0] * 11 + [1])))
    with pytest.raises(DataError, match="class '1' has one image"):
        split_rows(images, 0.25)
