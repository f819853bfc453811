"""Architectures: rounding, floors, files; expansion to a budget."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError
from tests.vision_components.networks import network
from tests.vision_components.structure_networks import random_alive
from vision_components.multiply_adds import count_macs
from vision_components.structure import Architecture, ChannelGraph, FLOPs, Params, emit, expand
from vision_components.structure.architecture import rounded

SHAPE = (16, 16, 3)


@pytest.fixture(scope="module")
def graph():
    return ChannelGraph(network(width=16, input_shape=SHAPE))


@pytest.fixture(scope="module")
def flops(graph):
    return FLOPs(graph)


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 300))
def test_rounded_widths_are_the_nearest_multiples(width, multiple, most):
    width = min(width, most)
    found = rounded(width, multiple, most)
    assert (found == 0) == (width == 0)
    assert found <= most
    if width and found < most:
        assert found % multiple == 0
        others = range(multiple, most + 1, multiple)
        assert abs(found - width) == min(abs(other - width) for other in others)


def test_the_strongest_channels_are_kept_and_the_weakest_dropped(graph):
    rng = np.random.default_rng(0)
    strength = {name: rng.random(group.width) for name, group in graph.groups.items()}
    alive = {name: one > 0.6 for name, one in strength.items()}
    architecture = Architecture(graph, alive, round_to=8, strength=strength)
    for name, mask in architecture.alive.items():
        assert mask.sum() % 8 == 0
        assert strength[name][mask].min() > strength[name][~mask].max(initial=-1)


def test_a_group_keeps_its_strongest_channels_unless_what_it_feeds_can_do_without(graph):
    strength = {name: np.arange(group.width) for name, group in graph.groups.items()}
    none = {name: np.zeros(group.width, bool) for name, group in graph.groups.items()}
    architecture = Architecture(graph, none, floor=2, strength=strength)
    assert architecture.widths == {
        "stem_conv": 2,
        "block_1_first_conv": 0,
        "block_2_first_conv": 0,
        "block_2_second_conv": 2,
        "block_3_first_conv": 0,
        "block_3_second_conv": 2,
    }
    assert np.flatnonzero(architecture.alive["stem_conv"]).tolist() == [14, 15]


def test_a_removed_layer_must_be_one_that_can_be_done_without(graph):
    everything = graph.everything()
    architecture = Architecture(graph, everything, removed=["block_2_second_norm"])
    small = emit(graph.model, graph, architecture, check=np.full((2, *SHAPE), 99.0, np.float32))
    assert "block_2_first_conv" not in [layer.name for layer in small.layers]
    assert FLOPs(graph)(architecture) == 2 * count_macs(small)
    with pytest.raises(DataError, match="an output of the model is computed from nothing; let"):
        Architecture(graph, everything, removed=["stem_norm"])
    with pytest.raises(DataError, match="removed: nothing_here are no layers"):
        Architecture(graph, everything, removed=["nothing_here"])


@pytest.mark.parametrize("settings", [{"floor": 0}, {"round_to": 0}])
def test_floor_and_rounding_must_be_positive(graph, settings):
    with pytest.raises(DataError, match="give 1 or more"):
        Architecture(graph, graph.everything(), **settings)


def test_strengths_of_other_groups_are_refused(graph):
    with pytest.raises(DataError, match="strength of stem_conv: give 16 numbers"):
        Architecture(graph, graph.everything(), strength={})


def test_an_architecture_is_read_as_it_was_written(graph, tmp_path):
    saved = Architecture(graph, random_alive(graph, 0.5), removed=["block_2_second_norm"])
    saved.save(tmp_path / "architecture.json")
    read = Architecture.load(tmp_path / "architecture.json", ChannelGraph(graph.model))
    assert read.removed == saved.removed
    for name, mask in saved.alive.items():
        np.testing.assert_array_equal(read.alive[name], mask)
    first = read.changes()[0]
    assert (first.group, first.before, first.after) == ("stem_conv", 16, saved.widths["stem_conv"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda values: {**values, "schema_version": 9}, "schema_version 9, this release reads 1"),
        (lambda values: {**values, "fingerprint": "0"}, "of the model network_0, whose layers or groups are not those"),
        (lambda values: {**values, "extra": 1}, "is malformed"),
        (lambda values: {**values, "alive": {}}, "groups missing"),
        (lambda values: [values], "is malformed"),
    ],
)
def test_damaged_files_are_refused_by_name(graph, tmp_path, damage, message):
    path = tmp_path / "architecture.json"
    Architecture(graph, graph.everything()).save(path)
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=message):
        Architecture.load(path, graph)


def test_missing_files_and_other_bytes_are_refused_by_name(graph, tmp_path):
    with pytest.raises(DataError, match="give a file that Architecture"):
        Architecture.load(tmp_path / "none.json", graph)
    (tmp_path / "other.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"other\.json"):
        Architecture.load(tmp_path / "other.json", graph)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.floats(0.15, 1.0), st.floats(0.02, 3.0), st.sampled_from([1, 4]))
def test_expansion_is_the_widest_within_the_budget(graph, flops, seed, share, part, round_to):
    architecture = Architecture(graph, random_alive(graph, share, seed))
    budget = part * flops.full
    found = expand(architecture, flops, budget, round_to)
    assert found.cost == flops.of_widths(found.widths) <= budget
    steps = [
        (width + round_to * 0.5) / before
        for width, before in zip(found.widths.values(), architecture.widths.values(), strict=True)
        if before
    ]
    wider = {
        name: max(1, math.floor(before * min(steps) * (1 + 1e-9) / round_to + 0.5)) * round_to if before else 0
        for name, before in architecture.widths.items()
    }
    assert sum(wider.values()) > sum(found.widths.values())
    assert flops.of_widths(wider) > budget


def test_with_its_own_cost_as_budget_nothing_changes(graph, flops):
    for cost in (flops, Params(graph)):
        architecture = Architecture(graph, random_alive(graph, 0.4, seed=7))
        assert expand(architecture, cost, cost(architecture)).widths == architecture.widths


def test_the_expanded_model_costs_what_was_said(graph, flops):
    architecture = Architecture(graph, random_alive(graph, 0.3, seed=5))
    found = expand(architecture, flops, flops.full)
    model = found.model()
    assert 0.8 * flops.full < found.cost == 2 * count_macs(model)
    assert found.factor > 1


def test_budgets_out_of_reach_are_refused(graph, flops):
    architecture = Architecture(graph, graph.everything())
    with pytest.raises(DataError, match="budget 10 FLOPs: the narrowest network costs"):
        expand(architecture, flops, 10)
    with pytest.raises(DataError, match="no width of network_0 comes near it"):
        expand(architecture, flops, math.inf)
    with pytest.raises(DataError, match="round_to 0"):
        expand(architecture, flops, flops.full, round_to=0)


def test_fresh_models_have_other_weights(graph):
    architecture = Architecture(graph, random_alive(graph, 0.5, seed=2))
    tf.keras.utils.set_random_seed(5)
    kept, fresh = (emit(graph.model, graph, architecture, fresh=fresh) for fresh in (False, True))
    assert not np.allclose(kept.get_layer("stem_conv").kernel, fresh.get_layer("stem_conv").kernel)
    assert kept.count_params() == fresh.count_params()
