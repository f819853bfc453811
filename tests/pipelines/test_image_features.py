"""Names of image features, and how they meet the rows of a log."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.click_log import FeatureColumns
from pipelines.config import load_config
from pipelines.image_features import ImageFeatureNames, joined_image_features
from pipelines.images_of_run import images_of_run, with_image_features
from seriatim_errors import ConfigError, DataError
from vision_components.backbones import backbone_named
from vision_components.backbones.augmentation import shifted

NAMES = ImageFeatureNames(("digit 1", "hat"), embedding_width=2, stages=2)


def test_columns_say_what_they_hold():
    assert NAMES.columns == (
        "item_image_class_digit_1",
        "item_image_class_hat",
        "item_image_embedding_0",
        "item_image_embedding_1",
        "item_image_confidence",
        "item_image_exit_0",
        "item_image_exit_1",
    )


def test_names_that_become_alike_or_nothing_get_their_place():
    names = ImageFeatureNames(("a b", "a-b", "!"), 0, 1).columns
    assert names[:3] == ("item_image_class_a_b_0", "item_image_class_a_b_1", "item_image_class__2")
    assert len(set(names)) == len(names)


def test_a_row_is_in_the_order_of_the_columns():
    row = NAMES.row(np.float32([0.25, 0.75]), np.float32([3, 4]), 0.75, 1)
    assert row.dtype == np.float32
    assert row.tolist() == [0.25, 0.75, 3, 4, 0.75, 0, 1]


def test_names_travel_as_text():
    assert ImageFeatureNames.from_json(NAMES.to_json()) == NAMES


def test_items_without_a_picture_have_zeros(tmp_path):
    path = tmp_path / "features.parquet"
    pq.write_table(pa.table({"item_id": ["a", "b"], "one": np.float32([1, 2]), "two": np.float32([3, 4])}), path)
    joined = joined_image_features(str(path), ["b", "x", "a", "b"])
    assert {name: values.tolist() for name, values in joined.items()} == {"one": [2, 0, 1, 2], "two": [4, 0, 3, 4]}


def test_image_features_come_behind_those_of_the_log():
    columns = FeatureColumns(("context_hour",), ("item_price",))
    assert with_image_features(columns, None) is columns
    joined = with_image_features(columns, SimpleNamespace(names=NAMES))
    assert joined.names == ("context_hour", "item_price", *NAMES.columns)


CONFIG = "name: demo\ndata: {path: log.parquet, items: items.parquet}\n"


def test_a_log_with_such_columns_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG + "images: {}\n")
    log = SimpleNamespace(columns=FeatureColumns((), ("item_image_confidence", "item_price")))
    with pytest.raises(DataError, match="has the columns item_image_confidence, and images makes"):
        images_of_run(load_config(path), log, lambda message: None)
    assert images_of_run(load_config(path, {"images": None}), log, lambda message: None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: demo\ndata: {path: log.parquet}\nimages: {}\n", "images needs data.items"),
        (CONFIG + "images: {backbones: [vgg16]}\n", "backbones"),
        (CONFIG + "images: {backbones: [resnet18_16]}\n", "resnet18_16.*8, 14, 20"),
        (CONFIG + "images: {backbones: [resnet8_8, resnet8_8]}\n", "stands twice in the pool"),
        (CONFIG + "images: {backbones: []}\n", "backbones"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_image_features_and_off_policy_values_do_not_go_together(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "name: demo\ndata: {path: log, format: open_bandit, items: items.parquet}\nimages: {}\n"
        "evaluation: {off_policy: true}\n"
    )
    with pytest.raises(ConfigError, match="judges the log's own features"):
        load_config(path)


@pytest.mark.parametrize("name", ["resnet8_4", "mobilenet_0.25", "efficientnet_.5"])
def test_backbones_are_built_by_name(name):
    model = backbone_named(name, 3, input_shape=(8, 8, 3), embedding_width=2)
    assert model.name == name
    assert set(model.output) == {"logits", "embedding"}


@pytest.mark.parametrize("name", ["resnet18_16", "resnet2_16", "resnet8_0", "mobilenet", "mobilenet_0", "vgg_1"])
def test_backbones_that_there_are_not_are_refused(name):
    with pytest.raises(DataError, match="give resnet and 6 n"):
        backbone_named(name, 3)


def numbered(rows=5, side=6):
    return np.arange(rows * side * side * 3, dtype=np.int64).reshape(rows, side, side, 3).astype(np.uint8)


def test_images_are_windows_of_themselves_with_mirrored_edges():
    pixels = numbered()
    np.testing.assert_array_equal(shifted(pixels, 0, np.random.default_rng(0)), pixels)
    moved = shifted(pixels, 2, np.random.default_rng(0))
    for image, result in zip(pixels, moved, strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        windows = [padded[down : down + 6, right : right + 6] for down in range(5) for right in range(5)]
        assert any(np.array_equal(window, result) for window in windows)
    np.testing.assert_array_equal(moved, shifted(pixels, 2, np.random.default_rng(0)))


def test_about_half_of_the_images_are_mirrored_where_wanted():
    pixels = numbered(rows=40)
    results = shifted(pixels, 0, np.random.default_rng(0), mirror=True)
    mirrored = [np.array_equal(one[:, ::-1], two) for one, two in zip(pixels, results, strict=True)]
    kept = [np.array_equal(one, two) for one, two in zip(pixels, results, strict=True)]
    assert all(one != two for one, two in zip(mirrored, kept, strict=True))
    assert 10 < sum(mirrored) < 30
