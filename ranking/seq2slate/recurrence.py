"""An LSTM along whole sequences of data, with its gradient by hand: few, fused operations a step either way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def lstm_along(
    inputs: tf.Tensor, weights: list[tf.Tensor], state: list[tf.Tensor], present: tf.Tensor
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The outputs of an LSTM cell over a sequence and its last state.

    What Keras' LSTM layer computes: gates i, f, o by the logistic function and the candidate g by tanh,
    `c' = f c + i g`, `h' = o tanh(c')`. A step that is not present leaves the state as it was.

    Args:
        inputs: float `[steps, batch, features]`, data: no gradient reaches them.
        weights: of a Keras LSTM: kernel `[features, 4 rho]`, recurrent kernel `[rho, 4 rho]`, bias `[4 rho]`, in
            gate order i, f, g, o.
        state: first hidden and cell state, two floats `[batch, rho]`.
        present: bool `[steps, batch, 1]`.

    Returns:
        Hidden states after every step, float `[steps, batch, rho]`, and the last hidden and cell state.
    """
    kernel, recurrent, bias = weights
    outputs, hidden, cell = _recurrence(inputs, tf.concat([kernel, recurrent], axis=0), bias, *state, present)
    return outputs, [hidden, cell]


@tf.custom_gradient
def _recurrence(
    inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor, present: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable]:
    """`lstm_along` with one kernel for `[x, h]`; differentiating the loop would keep and move far more a step."""
    steps, (width, features) = tf.shape(inputs)[0], (hidden.shape[1], inputs.shape[2])

    def forward(step: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor, *kept: tf.TensorArray) -> tuple:
        read = tf.concat([inputs[step], hidden], axis=1)
        gates, squashed, *after = _cell_step(tf.matmul(read, kernel), bias, hidden, cell, present[step])
        parts = (after[0], gates, squashed, cell, read)
        kept = tuple(array.write(step, part) for array, part in zip(kept, parts, strict=True))
        return step + 1, *after, *kept

    widths = (width, 4 * width, width, width, features + width)
    kept = (tf.TensorArray(inputs.dtype, steps, element_shape=[None, size]) for size in widths)
    _, last_hidden, last_cell, outputs, *kept = tf.while_loop(
        lambda step, *_: step < steps, forward, (0, hidden, cell, *kept), maximum_iterations=steps
    )

    def gradient(of_outputs: tf.Tensor, of_hidden: tf.Tensor, of_cell: tf.Tensor) -> tuple:
        back = tf.transpose(kernel[features:])

        def backward(step: tf.Tensor, of_hidden: tf.Tensor, of_cell: tf.Tensor, *of_weights: tf.Tensor) -> tuple:
            of_kernel, of_bias = of_weights
            # Read where they stand: to stack them would cost another pass over the memory.
            gates, squashed, cell, read = (array.read(step) for array in kept)
            *of_gates, passed, of_cell = _cell_gradient(
                gates, squashed, cell, present[step], of_hidden + of_outputs[step], of_cell
            )
            of_product = tf.concat(of_gates, axis=1)
            return (
                step - 1,
                tf.matmul(of_product, back) + passed,
                of_cell,
                of_kernel + tf.matmul(read, of_product, transpose_a=True),
                of_bias + tf.reduce_sum(of_product, axis=0),
            )

        start = (steps - 1, of_hidden, of_cell, tf.zeros_like(kernel), tf.zeros_like(bias))
        _, of_hidden, of_cell, of_kernel, of_bias = tf.while_loop(
            lambda step, *_: step >= 0, backward, start, maximum_iterations=steps
        )
        return None, of_kernel, of_bias, of_hidden, of_cell, None

    return (outputs.stack(), last_hidden, last_cell), gradient


@tf.function(jit_compile=True, autograph=False)
def _cell_step(
    product: tf.Tensor, bias: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor, present: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Gates i, f, g and o of one step, float `[batch, 4 rho]`; tanh of its new cell state; the states after it.

    Args:
        product: float `[batch, 4 rho]`, `W x + U h`.
        bias: float `[4 rho]`.
        hidden, cell: float `[batch, rho]`, the states before it.
        present: bool `[batch, 1]`.
    """
    # One tanh serves all gates: the logistic function of z is (1 + tanh(z / 2)) / 2.
    scale = np.repeat([0.5, 0.5, 1.0, 0.5], hidden.shape[1]).astype(cell.dtype.as_numpy_dtype)
    gates = tf.tanh((product + bias) * scale) * scale + np.where(scale < 1, scale, 0)
    i, f, g, o = tf.split(gates, 4, axis=1)
    new_cell = f * cell + i * g
    squashed = tf.tanh(new_cell)
    return gates, squashed, tf.where(present, o * squashed, hidden), tf.where(present, new_cell, cell)


@tf.function(jit_compile=True, autograph=False)
def _cell_gradient(
    gates: tf.Tensor,
    squashed: tf.Tensor,
    cell: tf.Tensor,
    present: tf.Tensor,
    of_hidden: tf.Tensor,
    of_cell: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Gradients of one step with respect to what the gates i, f, g and o are made of, and to the states before it.

    Args:
        gates, squashed: of the step, see `_cell_step`.
        cell: float `[batch, rho]`, the cell state before it.
        present: bool `[batch, 1]`.
        of_hidden, of_cell: float `[batch, rho]`, gradients of the states after it.

    Returns:
        Six floats `[batch, rho]`: of the four gates; of the hidden state as far as it only passes, at steps that
        are not present; of the cell state.
    """
    i, f, g, o = tf.split(gates, 4, axis=1)
    here, passed = tf.where(present, of_hidden, 0), tf.where(present, tf.zeros_like(of_hidden), of_hidden)
    of_new_cell = tf.where(present, of_cell + here * o * (1 - squashed**2), 0)
    return (
        of_new_cell * g * i * (1 - i),
        of_new_cell * cell * f * (1 - f),
        of_new_cell * i * (1 - g**2),
        here * squashed * o * (1 - o),
        passed,
        tf.where(present, of_new_cell * f, of_cell),
    )
