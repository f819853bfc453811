"""Training a cascade on the labelled thumbnails of a catalogue: scikit-learn's digits."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipelines.images_config import ImagesConfig
from pipelines.stages.image_cascade import PLAN_FILE, SUMMARY_FILE, train_cascade
from seriatim_errors import TrainingError
from serving.images.reader import open_cascade
from vision_components.committees import CascadePlan

CONFIG = ImagesConfig(
    backbones=("resnet8_4", "resnet8_8"), image_size=8, embedding_width=3, epochs=25, learning_rate=0.01
)
NAMES = ("digit 0", "digit 1", "digit 7")


def catalogue(folder, rows=240):
    digits = load_digits()
    chosen = np.flatnonzero(np.isin(digits.target, (0, 1, 7)))[:rows]
    contents = []
    for image in digits.images[chosen]:
        buffer = io.BytesIO()
        Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8)).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    contents[0] = contents[0][:30]
    classes = [f"digit {digit}" for digit in digits.target[chosen]]
    classes[1] = None
    path = folder / "items.parquet"
    ids = [f"i{place}" for place in range(rows)]
    pq.write_table(
        pa.table({"item_id": ids, "thumbnail": pa.array(contents, pa.binary()), "thumbnail_class": classes}), path
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train_cascade(catalogue(folder), NAMES, "v1", CONFIG, 3, folder)
    return folder


@pytest.mark.slow
def test_the_cascade_opens_and_is_as_right_as_the_best_backbone(trained):
    manifest = open_cascade(trained / "v1").manifest
    summary, plan = json.loads((trained / SUMMARY_FILE).read_text()), CascadePlan.load(trained / PLAN_FILE)
    assert manifest.class_names == NAMES
    assert manifest.embedding_width == 3
    assert [stage.threshold for stage in manifest.stages] == [*plan.thresholds, None]
    assert summary["accuracy"] == plan.accuracy >= max(one["accuracy"] for one in summary["backbones"])
    assert summary["accuracy"] > 0.9
    assert [one["name"] for one in summary["backbones"]] == ["resnet8_4", "resnet8_8"]


@pytest.mark.slow
def test_thumbnails_that_cannot_be_read_or_have_no_class_teach_nothing(trained):
    summary = json.loads((trained / SUMMARY_FILE).read_text())
    assert summary["trained_images"] + summary["held_out_images"] == 238


@pytest.mark.slow
def test_one_seed_gives_one_cascade(trained, tmp_path):
    train_cascade(trained / "items.parquet", NAMES, "v1", CONFIG, 3, tmp_path)
    assert (tmp_path / PLAN_FILE).read_text() == (trained / PLAN_FILE).read_text()
    assert (tmp_path / SUMMARY_FILE).read_text() == (trained / SUMMARY_FILE).read_text()


@pytest.mark.slow
def test_searched_widths_join_the_pool(tmp_path):
    changes = {"backbones": ("resnet8_8",), "searched": (0.25, 0.5), "search_epochs": 3, "epochs": 2}
    config = CONFIG.model_copy(update=changes)
    path = catalogue(tmp_path, rows=120)
    train_cascade(path, NAMES, "v1", config, 3, tmp_path)
    pool = {one["name"]: one["cost"] for one in json.loads((tmp_path / SUMMARY_FILE).read_text())["backbones"]}
    assert set(pool) == {"resnet8_8", "resnet8_8_searched_0.25", "resnet8_8_searched_0.5"}
    # Heads stay as they are, and a share counts them too.
    assert pool["resnet8_8_searched_0.25"] <= 0.25 * pool["resnet8_8"]
    assert pool["resnet8_8_searched_0.25"] < pool["resnet8_8_searched_0.5"] <= 0.5 * pool["resnet8_8"]
    assert open_cascade(tmp_path / "v1").manifest.embedding_width == 3


def test_without_images_to_judge_by_there_is_no_cascade(tmp_path):
    config = CONFIG.model_copy(update={"held_out_share": 1e-6})
    with pytest.raises(TrainingError, match="label more, or change images"):
        train_cascade(catalogue(tmp_path, rows=20), NAMES, "v1", config, 3, tmp_path)
