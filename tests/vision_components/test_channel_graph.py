"""Which channels live and vanish together, what stays and why, and what is said of a user's mistakes."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import network
from tests.vision_components.structure_networks import HANDLERS, Divided
from vision_components.multi_hashing.models import hash_model
from vision_components.structure import ChannelGraph, Flow, channelwise, register_rule
from vision_components.structure.flow import Macs
from vision_components.structure.tracing import weight_name, width_of

L = tf.keras.layers


def image():
    return tf.keras.Input((8, 8, 3), name="image")


def graph_of(build, **settings):
    """Of a network from an image through what `build` makes to a head."""
    start = image()
    return ChannelGraph(tf.keras.Model(start, L.Dense(2, name="head")(build(start))), **settings)


def widths(graph):
    return {name: group.width for name, group in graph.groups.items()}


def conv(filters, name, **settings):
    return L.Conv2D(filters, 3, padding="same", name=name, **settings)


def test_residual_blocks_share_the_channels_of_their_sums():
    graph = ChannelGraph(network(depth=14, width=4))
    assert graph.groups["stem_conv"].layers == ("stem_conv", "block_1_second_conv", "block_2_second_conv")
    assert widths(graph)["block_5_second_conv"] == 16
    assert "logits" not in graph.groups
    assert graph.report().pinned["logits"] == ("an output of the model",)
    assert not graph.report().unknown


def test_lists_of_channels_are_their_parts():
    def build(x):
        parts = L.Concatenate()([conv(5, "one")(x), conv(4, "two")(x)])
        return L.Add()([parts, conv(9, "three")(x)])

    graph = graph_of(build)
    assert widths(graph) == {"one": 5, "two": 4}
    assert graph.groups["two"].layers == ("two", "three")
    places = graph.places(graph.flows[-1].weights["kernel"][0])
    np.testing.assert_array_equal(places["two"][:, 0], np.arange(5, 9))


def test_depthwise_and_flattened_channels_are_repeated():
    graph = graph_of(lambda x: L.Flatten()(L.DepthwiseConv2D(3, depth_multiplier=2)(conv(5, "one")(x))))
    assert widths(graph) == {"one": 5}
    kernel = graph.flows[-1].weights["kernel"][0]
    assert graph.places(kernel)["one"].shape == (5, 2 * 36)
    assert graph.count(kernel, {"one": 3}) == 3 * 2 * 36


def test_channels_of_a_list_are_kept_counted_and_placed_with_their_groups():
    graph = graph_of(lambda x: L.Concatenate()([conv(3, "one")(x), x, conv(2, "two")(x)]))
    [listed] = next(flow.outputs for flow in graph.flows if flow.join == "concat")
    alive = {"one": [1, 0, 1], "two": [False, True]}
    assert graph.kept(listed, alive).tolist() == [True, False, True, True, True, True, False, True]
    assert graph.kept(listed, alive).dtype == bool
    times, fixed = graph.times(np.concatenate([listed, listed[:3]]))
    assert (times.tolist(), fixed) == ([2, 1], 3)
    assert graph.count(listed, {"one": 2, "two": 1}) == 2 + 3 + 1
    assert graph.index(listed).tolist() == [0, 1, 2, 5, 5, 5, 3, 4]
    places = graph.places(np.concatenate([listed[:3], listed[2::-1]]))
    assert {name: place.tolist() for name, place in places.items()} == {"one": [[0, 5], [1, 4], [2, 3]]}


def test_masks_of_groups_are_checked_by_name_and_width():
    graph = graph_of(lambda x: conv(3, "one")(x))
    assert {name: mask.tolist() for name, mask in graph.everything().items()} == {"one": [True] * 3}
    assert graph.everything()["one"].dtype == bool
    [mask] = graph.checked({"one": [1, 0, 1]}).values()
    assert mask.tolist() == [True, False, True]
    with pytest.raises(DataError, match=re.escape("groups missing ['one'], not of this model ['other']")):
        graph.checked({"other": [1, 0, 1]})
    with pytest.raises(DataError, match=re.escape("alive of one has the shape (2,), the group 3 channels")):
        graph.checked({"one": [1, 0]})


def test_groups_of_a_grouped_convolution_stay_equal():
    graph = graph_of(lambda x: conv(12, "grouped", groups=2)(conv(8, "one")(x)))
    assert widths(graph) == {"one": 4, "grouped": 6}


def test_a_layer_that_is_used_twice_ties_its_uses():
    def build(x):
        layer = conv(4, "shared")
        return layer(layer(conv(4, "one")(x)))

    assert graph_of(build).groups["one"].layers == ("one", "shared")


@pytest.mark.parametrize("make", [lambda: L.BatchNormalization(), lambda: L.Reshape((8, 8, 4))])
def test_what_has_weights_or_sizes_of_its_channels_ties_its_uses(make):
    def build(x):
        layer = make()
        return L.Concatenate()([layer(conv(4, "one")(x)), layer(conv(4, "two")(x))])

    assert {name: group.layers for name, group in graph_of(build).groups.items()} == {"one": ("one", "two")}


def test_groups_of_one_layer_are_numbered():
    def partly(call):
        [channels] = call.inputs
        return Flow(
            (channels,), macs=(Macs(1, channels, channels[:3]), Macs(1, channels, channels[:1]), Macs(1, channels))
        )

    def build(x):
        return Divided()(conv(4, "one")(x))

    assert widths(graph_of(build, handlers={Divided: partly})) == {"one[0]": 1, "one[1]": 2, "one[2]": 1}


def test_nested_models_are_laid_open():
    inner = tf.keras.Sequential([tf.keras.Input((8, 8, 4)), conv(5, "inside"), L.ReLU(name="active")], name="inner")
    outer = tf.keras.Sequential([tf.keras.Input((8, 8, 5)), conv(6, "inside")], name="outer")
    graph = graph_of(lambda x: outer(inner(conv(4, "one")(x))))
    assert widths(graph) == {"one": 4, "inner_inside": 5, "outer_inside": 6}


def test_layers_of_one_name_are_told_apart_by_their_models():
    inner = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), conv(5, "image"), L.ReLU(name="head")], name="inner")
    graph = graph_of(lambda x: conv(4, "inner_image")(inner(x)))
    assert widths(graph) == {"inner_image_": 5, "inner_image": 4}


def test_a_nested_model_with_a_call_of_its_own_is_unknown():
    class Doubled(tf.keras.Model):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs, training=training)

    start = tf.keras.Input((8, 8, 4))
    inner = Doubled(start, conv(4, "inside")(start), name="inner")
    with pytest.warns(UserWarning, match=r"no rule for inner \(Doubled\)"):
        graph = graph_of(lambda x: inner(conv(4, "one")(x)))
    assert graph.groups == {}


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda x: L.LayerNormalization(name="norm")(x), "norm: normalises over channels"),
        (lambda x: L.Activation("softmax", name="soft")(x), "soft: softmax may mix channels"),
        (lambda x: L.BatchNormalization(axis=1, name="norm")(x), "norm: normalises along another axis"),
        (lambda x: L.Reshape((4, 4, 16), name="shaped")(x), "shaped: reshapes (8, 8, 4) to (4, 4, 16) across channels"),
        (lambda x: x[..., :2], "cuts channels or images"),
        (lambda x: x * np.ones(4, np.float32), "takes an array of its own"),
        (lambda x: x / (1.0 + tf.abs(x)), "divides by a tensor"),
        (lambda x: tf.reduce_mean(x, axis=-1, keepdims=True), "reduces over channels or images"),
        (lambda x: L.Rescaling([1.0, 2.0, 3.0, 4.0], name="scaled")(x), "has a number for each channel"),
        (lambda x: tf.reshape(x, (-1, 64, 4)), "let the last be -1"),
        (lambda x: tf.expand_dims(x, -1), "makes another axis the last"),
        (lambda x: x[:, :, :, :, None], "cuts channels or images"),
        (lambda x: L.MaxPooling2D(data_format="channels_first", name="pool")(x), "channels are not the last axis"),
    ],
)
def test_what_mixes_or_numbers_channels_keeps_them(build, reason):
    graph = graph_of(lambda x: build(conv(4, "one")(x)))
    assert graph.groups == {}
    assert any(reason in why for why in graph.report().pinned["one"])


def test_channels_that_spread_over_others_stay():
    def build(x):
        return L.Multiply(name="attended")([conv(4, "one")(x), conv(1, "attention", activation="sigmoid")(x)])

    graph = graph_of(build)
    assert widths(graph) == {"one": 4}
    assert graph.report().pinned["attention"] == ("attended: spreads over all channels",)


class Own(L.Layer):
    """A layer that no rule covers."""

    def call(self, inputs):
        return inputs[..., ::-1]


def test_unknown_layers_are_pinned_and_reported():
    with pytest.warns(UserWarning, match=r"no rule for mine \(Own\); its channels stay"):
        graph = graph_of(lambda x: conv(5, "two")(Own(name="mine")(conv(4, "one")(x))))
    assert widths(graph) == {"two": 5}
    assert graph.report().unknown == (("mine", "Own"),)
    assert graph.report().pinned["one"] == ("mine: no rule for Own",)
    assert "no rule for mine (Own)" in str(graph.report())


def test_a_warning_of_an_unknown_layer_names_the_line_that_asks_for_the_graph():
    start = image()
    with pytest.warns(UserWarning, match="no rule for mine") as warned:
        ChannelGraph(tf.keras.Model(start, Own(name="mine")(start)))
    assert warned[0].filename == __file__


def test_layers_that_derive_from_known_ones_are_unknown():
    with pytest.warns(UserWarning, match="Hashed"):
        graph = ChannelGraph(hash_model(network(), fraction=0.5))
    assert graph.groups == {}


def test_a_handler_or_a_registered_rule_covers_a_layer_of_ones_own():
    def build(x):
        return Divided(name="divided")(conv(4, "one")(x))

    assert widths(graph_of(build, handlers=HANDLERS)) == {"one": 4}

    class Registered(Divided):
        pass

    register_rule(Registered, HANDLERS[Divided])
    assert widths(graph_of(lambda x: Registered()(conv(4, "one")(x)))) == {"one": 4}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda call: Flow(()), "gives 0 outputs of 1"),
        (lambda call: Flow((call.new(3),)), "gives 3 channels of 4"),
        (channelwise({"delta": (0,)}), "names the weight 'delta'; there are gamma, beta"),
        (channelwise({"beta": (1,)}), "along axis 1 of beta (4,)"),
    ],
)
def test_rules_that_do_not_fit_their_layer_are_refused(rule, message):
    with pytest.raises(DataError, match=re.escape(message)):
        graph_of(lambda x: Divided()(conv(4, "one")(x)), handlers={Divided: rule})


def test_a_rule_is_held_against_flat_tensors_and_those_of_open_sizes_too():
    start = tf.keras.Input((None, None, 3))
    images = Divided()(conv(4, "one")(start))
    flat = Divided()(L.Dense(4, name="dense")(L.GlobalAveragePooling2D()(start)))
    for end in (images, flat):
        with pytest.raises(DataError, match="gives 3 channels of 4"):
            ChannelGraph(tf.keras.Model(start, end), handlers={Divided: lambda call: Flow((call.new(3),))})


def test_a_number_for_each_row_of_a_fixed_batch_has_no_channels():
    start = tf.keras.Input(batch_shape=(5, 4))
    graph = ChannelGraph(tf.keras.Model(start, tf.reduce_max(start, axis=1)))
    assert len(graph.flows[-1].outputs[0]) == 0


@pytest.mark.parametrize(
    ("shape", "width"), [((None,), 0), ((5,), 0), ((None, 3), 3), ((None, None), 0), ((None, 8, 8, 4), 4)]
)
def test_a_tensor_has_as_many_channels_as_its_last_axis_behind_the_batch(shape, width):
    assert width_of(shape) == width


def test_a_weight_is_named_by_what_stands_behind_the_last_stroke():
    assert weight_name("model/block_1/kernel:0") == "kernel"
    assert weight_name("gamma") == "gamma"


def test_layers_can_be_pinned_and_tied_by_expressions():
    def build(x):
        return conv(4, "block_2")(conv(4, "block_1")(conv(5, "stem")(x)))

    assert widths(graph_of(build, pin=["block_.*"])) == {"stem": 5}
    assert graph_of(build, tie=["block_.*"]).groups["block_1"].layers == ("block_1", "block_2")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pin": ["block"]}, "pin 'block' matches no layer; there are stem, block_1, head"),
        ({"tie": ["b.*", "c.*"]}, "tie 'c.*' matches no layer"),
        ({"pin": ["("]}, "pin '(' is no regular expression"),
        ({"tie": ["stem|block_1"]}, "stem has 5 channels, block_1 4; tie layers of as many"),
    ],
)
def test_expressions_that_fit_nothing_are_refused(settings, message):
    with pytest.raises(DataError, match=re.escape(message)):
        graph_of(lambda x: conv(4, "block_1")(conv(5, "stem")(x)), **settings)


def test_networks_that_come_with_keras_are_covered():
    graph = ChannelGraph(tf.keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=4))
    assert not graph.report().unknown
    assert widths(graph)["block6d_expand_conv"] == 1152
    assert graph.groups["block4a_project_conv"].layers == tuple(f"block4{block}_project_conv" for block in "abc")


def test_models_without_a_graph_are_refused():
    class Subclassed(tf.keras.Model):
        def call(self, rows):
            return rows

    with pytest.raises(DataError, match="build a functional one"):
        ChannelGraph(Subclassed())


def test_the_report_can_be_read():
    text = str(graph_of(lambda x: conv(4, "one")(x)).report())
    assert text.splitlines() == [
        "1 groups",
        "  one: 4 (one)",
        "staying",
        "  image: image is an input",
        "  head: an output of the model",
    ]


def test_masks_stand_behind_what_makes_something_of_nothing():
    def build(x):
        x = L.ReLU(name="active")(L.BatchNormalization(name="norm")(conv(4, "one")(x)))
        x = L.BatchNormalization(name="depthwise_norm")(L.DepthwiseConv2D(3, name="depthwise", use_bias=False)(x))
        return L.Activation("sigmoid", name="even")(conv(5, "two")(x))

    assert [step.name for step, _ in graph_of(build).mask_sites()] == ["norm", "depthwise_norm", "even"]


def test_the_fingerprint_is_of_layers_and_not_of_values():
    assert ChannelGraph(network(0)).fingerprint() == ChannelGraph(network(1)).fingerprint()
    assert ChannelGraph(network()).fingerprint() != ChannelGraph(network(width=8)).fingerprint()
    assert ChannelGraph(network()).fingerprint() != ChannelGraph(network(), pin=["stem_conv"]).fingerprint()


def test_a_layer_of_one_s_own_says_where_its_channels_lie():
    channels = np.arange(5, 8)
    call = SimpleNamespace(inputs=(channels,))
    mixed = channelwise({"gamma": (0, 1), "beta": (0,)}, keeps_zero=True, macs_of="gamma")(call)
    assert mixed.outputs == (channels,)
    assert mixed.weights == {"gamma": {0: channels, 1: channels}, "beta": {0: channels}}
    assert mixed.macs == (Macs(1, channels, channels),)
    assert (mixed.keeps_zero, mixed.per_channel) == (True, False)
    alone = channelwise({"scale": (0,)})(call)
    assert (alone.macs, alone.keeps_zero, alone.per_channel) == ((), False, True)
    assert channelwise()(call).weights == {}
