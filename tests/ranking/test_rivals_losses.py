"""The losses of the one-shot rivals against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ranking.rivals.losses import attention_rank_loss, softmax_loss

LOSSES = [softmax_loss, attention_rank_loss]


def by_hand(logits: list[float], labels: list[float], attention: bool) -> float:
    """One list without padding, in plain Python."""
    total = sum(math.exp(value) for value in logits)
    p = [math.exp(value) / total for value in logits]
    worth = [(math.exp(label) if attention else label) if label > 0 else 0.0 for label in labels]
    a = [value / sum(worth) for value in worth]
    loss = -sum(a_i * math.log(p_i) for a_i, p_i in zip(a, p, strict=True) if a_i > 0)
    if attention:
        loss -= sum((1 - a_i) * math.log(1 - p_i) for a_i, p_i in zip(a, p, strict=True) if a_i < 1)
    return loss


@given(st.lists(st.tuples(st.floats(-4, 4), st.integers(0, 3)), min_size=2, max_size=6), st.integers(0, 3))
def test_losses_are_their_definitions_whatever_is_padded(items: list[tuple[float, int]], padding: int) -> None:
    logits, labels = [value for value, _ in items], [float(label) for _, label in items]
    labels[0] = 2.0
    padded = tf.constant([logits + [9.0] * padding]), tf.constant([labels + [-1.0] * padding])
    assert float(softmax_loss(*padded)[0]) == pytest.approx(by_hand(logits, labels, False), rel=1e-4, abs=1e-5)
    assert float(attention_rank_loss(*padded)[0]) == pytest.approx(by_hand(logits, labels, True), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_finite_differences_and_zero_at_padding(loss: object) -> None:
    assert callable(loss)
    logits = np.random.default_rng(0).normal(size=(3, 5))
    labels = tf.constant([[1, 0, 2, 0, -1], [0, 1, 0, 0, 0], [0, 3, -1, 0, 0]], tf.float32)
    variable = tf.Variable(logits, dtype=tf.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(variable, labels))
    gradient = tape.gradient(total, variable).numpy()
    assert (gradient[labels.numpy() < 0] == 0).all()
    step = 1e-2
    for place in np.ndindex(logits.shape):
        moved = [logits.copy(), logits.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (float(tf.reduce_sum(loss(tf.constant(x, tf.float32), labels))) for x in moved)
        assert gradient[place] == pytest.approx((up - down) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_and_single_items_give_finite_losses_and_gradients(loss: object) -> None:
    assert callable(loss)
    variable = tf.Variable([[500.0, -500.0, 0.0], [3.0, 0.0, 0.0]])
    labels = tf.constant([[0.0, 1.0, 0.0], [1.0, -1.0, -1.0]])
    with tf.GradientTape() as tape:
        losses = loss(variable, labels)
    assert np.isfinite(losses.numpy()).all()
    assert np.isfinite(tape.gradient(losses, variable).numpy()).all()
    assert losses.numpy()[1] == 0
