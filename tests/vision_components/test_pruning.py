"""Smaller models say what masked ones say and cost what was said, whatever the network and the masks."""

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError
from tests.vision_components.networks import images
from tests.vision_components.structure_networks import (
    BLOCKS,
    HANDLERS,
    SIDE,
    concatenated,
    excited,
    grouped,
    nested,
    pictures,
    random_alive,
    random_network,
    randomise,
    residual,
)
from vision_components.backbones import efficientnet, mobilenet, resnet
from vision_components.multiply_adds import count_macs
from vision_components.structure import (
    Architecture,
    ChannelGraph,
    FLOPs,
    Params,
    channelwise,
    emit,
    expand,
    masked,
)
from vision_components.structure.prune import TOLERANCE, difference

L = tf.keras.layers


def check(model, share, seed, inputs, **settings):
    """A random architecture of a model: the small model's answers and costs are the masked one's and those foretold."""
    graph = ChannelGraph(model, **settings)
    flops, params = FLOPs(graph, inputs.shape[1:]), Params(graph)
    assert flops.full == 2 * count_macs(model, inputs.shape[1:])
    assert params.full == model.count_params()
    architecture = Architecture(graph, random_alive(graph, share, seed))
    small = emit(model, graph, architecture, check=inputs)
    assert flops(architecture) == 2 * count_macs(small, inputs.shape[1:])
    assert params(architecture) == small.count_params()
    return small


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(BLOCKS), st.integers(2, 6)), min_size=1, max_size=3),
    st.sampled_from(["pooled", "flat"]),
    st.sampled_from([0.15, 0.4, 0.7, 0.9]),
    st.integers(0, 9999),
)
def test_random_networks_with_random_masks_are_what_was_said(parts, head, share, seed):
    blocks, widths = zip(*parts, strict=True)
    check(random_network(blocks, widths, head, seed), share, seed, pictures(), handlers=HANDLERS)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_block_is_what_was_said(block):
    check(random_network([block], [4]), 0.5, 1, pictures(), handlers=HANDLERS)


@pytest.mark.parametrize("block", [nested, grouped, concatenated, excited])
def test_wider_networks_cost_what_was_said(block):
    graph = ChannelGraph(random_network([block], [4]))
    flops = FLOPs(graph)
    found = expand(Architecture(graph, random_alive(graph, 0.6)), flops, 3 * flops.full)
    assert 1.5 * flops.full < found.cost == 2 * count_macs(found.model())
    assert Params(graph).of_widths(found.widths) == found.model().count_params()


def test_sequences_and_odd_settings_are_what_was_said():
    series = tf.keras.Sequential(
        [
            tf.keras.Input((12, 4)),
            L.Conv1D(6, 3, strides=2, padding="causal"),
            L.DepthwiseConv1D(3, depth_multiplier=2),
            L.SeparableConv1D(5, 2, activation="relu"),
            L.Conv1DTranspose(6, 3, strides=2),
            L.UpSampling1D(),
            L.Dense(7, activation="softplus"),
            L.Dropout(0.5),
            L.GlobalMaxPooling1D(),
            L.Dense(2),
        ]
    )
    randomise(series)
    check(series, 0.6, 0, np.random.default_rng(0).normal(size=(2, 12, 4)).astype(np.float32))
    images_of = tf.keras.Sequential(
        [
            tf.keras.Input((SIDE, SIDE, 3)),
            L.Conv2D(6, (3, 2), dilation_rate=2, activation="gelu"),
            L.Conv2DTranspose(5, 3, 2, output_padding=1, activation="tanh"),
            L.ZeroPadding2D(1),
            L.Conv2D(7, 3, 2, use_bias=False),
            L.GaussianNoise(1.0),
            L.AveragePooling2D(),
            L.Flatten(),
            L.Dense(9, activation="selu"),
            L.Dense(2, activation="softmax"),
        ]
    )
    randomise(images_of)
    check(images_of, 0.6, 1, pictures())
    volumes = tf.keras.Sequential(
        [
            tf.keras.Input((4, 4, 4, 2)),
            L.Conv3D(6, 3, padding="same", activation="relu"),
            L.Conv3DTranspose(5, 2, 2),
            L.MaxPooling3D(),
            L.GlobalAveragePooling3D(),
            L.Dense(2),
        ]
    )
    check(volumes, 0.6, 0, np.random.default_rng(0).normal(size=(2, 4, 4, 4, 2)).astype(np.float32))


