"""Students of the teacher's own shape with most of their weights zero."""

from __future__ import annotations

import tensorflow as tf

from seriatim_errors import DataError

# Share of the steps after which the full sparsity is reached; the rest is for what is left to settle.
RAMP = 0.7


class MagnitudeMask:
    """Sets the smallest weights of every kernel to zero, ever more of them while training goes on.

    The share rises as `s (1 - (1 - progress)^3)` (Zhu and Gupta, 2017). Zeros scattered over a kernel save storage; on
    common hardware they save no time.

    Args:
        model: its kernels, trainable weights of two axes or more, are masked.
        sparsity: share of zeros in the end, in [0, 1).

    Raises:
        DataError: the sparsity is out of range.
    """

    def __init__(self, model: tf.keras.Model, sparsity: float) -> None:
        if not 0 <= sparsity < 1:
            raise DataError(f"sparsity {sparsity}; give a share from 0 to below 1")
        self.sparsity = sparsity
        self._kernels = [weight for weight in model.trainable_weights if weight.shape.rank >= 2] if sparsity else []
        self._masks = [tf.Variable(tf.ones_like(kernel), trainable=False) for kernel in self._kernels]

    def update(self, progress: float) -> None:
        """Choose which weights stay, by their magnitude now.

        Args:
            progress: of training, 0 to 1.
        """
        share = self.sparsity * (1 - (1 - min(progress / RAMP, 1.0)) ** 3)
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            size = int(tf.size(kernel))
            zeros = round(share * size)
            if zeros:
                # A weight that is zero already stays zero: ties are broken by place, the same way every time.
                order = tf.argsort(tf.reshape(tf.abs(kernel), [-1]), stable=True)
                gone = tf.scatter_nd(order[:zeros, tf.newaxis], tf.ones(zeros), [size])
                mask.assign(tf.reshape(1 - gone, mask.shape))
        self.apply()

    def apply(self) -> None:
        """Set to zero what is masked; to be called after every step of the optimizer."""
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            kernel.assign(kernel * mask)
