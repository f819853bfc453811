"""`seriatim vision search` makes a network smaller, goes on where it stopped, and names what it cannot use."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits

from pipelines.commands.vision_search import search
from seriatim_errors import DataError
from vision_components.backbones import resnet
from vision_components.multiply_adds import count_macs

layers = tf.keras.layers


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """400 digits of 16x16 pixels in an npz file."""
    data = load_digits()
    pixels = np.kron(data.images[:400], np.ones((2, 2)))[..., np.newaxis] * 15.9
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, images=np.repeat(pixels, 3, axis=-1).astype(np.uint8), labels=data.target[:400])
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """An untrained residual network."""
    tf.keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("network") / "network.keras"
    resnet(8, 10, width=6, input_shape=(16, 16, 3)).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(search, list(map(str, arguments)))


def refused(*arguments):
    answer = run(*arguments)
    assert isinstance(answer.exception, DataError), answer.output
    return str(answer.exception)


@pytest.mark.slow
def test_a_network_is_made_smaller_within_each_budget(digits, network, tmp_path):
    out = tmp_path / "out"
    chosen = ("--out", out, "--epochs", 2, "--budget", 0.6, "--budget", 0.3, "--batch-size", 32)
    answer = run(network, "--images", digits, *chosen)
    assert answer.exception is None, answer.output
    summary = json.loads((out / "summary.json").read_text())
    whole = count_macs(tf.keras.models.load_model(network))
    for share in (30, 60):
        small = tf.keras.models.load_model(out / f"small_{share}.keras")
        assert 0.8 * share / 100 * whole < count_macs(small) <= share / 100 * whole
        assert (out / f"widths_{share}.svg").read_text().startswith("<svg")
        assert json.loads((out / f"architecture_{share}.json").read_text())["schema_version"] == 1
    assert [one["name"] for one in summary["models"]] == ["model", "small_30", "small_60"]
    assert "small_30" in answer.output
    assert str(out / "summary.json") in answer.output

    # Run again nothing is trained, and the results are the same.
    log = (out / "search.csv").read_text()
    assert run(network, "--images", digits, *chosen).exception is None
    assert (out / "search.csv").read_text() == log
    assert json.loads((out / "summary.json").read_text()) == summary
    assert "holds another search, which differs in seed" in refused(network, "--images", digits, *chosen, "--seed", 1)


@pytest.mark.slow
def test_the_command_line_runs_morphnet_on_a_folder_for_parameters(network, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for row in range(6):
            noise = rng.integers(256, size=(16, 16, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "images" / name / f"{row}.png")
    command = [sys.executable, "-m", "seriatim", "vision", "search", network, "--images", tmp_path / "images"]
    command += [
        "--out",
        tmp_path / "out",
        "--method",
        "morphnet",
        "--resource",
        "params",
        "--epochs",
        1,
        "--batch-size",
        4,
    ]
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    small = tf.keras.models.load_model(tmp_path / "out" / "small.keras")
    assert small.count_params() <= 0.5 * tf.keras.models.load_model(network).count_params()
    missing = subprocess.run(
        [*map(str, command[:5]), "--images", str(tmp_path), str(tmp_path / "absent.keras")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert missing.returncode != 0
    assert "Traceback" not in missing.stderr


def saved(model, tmp_path):
    model.save(tmp_path / "other.keras")
    return tmp_path / "other.keras"


class Subclassed(tf.keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.dense = layers.Dense(10)

    def call(self, x):
        return self.dense(tf.reduce_mean(x, (1, 2)))


def test_files_that_are_no_functional_models_are_refused(digits, tmp_path):
    assert "does not exist" in refused(tmp_path / "absent.keras", "--images", digits)
    (tmp_path / "text.keras").write_text("no model")
    assert "cannot be read as a Keras model" in refused(tmp_path / "text.keras", "--images", digits)
    model = Subclassed()
    model(np.zeros((1, 16, 16, 3)))
    assert "has no graph to read" in refused(saved(model, tmp_path), "--images", digits)


def test_models_that_do_not_fit_the_images_are_refused(digits, tmp_path):
    other = saved(resnet(8, 10, width=2, input_shape=(32, 32, 3)), tmp_path)
    assert "reads images of [32, 32, 3]" in refused(other, "--images", digits, "--out", tmp_path / "out")
    few = saved(resnet(8, 4, width=2, input_shape=(16, 16, 3)), tmp_path)
    assert "tells 4 classes apart, the images have 10" in refused(few, "--images", digits, "--out", tmp_path / "out")
    image = tf.keras.Input((16, 16, 3))
    picture = saved(tf.keras.Model(image, layers.Conv2D(3, 3)(image)), tmp_path)
    assert "more than numbers [batch, classes]" in refused(picture, "--images", digits, "--out", tmp_path / "out")
    vector = saved(tf.keras.Sequential([layers.Input((5,)), layers.Dense(10)]), tmp_path)
    assert "give a model of one image" in refused(vector, "--images", digits, "--out", tmp_path / "out")


def test_budgets_and_choices_that_cannot_be_are_refused(digits, network, tmp_path):
    given = (network, "--images", digits, "--out", tmp_path / "out")
    assert "--budget 1.5; give a share" in refused(*given, "--budget", 1.5)
    assert "give one --budget" in refused(*given, "--method", "morphnet", "--budget", 0.3, "--budget", 0.5)
    assert "the narrowest network" in refused(*given, "--budget", 0.001, "--epochs", 1)
    assert "matches no layer" in refused(*given, "--pin", "nothing", "--out", tmp_path / "other")
    assert "device 'abacus'" in refused(
        *given, "--resource", "latency", "--device", "abacus", "--out", tmp_path / "third"
    )


def test_probabilities_and_named_outputs_are_learnt_too(digits, tmp_path):
    image = tf.keras.Input((16, 16, 3))
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2)(image))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    plain = saved(tf.keras.Model(image, layers.Dense(10, activation="softmax")(x)), tmp_path)
    given = ("--images", digits, "--epochs", 1, "--finish", "none", "--pixels", "-1..1")
    assert run(plain, *given, "--out", tmp_path / "plain").exception is None
    named = saved(resnet(8, 10, width=3, input_shape=(None, None, 3), embedding_width=5), tmp_path)
    answer = run(named, *given, "--out", tmp_path / "named")
    assert answer.exception is None, answer.output
    small = tf.keras.models.load_model(tmp_path / "named" / "small.keras")
    assert small.output["embedding"].shape[-1] == 5
