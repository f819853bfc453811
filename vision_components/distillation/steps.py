"""A step of learning one student: towards the teacher's activation, given the teacher's activation before it."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from vision_components.distillation.sparsity import MagnitudeMask
from vision_components.distillation.split import Neighbourhood

MakeOptimizer = Callable[[], tf.keras.optimizers.Optimizer]


class StudentStep:
    """A student with an optimizer of its own, so that it learns the same whoever else is learning.

    Args:
        neighbourhood: what the student is to replace.
        place: of the neighbourhood, from 0.
        student: the model.
        optimizer: of this student alone.
        sparsity: share of its weights that become zero.
    """

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        place: int,
        student: tf.keras.Model,
        optimizer: tf.keras.optimizers.Optimizer,
        sparsity: float,
    ) -> None:
        self.neighbourhood, self.place, self.student, self.optimizer = neighbourhood, place, student, optimizer
        self.mask = MagnitudeMask(student, sparsity)
        optimizer.build(student.trainable_variables)

    def __call__(self, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """Learn from a batch: `L_i = mean ||S_i(a_(i-1)) - a_i||^2`, in float32.

        Args:
            before, after: the teacher's activations, which are constants here.

        Returns:
            float32 `[2, channels]`: sums of the squared errors and of the squared targets.
        """
        before, after = tf.stop_gradient(before), tf.cast(tf.stop_gradient(after), tf.float32)
        with tf.GradientTape() as tape:
            squares = tf.math.squared_difference(tf.cast(self.student(before, training=True), tf.float32), after)
            loss = tf.reduce_mean(squares)
        variables = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.mask.apply()
        axes = list(range(after.shape.rank - 1))
        return tf.stack([tf.reduce_sum(squares, axes), tf.reduce_sum(after**2, axes)])
