"""Thumbnails through a cascade: as the reference reads them, each once, and what cannot be read set aside."""

import io
import json

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from PIL import Image

from pipelines.components import images as component
from pipelines.image_features import FEATURES_FILE, ImageFeatureNames
from pipelines.picture_opening import PictureOpening
from pipelines.stages.thumbnail_scores import (
    SCORE_SCHEMA,
    SUMMARY_FILE,
    UNREADABLE_FILE,
    Picture,
    PictureReader,
    ScoreCache,
    write_item_features,
)
from pipelines.thumbnails import content_hash
from seriatim_errors import DataError
from serving.images.reader import open_cascade
from serving.images.reference import NumpyCascade
from serving.images.stage_graph import load_stages
from vision_components.backbones import resnet
from vision_components.committees import NEVER
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade

CLASSES = ("bag", "hat", "shoe")


def png(seed, side=12):
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(rng.uniform(20, 235, 3), 60, size=(side, side, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


CONTENTS = [png(seed) for seed in range(12)]
PICTURES = [Picture(content_hash(content), content) for content in CONTENTS]


@pytest.fixture(scope="module")
def models():
    built = []
    for seed in (0, 1):
        tf.keras.utils.set_random_seed(seed)
        model = resnet(8, 3, width=4, input_shape=(8, 8, 3), embedding_width=2)
        logits = model.get_layer("logits")
        logits.set_weights([logits.kernel.numpy() * 5, logits.bias.numpy()])
        built.append(model)
    return built


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
    """Folders of cascades by threshold; `some` sends half of the pictures on."""
    root = tmp_path_factory.mktemp("cascades")
    shown = np.zeros((1, 8, 8, 3), np.uint8)
    folders = {}
    for name, threshold in {"none": 0.0, "all": NEVER, "some": 0.5}.items():
        cascade = Cascade([CascadeStage(model) for model in models], [threshold])
        if name == "some":
            sure = np.sort([score.features[5] for score in reader(folders["none"]).read(PICTURES)])
            cascade.thresholds = (float(sure[5:7].mean()),)
        folders[name] = export_cascade(cascade, root, name, CLASSES, shown)
    return folders


def reader(folder):
    return PictureReader(folder, ImageFeatureNames.of_cascade(folder))


@pytest.mark.parametrize(("name", "escalated"), [("none", 0), ("some", 6), ("all", 12)])
def test_pictures_are_read_as_the_reference_reads_them(exported, name, escalated):
    cascade = open_cascade(exported[name])
    reference = NumpyCascade(cascade.manifest, load_stages(cascade.folder, cascade.manifest))
    scores = reader(exported[name]).read(PICTURES)
    assert [score.key for score in scores] == [picture.key for picture in PICTURES]
    assert sum(score.exit_stage for score in scores) == escalated
    for score, content in zip(scores, CONTENTS, strict=True):
        expected = reference.score(np.asarray(Image.open(io.BytesIO(content))))
        exits = [float(stage == expected.exit_stage) for stage in (0, 1)]
        row = np.concatenate([expected.probabilities, expected.embedding, [expected.confidence], exits])
        np.testing.assert_allclose(score.features, row, atol=1e-5)


def test_a_picture_that_cannot_be_read_disturbs_no_other(exported):
    cut = Picture("cut", CONTENTS[1][:40])
    scores = reader(exported["some"]).read([PICTURES[0], cut, PICTURES[2]])
    whole = reader(exported["some"]).read([PICTURES[0], PICTURES[2]])
    assert [score.key for score in scores] == [PICTURES[0].key, "cut", PICTURES[2].key]
    assert scores[1].reason
    assert len(scores[1].features) == 0
    for one, other in zip((scores[0], scores[2]), whole, strict=True):
        np.testing.assert_allclose(one.features, other.features, atol=1e-6)


def test_no_pictures_have_no_scores(exported):
    assert reader(exported["some"]).read([]) == []


def catalogue(folder, contents, row_group_size=5):
    path = folder / "items.parquet"
    ids = [f"i{place}" for place in range(len(contents))]
    pq.write_table(
        pa.table({"item_id": ids, "thumbnail": pa.array(contents, pa.binary())}), path, row_group_size=row_group_size
    )
    return path


def test_workers_read_what_is_not_known_once_each(exported, tmp_path):
    """The component's own functions in a real Beam pipeline, with the cache before and after it."""
    path = catalogue(tmp_path, [*CONTENTS, None, CONTENTS[0]])
    folder = exported["some"]
    names = ImageFeatureNames.of_cascade(folder).to_json()
    cache = ScoreCache(tmp_path / "cache", folder, "plain")
    for known in (0, 12):
        assert len(cache.scores) == known
        with BeamPipeline() as pipeline:
            _ = (
                pipeline
                | beam.Create(component.thumbnail_groups(path))
                | beam.FlatMap(component.unread_pictures, str(path), "thumbnail", frozenset(cache.scores))
                | beam.BatchElements(4, 8)
                | beam.FlatMap(component.score_pictures, str(folder), names, PictureOpening().model_dump_json())
                | beam.io.WriteToParquet(f"{tmp_path}/{known}-scores", SCORE_SCHEMA, file_name_suffix=".parquet")
            )
        files = list(tmp_path.glob(f"{known}-scores*.parquet"))
        written = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        # The content that stands in two row groups is read in both: no worker waits for another.
        assert written == (13 if known == 0 else 0)
        cache.add(files)
        cache = ScoreCache(tmp_path / "cache", folder, "plain")
    assert set(cache.scores) == {picture.key for picture in PICTURES}
    for score, direct in zip(reader(folder).read(PICTURES), map(cache.scores.get, cache.scores), strict=False):
        np.testing.assert_allclose(cache.scores[score.key].features, score.features, atol=1e-6)
        assert direct.features.dtype == np.float32


def test_another_cascade_or_another_opening_has_another_cache(exported, tmp_path):
    first, second = (ScoreCache(tmp_path, exported[name], "plain") for name in ("some", "all"))
    first.add([])
    second.add([])
    ScoreCache(tmp_path, exported["all"], "another").add([])
    assert len(list(tmp_path.iterdir())) == 3


def scored(exported, contents):
    pictures = [Picture(content_hash(content), content) for content in contents if content is not None]
    return {score.key: score for score in reader(exported["some"]).read(pictures)}


def test_items_get_the_features_of_their_pictures(exported, tmp_path):
    contents = [*CONTENTS, None, CONTENTS[0]]
    path, names = catalogue(tmp_path, contents), ImageFeatureNames.of_cascade(exported["some"])
    scores = scored(exported, contents)
    write_item_features(path, "thumbnail", scores, names, 0.0, tmp_path)
    table = pq.read_table(tmp_path / FEATURES_FILE)
    assert table.column_names == ["item_id", *names.columns]
    rows = table.to_pandas().set_index("item_id")
    assert len(rows) == 13
    np.testing.assert_array_equal(rows.loc["i0"], rows.loc["i13"])
    np.testing.assert_array_equal(rows.loc["i3"], scores[PICTURES[3].key].features)
    summary = json.loads((tmp_path / SUMMARY_FILE).read_text())
    assert summary["exits"] == rows[["item_image_exit_0", "item_image_exit_1"]].sum().astype(int).tolist()
    assert summary["features"] == len(names.columns)
    assert (summary["items"], summary["without"], summary["unreadable"]) == (13, 1, 0)


def test_too_many_unreadable_pictures_stop_the_run_with_a_list(exported, tmp_path):
    contents = [*CONTENTS[:8], b"no picture", CONTENTS[9][:50]]
    path, names = catalogue(tmp_path, contents), ImageFeatureNames.of_cascade(exported["some"])
    scores = scored(exported, contents)
    write_item_features(path, "thumbnail", scores, names, 0.2, tmp_path)
    with pytest.raises(DataError, match=r"2 of 10 thumbnails cannot be read, such as that of 'i8'"):
        write_item_features(path, "thumbnail", scores, names, 0.19, tmp_path)
    listed = pq.read_table(tmp_path / UNREADABLE_FILE).to_pydict()
    assert listed["item_id"] == ["i8", "i9"]
    assert all(listed["reason"])
    assert pq.ParquetFile(tmp_path / FEATURES_FILE).metadata.num_rows == 8
