"""The examples on the pages of the vision methods run, on tiny data; long trainings are cut to a step or an epoch."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.page_examples import python_examples
from tests.vision_components.coded import picture, tiny_codec
from tests.vision_components.networks import CLASSES, images, network
from vision_components.codec import save_codec
from vision_components.committees import NEVER
from vision_components.multiply_adds import count_macs
from vision_components.sky.export import export_network
from vision_components.sky.segmentation import unet
from vision_components.structure import ChannelGraph

LONG = re.compile(r"\b(epochs|rounds|steps)=\d+")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(page, given):
    """Run the examples of a page one after the other, with what the page takes for granted."""
    for example in python_examples(f"docs/{page}"):
        exec(LONG.sub(r"\1=1", example), given)
    return given


def batches():
    pixels = images(16)
    return tf.data.Dataset.from_tensor_slices((pixels, np.arange(16) % CLASSES)).batch(8)


def test_a_cascade_is_found_and_saves_work():
    models = {"small": network(0, width=2), "large": network(1, width=8)}
    pixels = images(60, side=32)
    predictions = {name: tf.nn.softmax(model(pixels)).numpy() for name, model in models.items()}
    # The large network is right, the small one where it is sure: then thresholds matter.
    labels = predictions["large"].argmax(axis=1)
    costs = {name: count_macs(model, (32, 32, 3)) for name, model in models.items()}
    given = {"models": models, "images": pixels, "labels": labels, "predictions": predictions, "costs": costs}
    found = run("committees.md", given)
    assert found["plan"].accuracy >= 0.92
    assert found["safe"].worst_cost <= costs["large"]
    assert len(found["answer"].exit_stage) == 60
    assert all(0 <= threshold <= NEVER for threshold in found["plan"].thresholds)


def test_students_of_the_parts_make_a_smaller_network():
    teacher, pixels = network(depth=8, input_shape=(16, 16, 3)), images(64)
    given = {"teacher": teacher, "images": pixels, "held_out": pixels, "labels": np.arange(64) % CLASSES}
    found = run("distillation.md", given)
    assert found["network"].output_shape == teacher.output_shape
    assert count_macs(found["parts"].compose(found["students"])) < count_macs(teacher)
    assert found["search"].budgeted(found["whole"] // 2).cost <= found["whole"] // 2


def test_a_hashed_network_becomes_a_plain_one():
    pixels = images(8)
    found = run("multi_hashing.md", {"images": pixels, "labels": np.arange(8)})
    assert Path("small.keras").is_file()
    np.testing.assert_allclose(found["plain"](pixels), found["model"](pixels), atol=1e-4)
    assert found["sizes_of"](found["model"]).pool < 0.1 * found["plain"].count_params()


def test_figs_cuts_to_its_budget():
    model = network(input_shape=(16, 16, 3))
    whole = count_macs(model)
    found = run("figs.md", {"model": model, "batches": batches(), "path": Path("architecture.json")})
    assert count_macs(found["small"]) <= 0.25 * whole
    assert Path("architecture.json").is_file()


def test_morphnet_finds_widths_within_its_budget():
    model = network(input_shape=(16, 16, 3))
    whole = count_macs(model)
    found = run("morphnet.md", {"model": model, "batches": batches()})
    assert count_macs(found["small"]) <= 0.5 * whole
    assert sum(found["result"].widths.values()) > 0


def test_channels_are_cut_by_hand():
    model, pixels = network(input_shape=(16, 16, 3)), images()
    rng = np.random.default_rng(0)
    scores = {name: rng.random(group.width) for name, group in ChannelGraph(model).groups.items()}
    found = run("structure_search.md", {"model": model, "images": pixels, "scores": scores})
    assert count_macs(found["small"]) < count_macs(model)
    assert found["wider"].output_shape == model.output_shape


def test_a_picture_is_coded_and_a_narrow_decoder_reads_its_file():
    save_codec(tiny_codec(), Path("codecs/mine"))
    Path("photos").mkdir()
    Image.fromarray(picture(150, 140)).save("photos/one.jpg")
    found = run("codec.md", {"pictures": [picture(150, 140, seed) for seed in range(2)]})
    assert found["codec"].decode(found["content"]).shape == (150, 140, 3)
    assert found["narrow"].decode(found["content"]).shape == (150, 140, 3)


def test_a_sky_is_improved(capsys):
    export_network(unet(64, (4, 8)), Path("sky_network"), np.stack([picture(64, 64)]), {"steps": 0})
    photo = picture(80, 120)
    found = run("sky.md", {"photo": photo})
    assert found["improved"].photo.shape == photo.shape
    assert "'sky_share':" in capsys.readouterr().out
