"""The exported graphs decide as the model does, from raw features."""

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from ranking.seq2slate import decode, export_onnx, export_saved_model, greedy_choice
from ranking.seq2slate import export as export_module
from ranking.seq2slate.decoding import highest
from ranking.seq2slate.onnx_graph import build_onnx
from ranking.standardisation import Standardisation
from seriatim_errors import TrainingError
from serving.runtime.seq2slate import Seq2Slate as ServedSeq2Slate
from tests.ranking.tiny_seq2slate import ARCHITECTURES, all_slates, decoded_along, random_items, tiny_model


def standardisation(log1p=False):
    return Standardisation(np.array([1.0, -2.0, 0.5], np.float32), np.array([2.0, 0.1, 1.0], np.float32), log1p)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("log1p", [False, True])
@pytest.mark.parametrize(("noise_scale", "temperature"), [(0, 1.0), (1, 0.5), (1, 3.0)])
def test_the_onnx_graph_decides_as_the_model_for_any_padding_noise_and_temperature(
    tmp_path, architecture, log1p, noise_scale, temperature
):
    model = tiny_model(dtype="float32", hidden_size=8, **architecture._asdict())
    export_onnx(model, standardisation(log1p), 5, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    features = random_items(4, 9, dtype=np.float32)
    mask = np.arange(9)[None, :] < np.array([9, 5, 2, 7])[:, None]
    noise = noise_scale * np.random.default_rng(3).gumbel(size=(4, 5, 9)).astype(np.float32)
    order, log_p, first = session.run(
        ["order", "log_probabilities", "first_logits"],
        {"features": features, "mask": mask, "noise": noise, "temperature": np.array(temperature, np.float32)},
    )

    def choose(logits, step):
        return highest(tf.where(logits <= -1e8, logits, logits + noise[:, step]))

    raw = standardisation(log1p).apply(features)
    decoded = decode(model, raw, mask, 5, choose, temperature=temperature)
    np.testing.assert_array_equal(order, decoded.order.numpy())
    np.testing.assert_allclose(first[mask], decoded.logits.numpy()[:, 0][mask], atol=1e-4)
    np.testing.assert_allclose(log_p, decoded.log_probabilities.numpy(), atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_saved_model_takes_raw_features(tmp_path, architecture):
    model = tiny_model(dtype="float32", **architecture._asdict())
    export_saved_model(model, standardisation(), 3, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    features, mask = random_items(2, 4, dtype=np.float32), np.array([[True] * 4, [True] * 2 + [False] * 2])
    answer = served(features=tf.constant(features), mask=tf.constant(mask))
    expected = decode(model, standardisation().apply(features), mask, 3, greedy_choice())
    np.testing.assert_array_equal(answer["order"].numpy(), expected.order.numpy())
    np.testing.assert_allclose(answer["log_probabilities"].numpy(), expected.log_probabilities.numpy(), atol=1e-5)
    np.testing.assert_allclose(answer["first_logits"].numpy(), expected.logits.numpy()[:, 0], atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_saved_again_is_the_same_file(tmp_path, architecture):
    for name in ("one", "two"):
        # Another model object: functions traced meanwhile have other names, and so has its LSTM.
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(3)
        model = tiny_model(dtype="float32", **architecture._asdict())
        export_saved_model(model, standardisation(), 3, tmp_path / name)
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert len(one) >= 3
    assert [path for path in one if one[path] != two.get(path)] == []
    assert one.keys() == two.keys()


@pytest.mark.parametrize(
    ("weight", "message"), [("first_input", "ONNX logits differ"), ("decoder", "builds other slates")]
)
def test_a_graph_of_another_model_is_not_written(tmp_path, monkeypatch, weight, message):
    model, other = tiny_model(dtype="float32"), tiny_model(dtype="float32")
    if weight == "first_input":
        other.first_input.assign(-3 * other.first_input)
    else:
        # The first step reads `go` alone: an input kernel orthogonal to it changes only later steps.
        kernel, recurrent, bias = other.decoder.get_weights()
        go = other.first_input.numpy()
        across = np.eye(3) - np.outer(go, go) / (go @ go)
        other.decoder.set_weights([kernel + 5 * across @ kernel[::-1], recurrent, bias])
    monkeypatch.setattr(export_module, "build_onnx", lambda _, *rest: build_onnx(other, *rest))
    with pytest.raises(TrainingError, match=message):
        export_onnx(model, standardisation(), 5, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_service_follows_any_slate_with_the_models_own_probabilities(tmp_path, architecture):
    model = tiny_model(dtype="float32", hidden_size=8, **architecture._asdict())
    export_onnx(model, standardisation(), 4, tmp_path / "model.onnx")
    features, slates = random_items(1, 5, dtype=np.float32), all_slates(5, 4)
    served = ServedSeq2Slate(tmp_path / "model.onnx", slate_size=4, max_list_size=5)
    followed = served.follow(np.repeat(features, len(slates), axis=0), slates)
    expected = decoded_along(model, standardisation().apply(features), slates)
    np.testing.assert_array_equal(followed.order, slates)
    np.testing.assert_allclose(followed.log_probabilities, expected.log_probabilities.numpy(), atol=1e-4)
