"""Thumbnails that are coded pictures, and what their skies tell: opened, refused, scored and written."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image
from pydantic import ValidationError

from pipelines.commands.vision import vision
from pipelines.image_features import ImageFeatureNames
from pipelines.images_config import ImagesConfig
from pipelines.picture_opening import PictureOpening
from pipelines.pictures import CODED, PictureOpener
from pipelines.stages.thumbnail_scores import Picture, PictureReader
from seriatim_errors import DataError
from serving.runtime.query import InvalidRequestError
from vision_components.backbones import resnet
from vision_components.codec import load_codec, save_codec
from vision_components.codec.bitstream import MAGIC
from vision_components.codec.design import CodecDesign
from vision_components.codec.training import TrainableCodec
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade
from vision_components.sky import load_network, sky_features
from vision_components.sky.export import export_network
from vision_components.sky.segmentation import unet


def picture(seed=0, height=20, width=24):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(rng.uniform(20, 235, 3), 60, size=(height, width, 3)), 0, 255).astype(np.uint8)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def codec_folder(tmp_path_factory):
    tf.keras.utils.set_random_seed(0)
    codec = TrainableCodec(CodecDesign((4, 4, 4), 4, (4, 4, 4), (4, 4), (4, 4, 4))).frozen({"steps": 0})
    return save_codec(codec, tmp_path_factory.mktemp("codecs") / "tiny", with_graph=False)


@pytest.fixture(scope="module")
def sky_folder(tmp_path_factory):
    tf.keras.utils.set_random_seed(0)
    model = unet(32, (2, 4))
    return export_network(model, tmp_path_factory.mktemp("skies") / "tiny", np.zeros((1, 32, 32, 3), np.uint8))


def test_coded_pictures_are_known_by_the_codecs_own_mark():
    assert CODED == MAGIC


def test_a_coded_picture_is_what_its_codec_decodes(codec_folder):
    codec = load_codec(codec_folder)
    content = codec.encode(picture())
    opened = PictureOpener(PictureOpening(codec=codec_folder)).open(content)
    np.testing.assert_array_equal(opened.source, codec.decode(content))
    assert len(opened.sky) == 0


def test_other_files_are_left_to_whoever_reads_them(codec_folder):
    content = png(picture())
    assert PictureOpener(PictureOpening(codec=codec_folder)).open(content).source is content


def test_a_coded_picture_that_cannot_be_read_is_refused_by_name(codec_folder):
    content = load_codec(codec_folder).encode(picture())
    with pytest.raises(InvalidRequestError, match=r"name the codec that made it in images\.codec"):
        PictureOpener(PictureOpening()).open(content)
    with pytest.raises(InvalidRequestError, match=r"cannot be decoded.*thumbnail"):
        PictureOpener(PictureOpening(codec=codec_folder)).open(content[:-1])


def test_skies_become_features_and_are_improved_where_wanted(sky_folder):
    content = png(picture())
    found = PictureOpener(PictureOpening(sky=sky_folder)).open(content)
    expected = sky_features(picture(), load_network(sky_folder)).as_row()
    np.testing.assert_allclose(found.sky, list(expected.values()), rtol=1e-6)
    np.testing.assert_array_equal(found.source, picture())
    names = ImageFeatureNames(("a", "b"), 1, 1, sky=True)
    assert [name.removeprefix("item_image_") for name in names.columns[-3:]] == list(expected)
    improved = PictureOpener(PictureOpening(sky=sky_folder, improve_sky=True)).open(content)
    assert improved.source.shape == (20, 24, 3)
    np.testing.assert_array_equal(improved.sky, found.sky)


def test_every_way_to_open_has_a_version_of_its_own(codec_folder, sky_folder):
    ways = [
        PictureOpening(),
        PictureOpening(codec=codec_folder),
        PictureOpening(sky=sky_folder),
        PictureOpening(sky=sky_folder, improve_sky=True),
        PictureOpening(codec=codec_folder, sky=sky_folder),
    ]
    assert len({way.version() for way in ways}) == len(ways)
    again = PictureOpening.model_validate_json(ways[-1].model_dump_json())
    assert again.version() == ways[-1].version()


@pytest.mark.parametrize("name", ["codec", "sky"])
def test_a_folder_that_holds_neither_is_named(tmp_path, name):
    with pytest.raises(DataError, match=rf"images\.{name} .* holds no {name}\.json; .*train-{name}"):
        PictureOpening(**{name: tmp_path}).version()


def test_skies_are_not_improved_where_none_are_looked_for():
    with pytest.raises(ValidationError, match="improve_sky is true and sky is null"):
        ImagesConfig(improve_sky=True)


@pytest.mark.parametrize("shares", [(0.5, 0.25), (0.5, 0.5)])
def test_searched_shares_rise(shares):
    with pytest.raises(ValidationError, match="give rising shares, each once"):
        ImagesConfig(searched=shares)


@pytest.mark.slow
def test_a_cascade_reads_coded_pictures_and_skies(codec_folder, sky_folder, tmp_path):
    tf.keras.utils.set_random_seed(0)
    model = resnet(8, 3, width=4, input_shape=(8, 8, 3), embedding_width=2)
    shown = np.zeros((1, 8, 8, 3), np.uint8)
    folder = export_cascade(Cascade([CascadeStage(model)], []), tmp_path, "v1", ("a", "b", "c"), shown)
    codec, names = load_codec(codec_folder), ImageFeatureNames.of_cascade(folder, sky=True)
    opener = PictureOpener(PictureOpening(codec=codec_folder, sky=sky_folder))
    content = codec.encode(picture())
    plain = png(codec.decode(content))
    pictures = [Picture("coded", content), Picture("broken", content[:-1]), Picture("plain", plain)]
    coded, broken, same = PictureReader(folder, names, opener).read(pictures)
    assert len(coded.features) == len(names.columns)
    np.testing.assert_allclose(coded.features, same.features, atol=1e-5)
    assert "cannot be decoded" in broken.reason


def catalogue(folder):
    contents = [png(picture(seed)) for seed in range(3)] + [None, b"no picture"]
    table = {"item_id": list("abcde"), "thumbnail": pa.array(contents, pa.binary()), "price": [1.0, 2.0, 3.0, 4.0, 5.0]}
    pq.write_table(pa.table(table), folder / "items.parquet", row_group_size=2)
    return folder / "items.parquet", contents


def seriatim(*arguments):
    return CliRunner().invoke(vision, [str(argument) for argument in arguments])


def test_a_catalogue_is_recoded_and_nothing_else_of_it_changes(codec_folder, tmp_path):
    path, contents = catalogue(tmp_path)
    out = tmp_path / "coded" / "items.parquet"
    ended = seriatim("recode", path, "--codec", codec_folder, "--out", out)
    assert ended.exit_code == 0, ended.output
    assert "3 thumbnails coded, 1 kept as they are" in ended.output
    before, after = pq.read_table(path), pq.read_table(out)
    assert after.schema == before.schema
    assert after.drop(["thumbnail"]).equals(before.drop(["thumbnail"]))
    coded = after["thumbnail"].to_pylist()
    assert coded[3:] == contents[3:]
    codec = load_codec(codec_folder)
    for old, new in zip(contents[:3], coded[:3], strict=True):
        np.testing.assert_array_equal(
            codec.decode(new), codec.decode(codec.encode(np.asarray(Image.open(io.BytesIO(old)))))
        )
    again = tmp_path / "again.parquet"
    assert "0 thumbnails coded, 4 kept" in seriatim("recode", out, "--codec", codec_folder, "--out", again).output


def test_a_catalogue_that_cannot_be_recoded_is_named(codec_folder, tmp_path):
    path, _ = catalogue(tmp_path)
    for arguments, message in (
        ([path, "--out", path], "exists already; name a new file"),
        ([path, "--out", tmp_path / "new", "--column", "photo"], "column 'photo' is missing"),
        ([tmp_path / "none.parquet", "--out", tmp_path / "new"], "none.parquet does not exist"),
    ):
        ended = seriatim("recode", *arguments, "--codec", codec_folder)
        assert isinstance(ended.exception, DataError)
        assert message in str(ended.exception)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["items.parquet"]
