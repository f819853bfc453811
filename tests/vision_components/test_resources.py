"""Costs of architectures: the reference's golden value, identities, gradients."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import network
from tests.vision_components.structure_networks import (
    HANDLERS,
    concatenated,
    depthwise,
    random_alive,
    random_network,
    residual,
)
from vision_components.backbones import resnet
from vision_components.multiply_adds import count_macs
from vision_components.structure import (
    Activations,
    Architecture,
    ChannelGraph,
    Device,
    FLOPs,
    Flow,
    Params,
    Roofline,
    emit,
    measured_device,
)

L = tf.keras.layers


class Sink(L.Layer):
    """Something behind the network that costs nothing."""

    def call(self, inputs):
        return tf.reduce_mean(inputs, axis=(1, 2, 3))[:, None]


@pytest.fixture(scope="module")
def graph():
    return ChannelGraph(random_network([residual, concatenated], [5, 6]))


@pytest.fixture(scope="module")
def reference():
    """The network of the MorphNet library's own test, with its scales of normalisation."""
    image = tf.keras.Input((17, 19, 3))
    one = L.Conv2D(13, (7, 5), padding="same", name="conv1")(image)
    two = L.Conv2D(23, 1, padding="same", name="conv2")(image)
    both = L.Concatenate()([one, two])
    three = L.Conv2D(29, 3, 2, padding="same", name="conv3")(both)
    four = L.Conv2D(31, 1, padding="same", name="conv4")(both)
    model = tf.keras.Model(image, [Sink()(three), Sink()(four)])
    scales = {
        "conv1": [0.8] * 7 + [0.2] * 6,
        "conv2": [-0.7] * 11 + [0.1] * 12,
        "conv3": [0.6] * 10 + [-0.3] * 19,
        "conv4": [-0.5] * 17 + [-0.4] * 14,
    }
    graph = ChannelGraph(model, handlers={Sink: lambda call: Flow((call.new(1),))})
    return graph, {name: tf.abs(tf.constant(one)) for name, one in scales.items()}


def alive_above(strengths, threshold):
    return {name: one.numpy() > threshold for name, one in strengths.items()}


def test_the_regulariser_is_that_of_the_reference(reference):
    graph, strengths = reference
    value = FLOPs(graph).reg(strengths, alive_above(strengths, 0.45))
    np.testing.assert_allclose(value, 1410376.375, rtol=2e-7)


def test_costs_are_those_of_the_reference(reference):
    graph, strengths = reference
    alive = alive_above(strengths, 0.45)
    coefficients = 2 * 17 * 19 * 35, 2 * 17 * 19, 2 * 9 * 10 * 9, 2 * 17 * 19
    products = 7 * 3, 11 * 3, 10 * 18, 17 * 18
    assert FLOPs(graph)(alive) == sum(map(np.prod, zip(coefficients, products, strict=True)))
    assert Activations(graph, channels_only=True)(alive) == 7 + 11 + 10 + 17
    assert Activations(graph)(alive) == 17 * 19 * (7 + 11 + 17) + 9 * 10 * 10


def test_with_all_channels_the_cost_is_the_models():
    model = network(input_shape=(16, 16, 3))
    graph = ChannelGraph(model)
    assert FLOPs(graph).full == 2 * count_macs(model)
    assert Params(graph).full == model.count_params()


def test_open_sizes_are_asked_for():
    graph = ChannelGraph(network())
    assert FLOPs(graph, (16, 16, 3)).full == 2 * count_macs(graph.model, (16, 16, 3))
    with pytest.raises(DataError, match=r"\(None, None, 3\) has an open axis"):
        FLOPs(graph)


def test_expected_cost_with_certain_channels_is_the_cost(graph):
    alive = random_alive(graph, 0.5, seed=1)
    for cost in (FLOPs(graph), Params(graph), Activations(graph), Roofline(graph, "v100", batch=3)):
        expected = cost({name: tf.constant(mask, tf.float32) for name, mask in alive.items()})
        np.testing.assert_allclose(expected, cost(alive), rtol=1e-6)


def test_the_mean_cost_of_all_masks_is_the_expected_cost():
    image = tf.keras.Input((4, 4, 2))
    x = L.Conv2D(3, 3, name="one", activation="relu")(image)
    x = L.Conv2D(2, 1, name="two", activation="relu")(x)
    graph = ChannelGraph(tf.keras.Model(image, L.Dense(2)(L.Flatten()(L.Conv2D(3, 2, name="three")(x)))))
    rng = np.random.default_rng(0)
    chances = {name: rng.uniform(0.1, 0.9, group.width) for name, group in graph.groups.items()}
    every = np.concatenate(list(chances.values()))
    splits = np.cumsum([group.width for group in graph.groups.values()])[:-1]
    cost = FLOPs(graph)
    mean = 0.0
    for bits in itertools.product([False, True], repeat=len(every)):
        chance = np.prod(np.where(bits, every, 1 - every))
        mean += chance * cost(dict(zip(chances, np.split(np.array(bits), splits), strict=True)))
    expected = cost({name: tf.constant(one, tf.float32) for name, one in chances.items()})
    np.testing.assert_allclose(expected, mean, rtol=1e-5)


def test_only_numbers_of_channels_matter_and_more_cost_more(graph):
    rng = np.random.default_rng(0)
    alive = Architecture(graph, random_alive(graph, 0.5, seed=3)).alive
    for cost in (FLOPs(graph), Params(graph), Activations(graph), Roofline(graph, "t4")):
        assert cost({name: rng.permutation(mask) for name, mask in alive.items()}) == cost(alive)
        for name, mask in alive.items():
            if not mask.all():
                more = mask.copy()
                more[np.argmin(mask)] = True
                assert cost({**alive, name: more}) > cost(alive)


