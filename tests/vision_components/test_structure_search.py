"""FiGS and MorphNet find networks within budgets, which answer as the searched ones do."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import CLASSES, images, network
from vision_components.backbones import mobilenet
from vision_components.multiply_adds import count_macs
from vision_components.structure import ChannelGraph
from vision_components.structure.architecture import Architecture
from vision_components.structure.cutting import cut_to_budget, nested
from vision_components.structure.figs import FigsSettings, figs
from vision_components.structure.gated_network import insert_gates
from vision_components.structure.morphnet import MorphNetSettings, morphnet
from vision_components.structure.prune import difference, emit
from vision_components.structure.resources import FLOPs, Params
from vision_components.structure.spaces import kernel_mixture, parallel_operators
from vision_components.structure.spread_channels import SpreadChannels
from vision_components.structure.statistics import measure_statistics
from vision_components.structure.strengths import GammaStrength, GateStrength
from vision_components.structure.widths_picture import widths_picture

layers = tf.keras.layers
BLOCKS = ((4, 1), (6, 2), (6, 1))
SPACES = {
    "resnet": lambda: network(input_shape=(16, 16, 3)),
    "mobilenet": lambda: mobilenet(CLASSES, width=0.1, input_shape=(16, 16, 3)),
    "kernel mixture": lambda: kernel_mixture(CLASSES, blocks=BLOCKS, stem=4, input_shape=(16, 16, 3)),
    "parallel operators": lambda: parallel_operators(CLASSES, blocks=BLOCKS, stem=4, input_shape=(16, 16, 3)),
}


def with_lively_statistics(model):
    """Normalisation as after training, so that shifts survive where a scale is small."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights(
                [rng.normal(1, 0.3, size), rng.normal(0, 1, size), rng.normal(0, 1, size), rng.uniform(0.5, 2, size)]
            )
    return model


@pytest.mark.parametrize("space", SPACES)
def test_the_small_network_answers_as_the_gated_one_and_costs_what_the_gates_say(space):
    tf.keras.utils.set_random_seed(0)
    graph = ChannelGraph(with_lively_statistics(SPACES[space]()))
    gated = insert_gates(graph)
    strength, cost = GateStrength(graph, gated), FLOPs(graph)
    for seed in range(2):
        strength.gates.logits.assign(np.random.default_rng(seed).normal(size=strength.gates.logits.shape))
        architecture = Architecture(graph, strength.alive())
        small = emit(graph.model, graph, architecture)
        assert difference(small, gated, images()) < 1e-5
        assert 2 * count_macs(small) == cost(strength.alive()) == cost(architecture)


def test_an_operator_without_open_gates_is_gone():
    tf.keras.utils.set_random_seed(0)
    graph = ChannelGraph(with_lively_statistics(SPACES["parallel operators"]()))
    gated = insert_gates(graph)
    strength = GateStrength(graph, gated)
    values = np.ones(strength.gates.logits.shape, np.float32)
    free = [name for name in graph.groups if "operator" not in name]
    ends = np.cumsum([graph.groups[name].width for name in free])
    for name, end in zip(free, ends, strict=True):
        if name == "block_3_kernel_5_project_conv":
            values[end - graph.groups[name].width : end] = -1
        if name == "block_3_full_conv":
            values[end - 2 : end] = -1
    strength.gates.logits.assign(values)
    small = emit(graph.model, graph, Architecture(graph, strength.alive()))
    names = [layer.name for layer in small.layers]
    assert not any(name.startswith("block_3_kernel_5") for name in names)
    assert "block_3_full_conv" in names
    # It keeps a width of its own, below that of the sum.
    assert small.get_layer("block_3_full_conv").filters == 4
    assert small.get_layer("block_3_operator_0").output_shape[-1] == 6
    assert difference(small, gated, images()) < 1e-5


def test_channels_are_put_at_their_places_and_zeros_elsewhere():
    layer = SpreadChannels(4)
    layer.build((None, 2))
    layer.set_weights([np.eye(4)[[3, 1]]])
    np.testing.assert_array_equal(layer(tf.constant([[5.0, 7.0]])).numpy(), [[0, 7, 0, 5]])


def batches(rows=48, side=8):
    pixels = images(rows, side)
    return tf.data.Dataset.from_tensor_slices((pixels, np.arange(rows) % CLASSES)).batch(16)


def tiny():
    return network(width=4, input_shape=(8, 8, 3))


class StoppedError(Exception):
    pass


def stopping(after):
    def stop(epoch, logs):
        if epoch == after:
            raise StoppedError

    return tf.keras.callbacks.LambdaCallback(on_epoch_begin=stop)


