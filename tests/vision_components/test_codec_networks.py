"""GDN and the networks of the image codec."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError
from tests.vision_components.coded import TINY
from vision_components.codec.design import CodecDesign, decoder_macs, hyper_decoder_macs
from vision_components.codec.gdn import GDN, activation, at_least
from vision_components.codec.networks import analysis, hyper_analysis, hyper_synthesis, synthesis
from vision_components.codec.onnx_decoder import export_decoder, onnx_decoder
from vision_components.multiply_adds import count_macs

FORMS = [(2.0, 0.5), (1.0, 1.0), (1.5, 0.7)]


def values(channels=4, seed=0, spread=3.0):
    return np.random.default_rng(seed).normal(0, spread, (2, 5, 6, channels)).astype(np.float32)


def layer(channels=4, seed=0, **settings):
    rng = np.random.default_rng(seed)
    made = GDN(**settings)
    made.build((None, None, None, channels))
    made.set_values(rng.uniform(0.1, 2, channels), rng.uniform(0, 0.5, (channels, channels)))
    return made


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("alpha", "epsilon"), FORMS)
def test_normalisation_is_its_formula(alpha, epsilon, inverse):
    made, x = layer(inverse=inverse, alpha=alpha, epsilon=epsilon), values()
    beta, gamma = made.beta.numpy(), made.gamma.numpy()
    pool = np.zeros_like(x)
    for i in range(4):
        pool[..., i] = beta[i] + sum(gamma[j, i] * np.abs(x[..., j]) ** alpha for j in range(4))
    expected = x * pool**epsilon if inverse else x / pool**epsilon
    np.testing.assert_allclose(made(x).numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("alpha", "epsilon"), FORMS)
def test_without_gamma_and_with_beta_one_it_is_the_identity(alpha, epsilon, inverse):
    made, x = layer(inverse=inverse, alpha=alpha, epsilon=epsilon), values()
    made.set_values(np.ones(4), np.zeros((4, 4)))
    assert (made.gamma.numpy() == 0).all()
    np.testing.assert_allclose(made(x).numpy(), x, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "epsilon"), FORMS)
def test_it_is_odd(alpha, epsilon):
    made, x = layer(alpha=alpha, epsilon=epsilon), values()
    np.testing.assert_allclose(made(-x).numpy(), -made(x).numpy(), rtol=1e-6)


def test_the_cheap_form_with_a_diagonal_gamma_is_bounded():
    made, gamma = layer(), np.array([0.1, 0.5, 1.0, 2.0])
    made.set_values(np.ones(4), np.diag(gamma))
    said = np.abs(made(1e4 * values()).numpy())
    assert (said <= 1 / gamma * (1 + 1e-5)).all()
    np.testing.assert_allclose(said.max(axis=(0, 1, 2)), 1 / gamma, rtol=0.01)


@given(st.lists(st.booleans(), min_size=4, max_size=4).filter(any), st.sampled_from(FORMS), st.booleans())
@settings(max_examples=30)
def test_cutting_channels_out_is_the_same_as_setting_them_to_zero(kept, form, inverse):
    kept = np.array(kept)
    whole, x = layer(inverse=inverse, alpha=form[0], epsilon=form[1]), values() * kept
    masked = whole(x).numpy()
    small = GDN(inverse, *form)
    small.build((None, None, None, kept.sum()))
    beta, gamma = whole.get_weights()
    small.set_weights([beta[kept], gamma[kept][:, kept]])
    np.testing.assert_allclose(small(x[..., kept]).numpy(), masked[..., kept], rtol=1e-5)
    assert (masked[..., ~kept] == 0).all()


def test_values_below_their_bound_come_back_and_go_no_further():
    variable = tf.Variable([-1.0, -1.0, 2.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(at_least(variable, 0.5) * [1.0, -1.0, 1.0])
    assert tape.gradient(loss, variable).numpy().tolist() == [0, -1, 1]


def test_parameters_stay_in_their_range_whatever_the_steps():
    made, x = layer(), values()
    optimizer = tf.keras.optimizers.SGD(10.0)
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_sum(tf.square(made(x)))
        optimizer.minimize(loss, made.trainable_variables, tape)
    assert made.beta.numpy().min() >= 1e-6 * 0.9
    assert made.gamma.numpy().min() >= 0
    assert np.isfinite(made(x).numpy()).all()


@pytest.mark.parametrize("kind", ["gdn", "gdn1", "relu"])
def test_a_decoder_survives_its_file_exactly(kind, tmp_path):
    tf.keras.utils.set_random_seed(0)
    network = synthesis(5, (4, 3, 4), kind)
    network.set_weights([value + np.random.default_rng(0).normal(0, 0.1, value.shape) for value in network.weights])
    network.save(tmp_path / "decoder.keras")
    again = tf.keras.models.load_model(tmp_path / "decoder.keras", compile=False)
    latents = values(5)
    np.testing.assert_array_equal(again(latents).numpy(), network(latents).numpy())
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in network.layers]


@pytest.mark.parametrize("kind", ["gdn", "gdn1"])
def test_a_decoder_is_the_same_in_onnx_for_pictures_of_any_size(kind, tmp_path):
    tf.keras.utils.set_random_seed(0)
    network = synthesis(5, (4, 3, 4), kind)
    export_decoder(network, tmp_path / "decoder.onnx")
    drawn = onnx_decoder(tmp_path / "decoder.onnx")
    for size in ((1, 1), (3, 7), (9, 2)):
        latents = np.random.default_rng(1).normal(0, 3, (1, *size, 5)).astype(np.float32)
        np.testing.assert_allclose(drawn(latents), network(latents).numpy(), atol=1e-5)


@pytest.mark.parametrize("settings", [{"alpha": 0}, {"epsilon": -1}, {"alpha": float("nan")}])
def test_exponents_that_are_not_above_zero_are_refused(settings):
    with pytest.raises(DataError, match="above 0"):
        GDN(**settings)


def test_an_unknown_activation_is_refused_by_name():
    with pytest.raises(DataError, match="'swish'"):
        activation("swish")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoder": (4, 4)}, "encoder widths"),
        ({"latents": 0}, "latents width 0"),
        ({"decoder": (4, 4.5, 4)}, "4.5"),
        ({"hyper_decoder": (1, 9999)}, "9999"),
    ],
)
def test_a_design_that_cannot_be_built_is_refused_by_name(settings, words):
    with pytest.raises(DataError, match=words):
        CodecDesign(**settings)


def test_sides_shrink_and_grow_by_sixteen_and_sixty_four():
    latents = analysis(TINY)(np.zeros((1, 128, 64, 3), np.float32))
    hyper = hyper_analysis(TINY)(latents)
    assert latents.shape == (1, 8, 4, TINY.latents)
    assert hyper.shape == (1, 2, 1, TINY.hyper_encoder[-1])
    assert hyper_synthesis(TINY)(hyper).shape == (1, 8, 4, 2 * TINY.latents)
    assert synthesis(TINY.latents, TINY.decoder)(latents).shape == (1, 128, 64, 3)


@pytest.mark.parametrize(
    ("widths", "latents", "cost"), [((192, 192, 192), 192, 91296), ((192,) * 3, 320, 93696), ((79, 22, 43), 192, 5034)]
)
def test_the_formula_gives_the_multiply_adds_of_published_decoders(widths, latents, cost):
    assert decoder_macs(latents, widths) == pytest.approx(cost, abs=0.6)


@pytest.mark.parametrize(("widths", "cost"), [((320, 320), 6725), ((76, 107), 1551)])
def test_the_formula_gives_the_multiply_adds_of_published_hyper_decoders(widths, cost):
    assert hyper_decoder_macs(320, widths, 320) == pytest.approx(cost, abs=0.6)


@pytest.mark.parametrize("kind", ["gdn", "gdn1", "relu"])
@pytest.mark.parametrize("widths", [(6, 5, 4), (3, 9, 2)])
def test_the_formula_is_what_is_counted_in_the_graph(widths, kind):
    counted = count_macs(synthesis(7, widths, kind), (4, 6, 7))
    assert decoder_macs(7, widths, kind) * 64 * 96 == pytest.approx(counted)


def test_the_hyper_decoders_formula_is_what_is_counted_in_the_graph():
    counted = count_macs(hyper_synthesis(TINY), (2, 3, TINY.hyper_encoder[-1]))
    expected = hyper_decoder_macs(TINY.hyper_encoder[-1], TINY.hyper_decoder, 2 * TINY.latents)
    assert expected * 128 * 192 == pytest.approx(counted)
