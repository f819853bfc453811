"""Backbones: sizes of the papers, any image size, two heads, and embeddings that agree."""

import numpy as np
import pytest
import tensorflow as tf

from seriatim_errors import DataError
from tests.vision_components.networks import images, network
from vision_components.backbones import efficientnet, mobilenet, resnet
from vision_components.backbones.training import BackboneTraining
from vision_components.multiply_adds import count_macs

BUILDERS = {
    "resnet": lambda **settings: resnet(8, 5, width=4, **settings),
    "mobilenet": lambda **settings: mobilenet(5, width=0.25, **settings),
    "efficientnet": lambda **settings: efficientnet(5, width=0.25, **settings),
}


@pytest.mark.parametrize(("blocks", "depth"), [(3, 20), (5, 32), (9, 56)])
def test_residual_networks_have_the_familys_size(blocks, depth):
    """Weights by the table of section 4.2: n blocks of two 3x3 convolutions at 16, 32 and 64 channels."""
    kernels = 9 * 3 * 16 + sum(9 * width * width * 2 * blocks for width in (16, 32, 64))
    kernels -= sum(9 * width * width // 2 for width in (32, 64))
    kernels += 16 * 32 + 32 * 64
    model = resnet(depth, 10)
    convolutions = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.Conv2D)]
    assert sum(int(tf.size(layer.kernel)) for layer in convolutions) == kernels
    assert sum("shortcut" not in layer.name for layer in convolutions) + 1 == depth


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("side", [8, 17, 32])
def test_images_of_any_size_have_both_answers(name, side):
    answer = BUILDERS[name](embedding_width=6)(images(2, side=side))
    assert answer["logits"].shape == (2, 5)
    assert answer["embedding"].shape == (2, 6)


@pytest.mark.parametrize("name", BUILDERS)
def test_logits_alone_are_a_tensor(name):
    assert BUILDERS[name]()(images(2)).shape == (2, 5)


@pytest.mark.parametrize("name", BUILDERS)
def test_pixels_are_scaled_inside_and_statistics_follow_fast(name):
    model = BUILDERS[name]()
    scaled = model.get_layer("scaled")(tf.constant([0.0, 127.5, 255.0]))
    np.testing.assert_allclose(scaled, [-1, 0, 1])
    norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in norms} == {0.9}


def test_wider_and_deeper_networks_cost_more():
    sizes = [count_macs(resnet(8, 5, width=width), (16, 16, 3)) for width in (4, 8)]
    assert sizes[0] < sizes[1] < count_macs(resnet(14, 5, width=8), (16, 16, 3))
    assert count_macs(mobilenet(5, width=0.5), (16, 16, 3)) < count_macs(mobilenet(5), (16, 16, 3))
    assert count_macs(efficientnet(5, depth=1), (16, 16, 3)) < count_macs(efficientnet(5, depth=2), (16, 16, 3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: resnet(18, 10), "depth 18; give 6 n"),
        (lambda: resnet(2, 10), "depth 2"),
        (lambda: resnet(8, 1), "classes 1"),
        (lambda: mobilenet(5, embedding_width=0), "embedding_width 0"),
    ],
)
def test_networks_that_there_are_not_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_stages_learn_the_embedding_of_their_teacher():
    pixels = images(64, side=8)
    labels = (pixels.mean(axis=(1, 2)).argmax(axis=1)).astype(np.int64)
    teacher = network(0, width=8, embedding_width=4)
    target = teacher(pixels)["embedding"]
    before = [weight.numpy() for weight in teacher.weights]

    def distance(student):
        return float(tf.reduce_mean((student(pixels)["embedding"] - target) ** 2) / tf.reduce_mean(target**2))

    apart = {}
    for taught in (False, True):
        training = BackboneTraining(network(1, embedding_width=4), teacher if taught else None)
        training.compile(tf.keras.optimizers.Adam(0.01))
        history = training.fit(pixels, labels, batch_size=16, epochs=12, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]
        apart[taught] = distance(training.backbone)
        assert training.evaluate(pixels, labels, verbose=0, return_dict=True)["accuracy"] > 0.6
    assert apart[True] < apart[False] / 2
    for old, new in zip(before, teacher.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_embeddings_of_other_widths_or_none_are_refused():
    with pytest.raises(DataError, match="give one width"):
        BackboneTraining(network(0, embedding_width=4), network(1, embedding_width=5))
    with pytest.raises(DataError, match="build it with embedding_width"):
        BackboneTraining(network(0), network(1, embedding_width=5))
