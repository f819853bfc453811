"""The gate's scorer: linear, or a small multi-layer perceptron without a final bias."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Scorer(tf.Module):
    """Scores items; a last bias would be free, for the threshold follows any shift of all scores.

    Args:
        feature_count: features of an item.
        hidden_sizes: widths of the hidden layers (ReLU); empty for a linear scorer.
        seed: fixes the initial weights.
    """

    def __init__(self, feature_count: int, hidden_sizes: tuple[int, ...], seed: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        widths = (feature_count, *hidden_sizes, 1)
        self.kernels, self.biases = [], []
        for inputs, outputs in itertools.pairwise(widths):
            spread = np.sqrt(2.0 / inputs) if hidden_sizes else 0.0
            self.kernels.append(tf.Variable(rng.normal(0, 1, (inputs, outputs)) * spread, dtype=tf.float32))
        for outputs in hidden_sizes:
            self.biases.append(tf.Variable(tf.zeros(outputs)))

    @property
    def weights(self) -> list[tf.Variable]:
        """All weights: the kernels, then the biases, each from the first layer on."""
        return [*self.kernels, *self.biases]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores float32 `[items]` of standardised features float32 `[items, features]`."""
        hidden = features
        for kernel, bias in zip(self.kernels, self.biases, strict=False):
            hidden = tf.nn.relu(tf.matmul(hidden, kernel) + bias)
        return tf.squeeze(tf.matmul(hidden, self.kernels[-1]), axis=1)

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same in and out of NumPy."""
        return self(tf.constant(features, tf.float32)).numpy()

    def copy(self) -> Scorer:
        """A scorer of its own with the same weights."""
        hidden_sizes = tuple(int(bias.shape[0]) for bias in self.biases)
        twin = Scorer(int(self.kernels[0].shape[0]), hidden_sizes, seed=0)
        for mine, theirs in zip(self.weights, twin.weights, strict=True):
            theirs.assign(mine)
        return twin