def test_residual_networks_are_what_was_said():
    model = resnet(8, 4, width=8)
    randomise(model)
    check(model, 0.6, 0, images(2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "build", [lambda: mobilenet(4, width=0.25), lambda: efficientnet(4, width=0.25, embedding_width=5)]
)
def test_networks_of_inverted_residuals_are_what_was_said(build):
    model = build()
    randomise(model)
    check(model, 0.6, 0, images(2))


def test_all_channels_alive_are_the_model_itself():
    model = random_network([residual], [4])
    graph = ChannelGraph(model)
    same = emit(model, graph, Architecture(graph, graph.everything()))
    np.testing.assert_array_equal(same(pictures()), model(pictures()))
    assert [layer.name for layer in same.layers] == [layer.name for layer in model.layers]


def test_a_scale_of_zero_is_no_mask_because_the_shift_survives():
    model = random_network([residual], [6])
    graph = ChannelGraph(model)
    alive = Architecture(graph, random_alive(graph, 0.5)).alive
    hidden = masked(model, graph, alive)
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        if "gamma" in flow.weights:
            step.layer.gamma.assign(step.layer.gamma * graph.kept(flow.weights["gamma"][0], alive))
    assert difference(hidden, model, pictures()) > 1e-2


@pytest.fixture
def half_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


def test_models_of_half_precision_stay_so(half_precision):
    model = random_network([residual, residual], [5, 4])
    graph = ChannelGraph(model)
    inner = list(graph.groups)[1]
    architecture = Architecture(graph, {**random_alive(graph, 0.6), inner: np.zeros(5, bool)})
    assert architecture.widths[inner] == 0
    small = emit(model, graph, architecture, check=pictures(), tolerance=0.03)
    assert {layer.compute_dtype for layer in small.layers if layer.weights} == {"bfloat16"}
    assert small.output.dtype == masked(model, graph, architecture.alive).output.dtype == tf.bfloat16


def test_a_residual_branch_without_channels_is_left_out():
    model = random_network([residual], [5])
    graph = ChannelGraph(model)
    inner = list(graph.groups)[1]
    architecture = Architecture(graph, {**graph.everything(), inner: np.zeros(5, bool)})
    assert architecture.widths[inner] == 0
    small = emit(model, graph, architecture, check=pictures())
    assert [type(layer).__name__ for layer in small.layers] == [
        *("InputLayer", "Conv2D", "BatchNormalization", "Activation", "ReLU", "GlobalMaxPooling2D", "Dense")
    ]


def test_weights_come_from_the_given_copy():
    model = random_network([residual], [5])
    graph = ChannelGraph(model)
    trained = tf.keras.models.clone_model(model)
    trained.set_weights([weight + 0.25 for weight in model.get_weights()])
    architecture = Architecture(graph, random_alive(graph, 0.5))
    small = emit(trained, graph, architecture, check=pictures())
    assert difference(small, emit(model, graph, architecture), pictures()) > 1e-2


def test_a_model_of_other_layers_is_refused():
    graph = ChannelGraph(random_network([residual], [5]))
    with pytest.raises(DataError, match=r"random has no layer \w+ with weights of the shapes"):
        emit(random_network([residual], [7]), graph, Architecture(graph, graph.everything()))


def test_a_nested_model_keeps_the_mode_that_it_was_called_in():
    image = tf.keras.Input((SIDE, SIDE, 3))
    inner = tf.keras.Sequential([tf.keras.Input((SIDE, SIDE, 3)), L.Conv2D(5, 3), L.BatchNormalization()])
    model = tf.keras.Model(image, L.Conv2D(2, 3)(inner(image, training=False)))
    randomise(model)
    graph = ChannelGraph(model)
    same = emit(model, graph, Architecture(graph, graph.everything()))
    np.testing.assert_allclose(same(pictures(), training=True), model(pictures(), training=True), atol=1e-6)


class Raised(L.Layer):
    """Adds one, which makes something of nothing."""

    def call(self, inputs):
        return inputs + 1.0


def test_a_rule_that_promises_too_much_is_found_out():
    image = tf.keras.Input((SIDE, SIDE, 3))
    model = tf.keras.Model(image, L.Conv2D(2, 3)(Raised()(L.Conv2D(6, 3)(image))))
    for keeps_zero in (True, False):
        graph = ChannelGraph(model, handlers={Raised: channelwise(keeps_zero=keeps_zero)})
        architecture = Architecture(graph, random_alive(graph, 0.5))
        if keeps_zero:
            with pytest.raises(DataError, match="differs from the masked one by"):
                emit(model, graph, architecture, check=pictures())
        else:
            emit(model, graph, architecture, check=pictures())


def test_several_inputs_and_named_outputs_stay_as_they_are():
    inputs = {"left": tf.keras.Input((SIDE, SIDE, 3), name="left"), "right": tf.keras.Input((4,), name="right")}
    x = L.GlobalAveragePooling2D()(L.Conv2D(6, 3, activation="relu")(inputs["left"]))
    y = L.Concatenate()([x, L.Dense(5, activation="relu")(inputs["right"])])
    model = tf.keras.Model(inputs, {"class": L.Dense(2, name="class")(y), "width": L.Dense(3, name="width")(y)})
    graph = ChannelGraph(model)
    architecture = Architecture(graph, random_alive(graph, 0.5))
    rows = {"left": pictures(), "right": np.ones((2, 4), np.float32)}
    small = emit(model, graph, architecture, check=rows)
    assert set(small(rows)) == {"class", "width"}
    assert FLOPs(graph)(architecture) < FLOPs(graph).full
    with pytest.raises(DataError, match="has 2 inputs; give none"):
        FLOPs(graph, (SIDE, SIDE, 3))


def test_smaller_and_masked_models_are_saved_and_exported(tmp_path):
    model = random_network(BLOCKS[:4], [4, 4, 4, 4])
    graph = ChannelGraph(model)
    alive = Architecture(graph, random_alive(graph, 0.5)).alive
    small, hidden = emit(model, graph, Architecture(graph, alive)), masked(model, graph, alive)
    for name, one in (("small", small), ("hidden", hidden)):
        one.save(tmp_path / f"{name}.keras")
        read = tf.keras.models.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(read(pictures()), one(pictures()))
    tf2onnx.convert.from_keras(small, opset=15, output_path=str(tmp_path / "small.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    [answer] = session.run(None, {session.get_inputs()[0].name: pictures()})
    np.testing.assert_allclose(answer, small(pictures()), atol=TOLERANCE, rtol=1e-4)
