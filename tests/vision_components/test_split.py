"""Cutting networks: legal cuts, composition, and what is said of others."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import images, network
from vision_components.backbones import efficientnet, mobilenet
from vision_components.distillation import residual_student, split
from vision_components.model_graph import ModelGraph

Layers = tf.keras.layers


def stack():
    return tf.keras.Sequential(
        [
            tf.keras.Input((16, 16, 3)),
            Layers.Conv2D(4, 3, name="first"),
            Layers.ReLU(name="active"),
            Layers.Conv2D(4, 3, name="second"),
            Layers.GlobalAveragePooling2D(name="pooled"),
            Layers.Dense(3, name="logits"),
        ]
    )


MODELS = {
    "resnet": lambda: network(depth=14),
    "mobilenet": lambda: mobilenet(4, width=0.25),
    "efficientnet": lambda: efficientnet(4, width=0.25),
    "sequential": stack,
    "two heads": lambda: network(embedding_width=4),
    "keras": lambda: tf.keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=4),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_parts_make_the_whole(name):
    model = MODELS[name]()
    pixels = images(2, side=32 if name == "keras" else 16)
    parts = split(model)
    assert len(parts.neighbourhoods) >= (1 if name == "sequential" else 4)
    tf.nest.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6), parts.compose()(pixels), model(pixels)
    )


def test_residual_networks_are_cut_behind_their_blocks():
    parts = split(network(depth=14))
    assert [part.name for part in parts.neighbourhoods] == ["stem", *(f"block_{place}" for place in range(1, 7))]
    assert [layer.name for layer in parts.head.layers][1:] == ["pooled", "logits"]


def test_named_boundaries_are_used():
    parts = split(network(depth=14), ["block_2", "block_5"])
    assert [part.name for part in parts.neighbourhoods] == ["block_2", "block_5"]


def test_operations_on_tensors_are_edges_too():
    image = tf.keras.Input((8, 8, 3), name="image")
    one = Layers.Conv2D(3, 1, name="one")(image)
    two = Layers.Conv2D(3, 1, name="two")(one)
    added = tf.nn.relu(two + one, name="added")
    model = tf.keras.Model(image, Layers.Conv2D(2, 1, name="three")(added))
    graph = ModelGraph(model)
    legal = [call.layer for call in graph.cuts()]
    assert "two" not in legal
    assert "one" in legal
    # Keras numbers such layers over all that the process has made.
    assert any("relu" in name for name in legal)


def test_a_layer_that_is_used_twice_is_two_calls():
    image = tf.keras.Input((8, 8, 3), name="image")
    shared = Layers.Conv2D(3, 1, name="shared")
    model = tf.keras.Model(image, Layers.Add(name="sum")([shared(shared(image)), image]))
    graph = ModelGraph(model)
    assert [(call.layer, call.place) for call in graph.order if call.layer == "shared"] == [
        ("shared", 0),
        ("shared", 1),
    ]
    assert [call.layer for call in graph.cuts()] == ["image"]


def test_nested_models_are_one_call_each():
    image = tf.keras.Input((8, 8, 3), name="image")
    inner = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), Layers.Conv2D(3, 1)], name="inner")
    model = tf.keras.Model(image, Layers.Dense(2, name="head")(inner(Layers.ReLU(name="active")(inner(image)))))
    assert [call.layer for call in ModelGraph(model).cuts()] == ["image", "inner", "active", "inner"]


@pytest.mark.parametrize(
    ("boundaries", "message"),
    [
        (["block_1_first"], "more than one tensor crosses a cut behind it; legal near it are stem, block_1"),
        (["block_9"], "no layer of network_0; its legal cuts are image, scaled, stem_conv"),
        (["block_2", "block_1"], "not in the order"),
        (["block_1", "block_1"], "name each once"),
        (["block_1", "logits"], "no head is left"),
        ([], "no boundaries"),
    ],
)
def test_illegal_cuts_are_refused_with_legal_ones(boundaries, message):
    with pytest.raises(DataError, match=message):
        split(network(), boundaries)


def test_models_without_a_graph_are_refused():
    class Own(tf.keras.Model):
        def call(self, rows):
            return rows

    with pytest.raises(DataError, match="build a functional one"):
        split(Own())
    with pytest.raises(DataError, match="is not built"):
        split(tf.keras.Sequential([Layers.Dense(3)]))


def test_a_student_of_other_shapes_is_refused_by_name():
    parts = split(network())
    wrong = residual_student(parts.neighbourhoods[2])
    with pytest.raises(DataError, match=r"of 'block_1' maps \(None, None, 4\) to \(None, None, 8\), the neighbourhood"):
        parts.compose({"block_1": wrong})


def test_parts_that_are_no_blocks_have_no_residual_students():
    parts = split(stack(), ["active", "pooled"])
    with pytest.raises(DataError, match="a block keeps or halves it"):
        residual_student(parts.neighbourhoods[0])
    with pytest.raises(DataError, match="give a part for pictures"):
        residual_student(parts.neighbourhoods[1])