def test_figs_meets_every_budget_with_networks_one_within_another_and_goes_on_where_it_stopped(tmp_path):
    budgets, settings = (0.3, 0.6), FigsSettings(epochs=3)
    cost = FLOPs(ChannelGraph(tiny()))
    whole = figs(cost, batches(), budgets, settings)
    for share, architecture in zip(budgets, whole.architectures, strict=True):
        assert 0.7 * share < cost(architecture) / cost.full <= share
    small, large = (architecture.alive for architecture in whole.architectures)
    assert all((large[name] >= small[name]).all() for name in small)

    with pytest.raises(StoppedError):
        figs(FLOPs(ChannelGraph(tiny())), batches(), budgets, settings, state=tmp_path, callbacks=[stopping(2)])
    resumed = figs(FLOPs(ChannelGraph(tiny())), batches(), budgets, settings, state=tmp_path)
    np.testing.assert_array_equal(resumed.strength.gates.logits.numpy(), whole.strength.gates.logits.numpy())
    for one, other in zip(resumed.gated.get_weights(), whole.gated.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fresh_networks_of_a_search_have_its_places_but_not_its_weights():
    cost = FLOPs(ChannelGraph(parallel_operators(CLASSES, blocks=BLOCKS[:2], stem=4, input_shape=(8, 8, 3))))
    found = figs(cost, batches(), [0.4], FigsSettings(epochs=1))
    kept, fresh = found.small(), found.small(fresh=True)
    for one, other in zip(kept.layers, fresh.layers, strict=True):
        for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
            assert left.shape == right.shape
            if isinstance(one, SpreadChannels):
                np.testing.assert_array_equal(left, right)
    assert (kept.get_layer("stem_conv").kernel.numpy() != fresh.get_layer("stem_conv").kernel.numpy()).all()


def test_morphnet_widens_to_the_budget_in_each_round():
    result = morphnet(
        tiny(),
        lambda model: Params(ChannelGraph(model)),
        batches(),
        0.5,
        MorphNetSettings(epochs=1, rounds=2, press=0.6, weight=1.0),
    )
    assert len(result.rounds) == 2
    for one in result.rounds:
        assert one.shrunk.graph is one.widened.graph
        assert one.widened.factor >= 1
    small = result.small()
    assert 0.85 * result.budget < small.count_params() <= result.budget
    assert small(images(2, 8)).shape == (2, CLASSES)


@pytest.mark.parametrize(
    ("share", "settings"), [(0.0, {}), (0.5, {"rounds": 0}), (0.5, {"press": 0.0}), (0.5, {"press": 1.5})]
)
def test_morphnet_refuses_settings_out_of_range(share, settings):
    with pytest.raises(DataError, match="give 1 or more rounds"):
        morphnet(tiny(), lambda model: FLOPs(ChannelGraph(model)), batches(), share, MorphNetSettings(**settings))


def test_budgets_that_cannot_be_met_or_do_not_rise_are_refused():
    graph = ChannelGraph(tiny())
    strength, cost = GammaStrength(graph), FLOPs(graph)
    with pytest.raises(DataError, match="the narrowest network"):
        cut_to_budget(strength, cost, 1e-3)
    with pytest.raises(DataError, match=r"budget 1\.5"):
        cut_to_budget(strength, cost, 1.5)
    with pytest.raises(DataError, match="that rise"):
        nested(strength, cost, [0.5, 0.3])
    with pytest.raises(DataError, match="none is given"):
        figs(cost, batches(), [])


def test_a_cut_keeps_the_strongest_channels_of_the_whole_network():
    graph = ChannelGraph(tiny())
    rng = np.random.default_rng(3)
    for layer in graph.model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.1, 1, layer.gamma.shape))
    strength, cost = GammaStrength(graph), FLOPs(graph)
    found = cut_to_budget(strength, cost, 0.5)
    soft = {name: np.asarray(values) for name, values in strength.soft().items()}
    kept = np.concatenate([soft[name][found.alive[name]] for name in soft])
    gone = np.concatenate([soft[name][~found.alive[name]] for name in soft])
    several = [name for name in soft if found.alive[name].sum() > 1]
    assert min(soft[name][found.alive[name]].min() for name in several) > gone.max()
    # One more, the strongest of those that went, would be too dear.
    assert cost(Architecture(graph, strength.alive_above(gone.max() - 1e-6))) > 0.5 * cost.full
    assert len(kept) + len(gone) == len(strength.scores())
    rounded = cut_to_budget(strength, cost, 0.7, round_to=2)
    assert all(width % 2 == 0 or width == 0 for width in rounded.widths.values())


def test_statistics_are_the_means_over_the_batches():
    image = tf.keras.Input((4,))
    model = tf.keras.Model(image, layers.BatchNormalization(momentum=0.9)(image))
    rows = np.random.default_rng(0).normal(5, 3, size=(6, 32, 4)).astype(np.float32)
    measure_statistics(model, rows, batches=5)
    norm = model.layers[-1]
    np.testing.assert_allclose(norm.moving_mean, rows[:5].mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, rows[:5].var(1).mean(0), rtol=1e-4)
    assert norm.momentum == 0.9
    with pytest.raises(DataError, match="no images"):
        measure_statistics(model, [])


def test_the_picture_shows_every_group_and_escapes_its_name():
    drawn = widths_picture(["stem", "a<b"], [16, 8], [4, 12])
    assert drawn.startswith("<svg")
    assert drawn.rstrip().endswith("</svg>")
    assert "stem: 16 to 4" in drawn
    assert "a&lt;b: 8 to 12" in drawn
    assert "a<b" not in drawn


@pytest.mark.parametrize("kernels", [(), (3, 4)])
def test_kernels_of_even_sizes_are_refused(kernels):
    with pytest.raises(DataError, match="give odd sizes"):
        kernel_mixture(CLASSES, kernels=kernels)