def test_each_channel_pays_what_its_neighbours_would_cost_less(graph):
    alive = random_alive(graph, 0.6, seed=2)
    cost = FLOPs(graph)
    strengths = {
        name: tf.Variable(np.random.default_rng(0).uniform(0.1, 1, group.width), dtype=tf.float32)
        for name, group in graph.groups.items()
    }
    with tf.GradientTape() as tape:
        value = cost.reg(strengths, alive)
    gradients = tape.gradient(value, strengths)
    counts = {name: tf.constant(mask, tf.float32) for name, mask in alive.items()}
    with tf.GradientTape() as tape:
        tape.watch(counts)
        expected = cost(counts)
    of_products = tape.gradient(expected, counts)
    for name, strength in strengths.items():
        np.testing.assert_allclose(gradients[name], of_products[name], rtol=1e-5)
        moved = {**strengths, name: strength + 0.5 * tf.one_hot(1, strength.shape[0])}
        slope = (cost.reg(moved, alive) - value) / 0.5
        np.testing.assert_allclose(slope, gradients[name][1], rtol=1e-3)


def test_counts_of_the_living_have_no_gradient(graph):
    strengths = {name: tf.ones(group.width) for name, group in graph.groups.items()}
    alive = {name: tf.Variable(tf.ones(group.width)) for name, group in graph.groups.items()}
    with tf.GradientTape() as tape:
        value = FLOPs(graph).reg(strengths, alive)
    assert set(tape.gradient(value, alive).values()) == {None}


def test_a_depthwise_convolution_pays_for_both_of_its_sides():
    image = tf.keras.Input((8, 8, 3))
    x = L.DepthwiseConv2D(3, padding="same", use_bias=False)(L.Conv2D(4, 1, name="made", use_bias=False)(image))
    graph = ChannelGraph(tf.keras.Model(image, Sink()(x)), handlers={Sink: lambda call: Flow((call.new(1),))})
    cost, ones = FLOPs(graph), {"made": tf.ones(4)}
    assert cost.full == 2 * 64 * (3 * 4 + 9 * 4)
    assert cost.reg(ones, {"made": np.ones(4, bool)}) == 2 * 64 * (3 * 4 + 9 * 4 * 2)


def test_the_slower_side_of_the_roofline_decides(graph):
    alive = random_alive(graph, 0.7, seed=4)
    ones = {name: tf.constant(mask, tf.float32) for name, mask in alive.items()}
    flops = FLOPs(graph)
    computing = Roofline(graph, Device("computes", 1.0, np.inf))
    reading = Roofline(graph, Device("reads", np.inf, 1.0), batch=2)
    np.testing.assert_allclose(computing(alive), flops(alive) / 1e6)
    np.testing.assert_allclose(computing.reg(ones, alive), flops.reg(ones, alive) / 1e6, rtol=1e-5)
    both = Roofline(graph, Device("both", 1.0, 1.0), batch=2)
    lower = max(2 * computing(alive), reading(alive))
    assert lower <= both(alive) * (1 + 1e-9)
    assert both(alive) < 2 * computing(alive) + reading(alive)
    assert both.reg(ones, alive) > 0


def test_bytes_are_what_is_read_and_written():
    image = tf.keras.Input((8, 8, 3))
    graph = ChannelGraph(tf.keras.Model(image, L.Conv2D(5, 3, use_bias=False)(image)))
    reading = Roofline(graph, "memory-only", batch=10, bytes_each=2)
    np.testing.assert_allclose(reading.full * 1e6, 2 * (10 * (8 * 8 * 3 + 6 * 6 * 5) + 3 * 3 * 3 * 5))


def test_unknown_devices_are_refused_by_name(graph):
    with pytest.raises(DataError, match="device 'abacus': give one of v100"):
        Roofline(graph, "abacus")


def test_this_machine_can_be_measured():
    device = measured_device(size=64, megabytes=1, repeats=2)
    assert 0.01 < device.gflops < 1e6
    assert 0.01 < device.bandwidth < 1e5


def test_a_vanished_branch_costs_nothing():
    model = resnet(8, 4, width=4, input_shape=(16, 16, 3))
    graph = ChannelGraph(model)
    alive = {**graph.everything(), "block_1_first_conv": np.zeros(4, bool)}
    architecture = Architecture(graph, alive)
    small = emit(model, graph, architecture)
    assert FLOPs(graph)(architecture) == FLOPs(graph)(alive) == 2 * count_macs(small)
    assert Params(graph)(architecture) == small.count_params()
    for cost in (FLOPs, Params, Activations, lambda one: Roofline(one, "p4", batch=8)):
        np.testing.assert_allclose(cost(graph)(architecture), cost(ChannelGraph(small)).full)


def test_masks_of_other_groups_are_refused(graph):
    alive = graph.everything()
    name = next(iter(alive))
    with pytest.raises(DataError, match=f"missing \\['{name}'\\]"):
        FLOPs(graph)({other: mask for other, mask in alive.items() if other != name})
    with pytest.raises(DataError, match=r"has the shape \(1,\)"):
        FLOPs(graph)({**alive, name: np.ones(1, bool)})


def test_depthwise_networks_have_a_positive_regulariser():
    graph = ChannelGraph(random_network([depthwise], [4]), handlers=HANDLERS)
    ones = {name: tf.ones(group.width) for name, group in graph.groups.items()}
    assert FLOPs(graph).reg(ones, graph.everything()) > FLOPs(graph).full
