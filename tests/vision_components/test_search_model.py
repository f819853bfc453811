"""Training under the pressure of a cost: what it leaves as it is, where it rests, and what remains."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import CLASSES, images, network
from vision_components.structure import ChannelGraph
from vision_components.structure.gated_network import insert_gates
from vision_components.structure.resources import FLOPs, Params
from vision_components.structure.schedules import TargetSchedule, TemperatureSchedule
from vision_components.structure.search_model import SearchModel
from vision_components.structure.strengths import GammaStrength, GateStrength

layers = tf.keras.layers
LOSS = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def small_network():
    tf.keras.utils.set_random_seed(0)
    image = tf.keras.Input((8, 8, 3))
    x = image
    for place, width in enumerate((6, 8)):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv_{place}")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name=f"norm_{place}")(x))
    return tf.keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)), name="small")


def data(rows=32, batch=8):
    pixels = images(rows, 8) / 127.5 - 1
    return tf.data.Dataset.from_tensor_slices((pixels, np.arange(rows) % CLASSES)).batch(batch)


def gated_search(weight=1.0, **settings):
    graph = ChannelGraph(small_network())
    gated = insert_gates(graph)
    return SearchModel(gated, GateStrength(graph, gated), FLOPs(graph), weight, **settings)


def fitted(search, epochs=3, callbacks=(), **settings):
    search.compile(**{"optimizer": "adam", "loss": LOSS, **settings})
    return search.fit(data(), epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks)).history


def test_without_weight_training_is_bit_for_bit_what_it_is_without_a_search():
    plain = small_network()
    plain.compile("adam", LOSS)
    plain.fit(data(), epochs=3, shuffle=False, verbose=0)
    graph = ChannelGraph(small_network())
    fitted(SearchModel(graph.model, GammaStrength(graph), FLOPs(graph), 0.0))
    for one, other in zip(graph.model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_weight_gates_stay_open():
    search = gated_search(0.0)
    before = search.strength.gates.probabilities().numpy().mean()
    fitted(search, 5)
    assert all(mask.all() for mask in search.strength.alive().values())
    assert search.strength.gates.probabilities().numpy().mean() > before - 0.05


def test_under_huge_weight_every_group_falls_to_its_floor_and_training_runs_on():
    search = gated_search(1e3)
    history = fitted(search, 60)
    assert np.isfinite(history["loss"]).all()
    assert {name: int(mask.sum()) for name, mask in search.strength.alive().items()} == {"conv_0": 1, "conv_1": 1}


@pytest.mark.parametrize("of", [FLOPs, Params])
def test_the_penalty_has_no_unit_and_begins_at_the_share_of_open_gates(of):
    graph = ChannelGraph(small_network())
    gated = insert_gates(graph, initial=9.0)
    assert float(SearchModel(gated, GateStrength(graph, gated), of(graph)).penalty()) == pytest.approx(1, abs=1e-3)


def test_expected_cost_is_the_mean_over_all_masks():
    graph = ChannelGraph(small_network())
    cost = FLOPs(graph)
    rng = np.random.default_rng(0)
    p = {"conv_0": rng.uniform(size=6).astype(np.float32), "conv_1": rng.uniform(size=8).astype(np.float32)}

    def counts(probabilities):
        """Distribution of the number of open gates, by enumeration of all masks."""
        found = np.zeros(len(probabilities) + 1)
        for mask in itertools.product((0, 1), repeat=len(probabilities)):
            found[sum(mask)] += np.prod(np.where(mask, probabilities, 1 - probabilities))
        return found

    first, second = counts(p["conv_0"]), counts(p["conv_1"])
    mean = sum(
        first[a] * second[b] * 2 * (64 * 9 * 3 * a + 64 * 9 * a * b + b * CLASSES) for a in range(7) for b in range(9)
    )
    assert float(cost(p)) == pytest.approx(mean, rel=1e-5)


def test_pressure_rests_below_the_target():
    search = gated_search(5.0, target=1.0)
    schedule = TargetSchedule(0.4, 40, 0.5)
    history = fitted(search, 40, [schedule])
    assert history["cost"][0] > 0.7
    assert 0.25 < history["cost"][-1] < 0.45
    assert float(search.target) == pytest.approx(0.4)


def test_shrinking_scales_ends_at_exactly_zero_and_without_pressure_nowhere():
    zeros = {}
    for weight in (0.0, 20.0):
        graph = ChannelGraph(small_network())
        search = SearchModel(graph.model, GammaStrength(graph, 1e-3), FLOPs(graph), weight, proximal=True)
        fitted(search, 30, optimizer=tf.keras.optimizers.SGD(0.01))
        zeros[weight] = sum(int((gamma.numpy() == 0).sum()) for gamma, _ in search.strength.scales)
    assert zeros[0.0] == 0
    assert zeros[20.0] > 3


def test_the_gradient_of_a_scale_is_what_its_neighbours_cost():
    graph = ChannelGraph(small_network())
    rng = np.random.default_rng(0)
    for norm in ("norm_0", "norm_1"):
        gamma = graph.model.get_layer(norm).gamma
        gamma.assign(rng.choice([-0.7, 0.004, 0.3], size=gamma.shape))
    strength, cost = GammaStrength(graph, 0.1), FLOPs(graph)
    search = SearchModel(graph.model, strength, cost)
    with tf.GradientTape() as tape:
        penalty = search.penalty()
    gamma = graph.model.get_layer("norm_0").gamma
    open_behind = int(strength.alive()["conv_1"].sum())
    price = 2 * 64 * 9 * (3 + open_behind) / cost.full
    np.testing.assert_allclose(tape.gradient(penalty, gamma), price * np.sign(gamma), rtol=1e-5)
    step = 1e-3
    moved = gamma.numpy()
    moved[2] += step * np.sign(moved[2])
    gamma.assign(moved)
    assert float(search.penalty() - penalty) == pytest.approx(step * price, rel=1e-2)


def test_weight_decay_does_not_reach_the_logits():
    search = gated_search(0.0)
    logits = search.strength.gates.logits
    decaying = tf.keras.optimizers.AdamW(1e-3, weight_decay=10.0)
    fitted(search, 2, optimizer=decaying, gate_optimizer=tf.keras.optimizers.SGD(0.0))
    np.testing.assert_array_equal(logits.numpy(), np.full(14, 2.5, np.float32))


def test_a_search_runs_in_mixed_precision_with_logits_in_full():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        search = gated_search(5.0)
        history = fitted(search, 3)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert search.strength.gates.logits.dtype == tf.float32
    assert history["cost"][-1] < history["cost"][0]


def test_temperature_falls_by_the_same_factor_each_epoch():
    search = gated_search()
    seen = []
    keeping = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(float(search.strength.gates.temperature))
    )
    fitted(search, 3, [TemperatureSchedule(search.strength.gates, 0.003, 3), keeping])
    np.testing.assert_allclose(seen, [0.3, 0.03, 0.003], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"weight": -1.0}, "weight -1"), ({"target": 1.5}, "target 1.5"), ({"proximal": True}, "proximal")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        gated_search(**settings)


def test_a_cost_of_another_graph_is_refused():
    graph = ChannelGraph(network(input_shape=(16, 16, 3)))
    with pytest.raises(DataError, match="the cost is of a graph of small"):
        SearchModel(graph.model, GammaStrength(graph), FLOPs(ChannelGraph(small_network())))


@pytest.mark.parametrize("arguments", [(0.0, 3), (1.0, 3), (0.5, 0), (0.5, 3, 0.0)])
def test_impossible_schedules_are_refused(arguments):
    with pytest.raises(DataError, match="give a share"):
        TargetSchedule(*arguments)
