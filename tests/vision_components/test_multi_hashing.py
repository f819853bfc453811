"""Structured multi-hashing: budgets are kept, every variable is used, and plain models come back out."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from seriatim_errors import DataError
from tests.vision_components.networks import images, network
from vision_components.backbones import mobilenet, resnet
from vision_components.multi_hashing import (
    HashedConv2D,
    HashedDense,
    HashPool,
    PlainHashPool,
    hash_model,
    materialize,
    pool_of,
    pool_shape,
    sizes_of,
)


@given(weights=st.integers(1, 10**7), share=st.floats(0.001, 1))
def test_the_pool_is_as_large_as_the_budget_allows_and_no_larger(weights, share):
    side = math.isqrt(weights - 1) + 1
    budget = max(2 * side, int(weights * share))
    shape = pool_shape(weights, budget)
    assert shape.variables <= budget < shape.variables + shape.rows + shape.columns
    assert shape.rows * shape.columns >= weights > (shape.rows - 1) * shape.columns
    assert shape.columns == side


def test_resnet_32_uses_every_row():
    """A square would leave the last of its 682 rows without a weight."""
    shape = pool_shape(464_432, 46_443)
    assert (shape.rows, shape.columns) == (681, 682)


def test_layers_take_slices_one_after_the_other_until_none_are_left():
    pool = HashPool(100, 60, seed=0)
    assert [pool.take(size, "layer") for size in (10, 50, 40)] == [0, 10, 60]
    with pytest.raises(DataError, match="needs 1 weights, and 0 of 100"):
        pool.take(1, "layer")


def test_slices_of_a_model_are_in_order_and_cover_the_pool():
    model = hash_model(network(), fraction=0.3)
    layers = [layer for layer in model.layers if hasattr(layer, "offsets")]
    end = 0
    for layer in layers:
        assert layer.offsets["kernel"] == end
        end += int(tf.size(layer.generated("kernel")))
    assert end == pool_of(model).num_weights == pool_of(model).taken


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_sizes_add_up(fraction):
    plain = network(width=8)
    kernels = sum(int(tf.size(layer.kernel)) for layer in plain.layers if hasattr(layer, "kernel"))
    sizes = sizes_of(hash_model(plain, fraction=fraction))
    hashed = sum(hasattr(layer, "kernel") for layer in plain.layers)
    assert sizes.weights == kernels
    assert sizes.pool == pool_shape(kernels, int(kernels * fraction)).variables
    assert sizes.scales == hashed
    assert sizes.unhashed == sum(int(tf.size(weight)) for weight in plain.trainable_weights) - kernels
    assert sizes.trainable == sizes.pool + sizes.scales + sizes.unhashed


def test_batch_normalisation_is_never_hashed():
    plain = network()
    model = hash_model(plain, fraction=0.3, include=("kernel", "bias"))
    norms = [
        [layer for layer in one.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
        for one in (plain, model)
    ]
    assert [len(layer.trainable_weights) for layer in norms[1]] == [2] * len(norms[0])
    assert sizes_of(model).unhashed == sum(2 * layer.gamma.shape[0] for layer in norms[0])


def test_gradients_reach_every_variable_and_are_those_of_finite_differences():
    pool = HashPool(37, 50, seed=1)
    target = np.random.default_rng(0).normal(size=37).astype(np.float32)

    def loss():
        return tf.reduce_sum((tf.concat([pool.weights_at(0, 20), pool.weights_at(20, 17)], 0) - target) ** 2)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, pool.trainable_weights)
    for variable, gradient in zip(pool.trainable_weights, gradients, strict=True):
        assert np.all(gradient.numpy() != 0)
        for place in np.ndindex(*variable.shape):
            old, step = variable.numpy(), np.zeros(variable.shape, np.float32)
            step[place] = 1e-2
            variable.assign(old + step)
            above = loss()
            variable.assign(old - step)
            slope = (above - loss()) / 2e-2
            variable.assign(old)
            assert slope.numpy() == pytest.approx(gradient.numpy()[place], rel=0.02, abs=0.02)


@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_weights_begin_with_a_standard_deviation_of_one(distribution):
    pool = HashPool(250_000, 34 * 1000, distribution, seed=3)
    weights = pool.weights_at(0, 250_000).numpy()
    assert pool.shape.hashes == 34
    assert weights.std() == pytest.approx(1, abs=0.03)
    if distribution == "normal":
        excess = ((weights - weights.mean()) ** 4).mean() / weights.var() ** 2 - 3
        assert excess == pytest.approx(6 / 34, abs=0.08)


def test_layers_begin_with_their_scale():
    model = hash_model(network(width=32), fraction=0.4, seed=1)
    for layer in model.layers:
        if isinstance(layer, HashedConv2D) and layer.kernel_size == (3, 3):
            assert np.std(layer.generated("kernel")) == pytest.approx(math.sqrt(2 / (9 * layer.filters)), rel=0.15)


def test_the_whole_has_low_rank_and_single_kernels_have_not():
    pool = HashPool(64 * 64, 3 * 128, seed=0)
    whole = pool.weights_at(0, 64 * 64).numpy().reshape(64, 64)
    assert np.linalg.matrix_rank(whole) == pool.shape.hashes == 3
    # A kernel whose rows are shorter than those of the matrix cuts it into pieces.
    kernel = pool.weights_at(100, 400).numpy().reshape(20, 20)
    assert np.linalg.matrix_rank(kernel) > 3


def test_slices_are_those_of_the_full_product():
    pool = HashPool(1000, 200, seed=0)
    full = tf.reshape(pool.left @ pool.right, [-1]).numpy()
    for offset, size in ((0, 1000), (0, 1), (31, 33), (64, 500), (999, 1)):
        np.testing.assert_allclose(pool.weights_at(offset, size), full[offset : offset + size], atol=1e-6)


BUILDERS = {
    "resnet": lambda: network(width=8),
    "mobilenet": lambda: mobilenet(4, width=0.25),
    "nested": lambda: nested(network(width=4)),
    "sequential": lambda: tf.keras.Sequential(
        [tf.keras.Input((16, 16, 3)), tf.keras.layers.Conv2D(8, 3), tf.keras.layers.Flatten(), tf.keras.layers.Dense(4)]
    ),
}


def nested(inner):
    image = tf.keras.Input((16, 16, 3))
    shared = tf.keras.layers.Dense(4, name="shared")
    return tf.keras.Model(image, shared(shared(inner(image))))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("include", [("kernel",), ("kernel", "bias")])
def test_a_plain_model_with_the_same_answers_comes_back_out(name, include):
    plain, pixels = BUILDERS[name](), images(4)
    hashed = hash_model(plain, fraction=0.3, include=include)
    hashed(pixels, training=True)
    for weight in hashed.trainable_weights:
        weight.assign_add(0.05 * tf.ones_like(weight))
    out = materialize(hashed)
    np.testing.assert_allclose(out(pixels), hashed(pixels), rtol=1e-5, atol=1e-5)
    assert out.count_params() == plain.count_params()
    assert not any(hasattr(layer, "pool") and hasattr(layer, "offsets") for layer in out.layers)


def test_a_hashed_model_is_saved_and_loaded_with_one_pool(tmp_path):
    pixels, model = images(3), hash_model(network(), fraction=0.3, seed=4)
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(pixels), model(pixels))
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    assert sizes_of(loaded) == sizes_of(model)


def test_a_description_without_the_shared_pool_is_refused():
    model = hash_model(network(), fraction=0.3)
    with pytest.raises(DataError, match=r"use Model.save"):
        tf.keras.models.clone_model(model)


def test_one_seed_gives_one_model():
    one, same, other = (hash_model(network(), fraction=0.3, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(pool_of(one).left, pool_of(same).left)
    assert np.any(pool_of(one).left.numpy() != pool_of(other).left.numpy())
    assert np.any(pool_of(one).left.numpy()[0] != pool_of(one).right.numpy()[:, 0])


def test_a_checkpoint_is_as_large_as_its_budget(tmp_path):
    plain, sizes = network(width=16), {}
    for budget in (8_000, 16_000, 24_000):
        model = hash_model(plain, budget=budget)
        model.save_weights(tmp_path / f"{budget}.weights.h5")
        sizes[budget] = (tmp_path / f"{budget}.weights.h5").stat().st_size - 4 * sizes_of(model).pool
    assert max(sizes.values()) - min(sizes.values()) < 200


def test_half_precision_computes_weights_in_single_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = hash_model(resnet(8, 4, width=4), fraction=0.3)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    layer = model.get_layer("stem_conv")
    assert layer.generated("kernel").dtype == tf.float32
    assert layer.kernel.dtype == tf.bfloat16
    assert model(images(2)).dtype == tf.bfloat16


def test_fixed_scales_are_no_variables():
    learnable, fixed = (hash_model(network(), fraction=0.3, scale=scale) for scale in ("learnable", "fixed"))
    assert sizes_of(fixed).scales == 0
    assert sizes_of(learnable).trainable - sizes_of(fixed).trainable == sizes_of(learnable).scales


def test_without_a_size_the_model_is_copied():
    plain, pixels = network(), images(3)
    np.testing.assert_array_equal(hash_model(plain)(pixels), plain(pixels))


def test_excluded_layers_keep_their_weights():
    model = hash_model(network(), fraction=0.3, exclude=["stem_conv", "logits"])
    assert not hasattr(model.get_layer("stem_conv"), "offsets")
    assert isinstance(model.get_layer("logits"), tf.keras.layers.Dense)
    assert not isinstance(model.get_layer("logits"), HashedDense)


@pytest.mark.parametrize("hashes", [1, 2, 10])
def test_plain_hashing_shares_variables_by_chance(hashes):
    pool = PlainHashPool(20_000, 2_000, hashes, seed=1)
    weights = pool.weights_at(0, 20_000).numpy()
    assert weights.std() == pytest.approx(1, abs=0.06)
    np.testing.assert_array_equal(pool.weights_at(50, 10), weights[50:60])
    assert len(np.unique(weights)) <= 2_000 if hashes == 1 else len(np.unique(weights)) > 2_000
    model = hash_model(network(), fraction=0.3, plain_hashes=hashes)
    assert sizes_of(model).pool <= 0.3 * sizes_of(model).weights


def digits():
    data = load_digits()
    pixels = np.repeat(data.images[..., np.newaxis] * (255 / 16), 3, axis=-1).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(pixels))
    return (pixels[order[:1200]], data.target[order[:1200]]), (pixels[order[1200:]], data.target[order[1200:]])


@pytest.mark.slow
def test_a_pool_of_full_size_learns_nearly_as_well_as_the_plain_model():
    train, test = digits()
    tf.keras.utils.set_random_seed(0)
    plain = resnet(8, 10, width=8)
    reached = {}
    for name, model in {"plain": plain, "hashed": hash_model(plain, fraction=1.0)}.items():
        model.compile(
            tf.keras.optimizers.Adam(0.01),
            tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            ["accuracy"],
        )
        model.fit(*train, batch_size=64, epochs=8, verbose=0)
        reached[name] = model.evaluate(*test, verbose=0)[1]
    assert reached["plain"] > 0.93
    assert reached["hashed"] > reached["plain"] - 0.03


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0.5, "budget": 100}, "give one of the two"),
        ({"fraction": 0.001}, "variables or more"),
        ({"budget": 3}, "variables or more"),
        ({"fraction": 0.5, "include": ("gamma",)}, "include"),
        ({"fraction": 0.5, "exclude": ["nothing"]}, "no layers of network_0"),
        ({"fraction": 0.5, "scale": "none"}, "give learnable or fixed"),
        ({"fraction": 0.5, "distribution": "cauchy"}, "give normal, truncated_normal or uniform"),
        ({"fraction": 0.5, "plain_hashes": 0}, "hashes 0"),
    ],
)
def test_what_cannot_be_hashed_is_named(settings, message):
    with pytest.raises(DataError, match=message):
        hash_model(network(), **settings)


def test_a_model_without_weights_to_hash_is_named():
    with pytest.raises(DataError, match="no weights to hash"):
        hash_model(tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.ReLU()]), fraction=0.5)
    with pytest.raises(DataError, match="give a model that hash_model made"):
        pool_of(network())
    with pytest.raises(DataError, match="num_weights 0"):
        HashPool(0, 10)
    with pytest.raises(DataError, match="num_weights 0"):
        pool_shape(0, 10)
