"""A codec's decoder as a network whose channels can be cut, and the search for its widths."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError, TrainingError
from tests.vision_components.coded import TINY, picture, tiny_codec
from vision_components.codec import TrainingPlan, decoder_macs, search_decoder, train_decoder, train_synthesis
from vision_components.codec.decoder_search import activation_of, inner_layers
from vision_components.codec.networks import synthesis
from vision_components.structure import Architecture, ChannelGraph, FLOPs, emit

PICTURES = [picture(96, 96, seed) for seed in range(3)]
PIXELS = (4 * 16) ** 2


def decoder(activation, widths=TINY.decoder):
    tf.keras.utils.set_random_seed(1)
    network = synthesis(TINY.latents, widths, activation, (4, 4))
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if activation != "relu" and layer.name.startswith("normalise"):
            channels = layer.beta_root.shape[0]
            layer.set_values(rng.uniform(0.5, 2, channels), rng.uniform(0, 0.3, (channels, channels)))
    return network


@pytest.mark.parametrize("activation", ["gdn", "gdn1", "relu"])
def test_cut_decoders_draw_what_masked_ones_draw_and_cost_what_the_closed_form_says(activation):
    network = decoder(activation)
    graph = ChannelGraph(network)
    assert not graph.report().unknown
    assert len(graph.groups) == 3
    rng = np.random.default_rng(2)
    alive = {name: rng.permutation(group.width) < group.width - 2 for name, group in graph.groups.items()}
    cut = Architecture(graph, alive)
    shown = rng.normal(0, 3, (2, 4, 4, TINY.latents)).astype(np.float32)
    small = emit(network, graph, cut, check=shown)
    widths = [layer.filters for layer in inner_layers(small)]
    assert widths == [width - 2 for width in TINY.decoder]
    expected = 2 * PIXELS * decoder_macs(TINY.latents, widths, activation)
    assert FLOPs(graph)(cut) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("activation", ["gdn", "gdn1", "relu"])
def test_a_decoder_knows_its_activation(activation):
    assert activation_of(decoder(activation)) == activation


@pytest.mark.slow
def test_widths_are_found_within_shares_of_the_work():
    codec = train_decoder(tiny_codec(), PICTURES, (12, 10, 8), "gdn1", TrainingPlan(steps=1, batch=1, patch=64))
    before = codec.synthesis.get_weights()
    plan = TrainingPlan(steps=100, batch=1, patch=64)
    narrow, wide = search_decoder(codec, PICTURES, (0.25, 0.5), plan)
    whole = decoder_macs(TINY.latents, (12, 10, 8))
    assert decoder_macs(TINY.latents, narrow) <= 0.25 * whole
    assert decoder_macs(TINY.latents, narrow) < decoder_macs(TINY.latents, wide) <= 0.5 * whole
    assert all(one <= other for one, other in zip(narrow, wide, strict=True))
    for old, new in zip(before, codec.synthesis.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_search_of_too_few_steps_or_for_nothing_is_refused():
    with pytest.raises(TrainingError, match="steps 49 of a search; give 50 or more"):
        search_decoder(tiny_codec(), PICTURES, (0.5,), TrainingPlan(steps=49, batch=1, patch=64))
    with pytest.raises(DataError, match="budgets"):
        search_decoder(tiny_codec(), PICTURES, (), TrainingPlan(steps=50, batch=1, patch=64))


def test_a_cut_decoder_is_trained_on_with_its_weights():
    codec = tiny_codec()
    network = decoder("gdn1")
    graph = ChannelGraph(network)
    alive = {name: np.arange(group.width) < group.width - 1 for name, group in graph.groups.items()}
    small = emit(network, graph, Architecture(graph, alive))
    widths = [layer.filters for layer in inner_layers(small)]
    free = synthesis(TINY.latents, widths, "gdn1")
    free.set_weights(small.get_weights())
    train_synthesis(codec, free, PICTURES, TrainingPlan(steps=2, batch=1, patch=64))
    assert codec.with_synthesis(free).decode(codec.encode(PICTURES[0])).shape == PICTURES[0].shape
