"""Searching the widths of the image codec's decoder."""

import numpy as np
import pytest

from seriatim_errors import DataError
from tests.vision_components.coded import TINY, picture, tiny_codec
from vision_components.codec import TrainingPlan, decoder_macs
from vision_components.codec.decoder_search import gated_size, search_decoder
from vision_components.structure import ChannelGraph
from vision_components.structure.architecture import Architecture
from vision_components.structure.prune import emit
from vision_components.structure.resources import FLOPs

CODEC = tiny_codec()


def graph_of(codec, patch=64):
    network, _ = gated_size(codec, patch)
    return network, ChannelGraph(network)


def test_the_graph_costs_what_the_formula_says():
    _, graph = graph_of(CODEC)
    assert sorted(group.width for group in graph.groups.values()) == sorted(TINY.decoder)
    # Floating-point operations are two a multiply-add, and here of a patch.
    assert FLOPs(graph).full == pytest.approx(2 * 64 * 64 * decoder_macs(TINY.latents, TINY.decoder))


@pytest.mark.parametrize("seed", range(4))
def test_a_decoder_whose_channels_are_cut_says_what_the_masked_one_says(seed):
    network, graph = graph_of(CODEC)
    rng = np.random.default_rng(seed)
    alive = {name: rng.random(group.width) < 0.6 for name, group in graph.groups.items()}
    architecture = Architecture(graph, alive)
    latents = rng.normal(0, 2, (2, 4, 4, TINY.latents)).astype(np.float32)
    small = emit(network, graph, architecture, check=latents)
    widths = [small.get_layer(f"up_{place}").filters for place in range(3)]
    assert FLOPs(graph)(architecture) == pytest.approx(2 * 64 * 64 * decoder_macs(TINY.latents, widths))
    assert small.get_layer("normalise_0").gamma.shape == (widths[0], widths[0])


def test_searched_decoders_hold_their_budgets_and_read_the_same_files():
    budgets = (0.4, 0.7)
    plan = TrainingPlan(steps=40, batch_size=2, patch=64)
    found = search_decoder(CODEC, [picture(70, 80)], budgets, plan)
    full = decoder_macs(TINY.latents, TINY.decoder)
    for one, budget in zip(found, budgets, strict=True):
        assert one.budget == budget
        assert decoder_macs(TINY.latents, one.widths) <= budget * full
        narrow = CODEC.with_synthesis(one.network)
        assert narrow.decode(CODEC.encode(picture())).shape == (70, 50, 3)
    assert all(small <= large for small, large in zip(found[0].widths, found[1].widths, strict=True))


def test_a_search_of_too_few_steps_is_refused():
    with pytest.raises(DataError, match="20 or more"):
        search_decoder(CODEC, [picture(70, 80)], (0.5,), TrainingPlan(steps=19, patch=64))
