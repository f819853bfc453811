"""The pointer network and its decoding, against enumeration."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.seq2slate import SlateConstraints, decode, decoding, greedy_choice, sampled_choice
from tests.ranking.tiny_seq2slate import (
    ARCHITECTURES,
    ENCODERS,
    FEATURES,
    Architecture,
    all_slates,
    decoded_along,
    random_items,
    slate_probabilities,
    tiny_model,
)

MODELS = {architecture: tiny_model(**architecture._asdict()) for architecture in ARCHITECTURES}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("list_size", "steps"), [(1, 1), (2, 2), (4, 4), (5, 5), (5, 2)])
def test_probabilities_of_all_slates_sum_to_one(architecture, list_size, steps):
    decoded = decoded_along(MODELS[architecture], random_items(1, list_size), all_slates(list_size, steps))
    assert slate_probabilities(decoded).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_a_temperature_changes_the_probabilities_and_their_sum_stays_one(temperature):
    model, items, slates = tiny_model(), random_items(1, 4), all_slates(4)
    plain = slate_probabilities(decoded_along(model, items, slates))
    tempered = slate_probabilities(decoded_along(model, items, slates, temperature=temperature))
    assert tempered.sum() == pytest.approx(1, abs=1e-12)
    assert (tempered.max() > plain.max()) == (temperature < 1)


@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    extra=st.integers(0, 3),
    steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
    architecture=st.sampled_from(ARCHITECTURES),
)
@settings(max_examples=25, deadline=None)
def test_results_depend_neither_on_padding_nor_on_batch_mates(sizes, extra, steps, seed, architecture):
    model = MODELS[architecture]
    width = max(max(sizes), 1) + extra
    mask = np.arange(width)[None, :] < np.array(sizes)[:, None]
    # Padding holds garbage: nothing may read it.
    together = decode(model, random_items(len(sizes), width, seed), mask, steps, greedy_choice())
    for row, size in enumerate(sizes):
        order = together.order.numpy()[row]
        placed = min(size, steps)
        assert len(set(order[:placed])) == placed
        assert set(order[:placed]) <= set(range(size))
        assert (order[placed:] == -1).all()
        assert (together.log_probabilities.numpy()[row, placed:] == 0).all()
        if size:
            items = random_items(len(sizes), width, seed)[row : row + 1, :size]
            alone = decode(model, items, np.ones((1, size), bool), steps, greedy_choice())
            assert (order == alone.order.numpy()[0]).all()
            np.testing.assert_allclose(together.logits.numpy()[row, :, :size], alone.logits.numpy()[0], atol=1e-12)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_permuting_the_input_changes_the_logits_unless_the_encoder_reads_a_set(encoder):
    model, items, mask = tiny_model(encoder=encoder), random_items(1, 4), np.ones((1, 4), bool)
    forward = decode(model, items, mask, 1, greedy_choice()).logits.numpy()[0, 0]
    backward = decode(model, items[:, ::-1], mask, 1, greedy_choice()).logits.numpy()[0, 0]
    difference = np.abs(forward - backward[::-1]).max()
    assert difference < 1e-12 if encoder == "set_transformer" else difference > 1e-3


def test_the_pointer_follows_the_papers_formula():
    model, items = tiny_model(), random_items(1, 3)
    encoder_weights, decoder_weights = model.encoder.lstm.get_weights(), model.decoder.get_weights()
    hidden = cell = np.zeros(4)
    codes = []
    for item in items[0]:
        hidden, cell = lstm_step(item, hidden, cell, *encoder_weights)
        codes.append(hidden @ model.encoder_projection.get_weights()[0])
    inputs, remaining = model.first_input.numpy(), [0, 1, 2]
    decoded = decode(model, items, np.ones((1, 3), bool), 3, greedy_choice())
    for step in range(3):
        hidden, cell = lstm_step(inputs, hidden, cell, *decoder_weights)
        pointed = hidden @ model.decoder_projection.get_weights()[0]
        logits = np.array([model.attention.numpy() @ np.tanh(codes[i] + pointed) for i in remaining])
        np.testing.assert_allclose(decoded.logits.numpy()[0, step][remaining], logits, atol=1e-12)
        chosen = remaining[int(logits.argmax())]
        assert decoded.order.numpy()[0, step] == chosen
        log_p = logits.max() - np.log(np.exp(logits).sum())
        assert decoded.log_probabilities.numpy()[0, step] == pytest.approx(log_p)
        inputs = items[0, chosen]
        remaining.remove(chosen)


def lstm_step(inputs, hidden, cell, kernel, recurrent, bias):
    i, f, c, o = np.split(inputs @ kernel + hidden @ recurrent + bias, 4)
    cell = cell / (1 + np.exp(-f)) + np.tanh(c) / (1 + np.exp(-i))
    return np.tanh(cell) / (1 + np.exp(-o)), cell


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampled_slates_follow_the_models_probabilities(temperature):
    model, items, draws = tiny_model(), random_items(1, 3), 20_000
    expected = slate_probabilities(decoded_along(model, items, all_slates(3), temperature=temperature))
    repeated = tf.repeat(tf.constant(items), draws, axis=0)
    sampled = decode(
        model, repeated, tf.ones((draws, 3), tf.bool), 3, sampled_choice(tf.constant([1, 2])), temperature=temperature
    ).order.numpy()
    observed = np.array([(sampled == slate).all(axis=1).mean() for slate in all_slates(3)])
    assert np.abs(observed - expected).max() < 4 * np.sqrt(0.25 / draws)


def test_a_slate_that_repeats_an_item_has_probability_zero():
    decoded = decoded_along(tiny_model(), random_items(1, 3), np.array([[0, 0, 1]]))
    assert slate_probabilities(decoded) == 0


def test_equal_items_keep_their_base_order_under_a_set_encoder():
    items = np.repeat(random_items(1, 1), 4, axis=1)
    decoded = decode(MODELS[Architecture("set_transformer")], items, np.ones((1, 4), bool), 4, greedy_choice())
    assert decoded.order.numpy().tolist() == [[0, 1, 2, 3]]
    assert items.shape == (1, 4, FEATURES)


@pytest.mark.parametrize("levels", [0, 2])
def test_long_slates_decode_in_a_graph_loop_to_the_same_result_and_gradient(monkeypatch, levels):
    model, items, mask = (
        tiny_model(nearness_levels=levels),
        random_items(3, 6),
        np.arange(6)[None, :] < np.array([6, 4, 1])[:, None],
    )
    constraints = SlateConstraints(mask, pinned=np.array([[0, 3, 0, 0, 0, 0], [0] * 6, [0] * 6]))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, FEATURES], tf.float64), tf.TensorSpec([None, None], tf.bool)]
    )
    def looped(items, mask):
        with tf.GradientTape() as tape:
            decoded = decode(model, items, mask, 7, sampled_choice(tf.constant([1, 2])), constraints=constraints)
            total = tf.reduce_sum(decoded.log_probabilities)
        return decoded, tape.gradient(total, model.trainable_variables)

    with tf.GradientTape() as tape:
        unrolled = decode(model, items, mask, 7, sampled_choice(tf.constant([1, 2])), constraints=constraints)
        total = tf.reduce_sum(unrolled.log_probabilities)
    gradient = tape.gradient(total, model.trainable_variables)
    monkeypatch.setattr(decoding, "UNROLLED_STEPS", 6)
    decoded, looped_gradient = looped(items, mask)
    for left, right in zip((*unrolled, *gradient), (*decoded, *looped_gradient), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)
