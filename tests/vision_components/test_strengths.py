"""Gates are put where they belong, and strengths are read from scales, kernels and gates."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import images, network
from vision_components.structure import ChannelGraph
from vision_components.structure.gated_network import gate_floors, insert_gates
from vision_components.structure.gates import NO_FLOOR, ChannelGates
from vision_components.structure.spaces import parallel_operators
from vision_components.structure.strengths import GammaStrength, GateStrength, GroupLassoStrength

layers = tf.keras.layers


def test_open_gates_change_nothing_and_share_the_weights():
    model = network(input_shape=(16, 16, 3))
    gated = insert_gates(ChannelGraph(model))
    np.testing.assert_array_equal(gated(images()).numpy(), model(images()).numpy())
    weights = {id(weight) for weight in model.trainable_weights}
    assert {id(weight) for weight in gated.trainable_weights} - weights == {id(gated.get_layer("gates").logits)}


def test_a_gated_network_is_saved_and_read_again(tmp_path):
    gated = insert_gates(ChannelGraph(network(input_shape=(16, 16, 3))))
    gates = gated.get_layer("gates")
    gates.logits.assign(np.random.default_rng(0).normal(size=gates.logits.shape))
    gated.save(tmp_path / "gated.keras")
    again = tf.keras.models.load_model(tmp_path / "gated.keras")
    np.testing.assert_array_equal(again(images()).numpy(), gated(images()).numpy())


def test_tied_channels_have_one_gate():
    graph = ChannelGraph(network(width=4, input_shape=(16, 16, 3)))
    gates = insert_gates(graph).get_layer("gates")
    assert gates.sizes == [group.width for group in graph.groups.values()]
    # The stem, the first block's shortcut and its second convolution are one group of four.
    assert sum(gates.sizes) < sum(layer.filters for layer in graph.model.layers if isinstance(layer, layers.Conv2D))


def test_a_network_without_channels_to_spare_is_refused():
    image = tf.keras.Input((4,))
    graph = ChannelGraph(tf.keras.Model(image, layers.Dense(3)(image), name="flat"))
    with pytest.raises(DataError, match="flat has no channels that may go"):
        insert_gates(graph)


def test_gamma_strength_is_the_largest_of_the_group():
    graph = ChannelGraph(network(input_shape=(16, 16, 3)))
    name = next(iter(graph.groups))
    norms = [layer for layer in graph.model.layers if isinstance(layer, layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(tf.zeros_like(norm.gamma))
    graph.model.get_layer("stem_norm").gamma.assign([0.5, -0.2, 0.0, 0.004])
    graph.model.get_layer("block_1_second_norm").gamma.assign([0.1, 0.3, 0.0, 0.0])
    strength = GammaStrength(graph, 0.01)
    np.testing.assert_allclose(strength.soft()[name], [0.5, 0.3, 0.0, 0.004])
    assert strength.alive()[name].tolist() == [True, True, False, False]


def test_gamma_strength_refuses_groups_without_normalisation_by_name():
    image = tf.keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="bare")(image)
    graph = ChannelGraph(tf.keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))))
    with pytest.raises(DataError, match="bare"):
        GammaStrength(graph)
    with pytest.raises(DataError, match="threshold -1"):
        GroupLassoStrength(graph, -1.0)
    with pytest.raises(DataError, match="absolute 2"):
        GroupLassoStrength(graph, 0.1, 2.0)


@pytest.mark.parametrize("absolute", [0.0, 0.3, 1.0])
def test_group_lasso_strength_is_the_norm_of_what_makes_a_channel(absolute):
    image = tf.keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="bare")(image)
    x = layers.DepthwiseConv2D(3, name="alone")(x)
    graph = ChannelGraph(tf.keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))))
    kernel = graph.model.get_layer("bare").kernel.numpy()
    expected = (1 - absolute) * np.sqrt((kernel**2).mean((0, 1, 2))) + absolute * np.abs(kernel).mean((0, 1, 2))
    strength = GroupLassoStrength(graph, 0.01, absolute)
    np.testing.assert_allclose(strength.soft()["bare"], expected, rtol=1e-5)
    graph.model.get_layer("bare").kernel.assign(np.where(np.arange(4) == 2, 0, kernel))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(strength.soft()["bare"])
    assert np.isfinite(tape.gradient(total, strength.variables[0]).numpy()).all()
    assert strength.alive()["bare"].tolist() == [True, True, False, True]


def test_gate_strength_is_the_probability_of_an_open_gate():
    graph = ChannelGraph(network(input_shape=(16, 16, 3)))
    gated = insert_gates(graph)
    strength = GateStrength(graph, gated)
    logits = np.random.default_rng(1).normal(size=strength.gates.logits.shape)
    strength.gates.logits.assign(logits)
    soft = np.concatenate(list(strength.soft().values()))
    kept = strength.gates.kept().numpy() == 1
    np.testing.assert_allclose(soft[~kept], 1 / (1 + np.exp(-logits[~kept])), rtol=1e-5)
    np.testing.assert_array_equal(np.concatenate(list(strength.alive().values())), (logits > 0) | kept)


def test_gates_of_another_network_are_refused():
    graph = ChannelGraph(network(input_shape=(16, 16, 3)))
    image = tf.keras.Input((4,))
    other = tf.keras.Model(image, ChannelGates([3])(image), name="other")
    with pytest.raises(DataError, match="other has not the gates"):
        GateStrength(graph, other)
    with pytest.raises(DataError, match="has not the gates"):
        GateStrength(graph, graph.model)


def parallel_graph():
    tf.keras.utils.set_random_seed(0)
    return ChannelGraph(parallel_operators(3, blocks=((4, 1), (6, 2)), stem=4, input_shape=(8, 8, 3)))


def test_channels_of_a_sum_are_alive_where_one_operator_has_them():
    graph = parallel_graph()
    strength = GateStrength(graph, insert_gates(graph))
    rng = np.random.default_rng(2)
    logits = rng.normal(size=strength.gates.logits.shape)
    strength.gates.logits.assign(logits)
    soft, alive = strength.soft(), strength.alive()
    names = ("block_2_full_conv", "block_2_kernel_3_project_conv", "block_2_kernel_5_project_conv")
    joined = next(name for name in graph.groups if name.startswith("block_2_operator_0"))
    expected = 1 - np.prod([1 - soft[name].numpy() for name in names], axis=0)
    np.testing.assert_allclose(soft[joined], expected, atol=2e-6)
    np.testing.assert_array_equal(alive[joined], np.any([alive[name] for name in names], axis=0))


def test_operators_beside_an_identity_may_all_go_and_of_others_one_stays():
    graph = parallel_graph()
    gates = insert_gates(graph).get_layer("gates")
    floors = dict(zip([name for name in graph.groups if "operator" not in name], gate_floors(graph), strict=True))
    first = [floor for name, floor in floors.items() if name in ("block_1_full_conv", "block_1_kernel_3_project_conv")]
    second = {
        floor for name, floor in floors.items() if name.startswith("block_2") and ("full" in name or "pro" in name)
    }
    assert first == [NO_FLOOR, NO_FLOOR]
    assert len(second) == 1
    assert second != {NO_FLOOR}
    assert gates.floors == list(floors.values())
