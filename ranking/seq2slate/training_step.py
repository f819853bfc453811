"""One optimiser step of seq2slate, in any training mode."""

from __future__ import annotations

import math

import tensorflow as tf

from ranking.lists import PaddedLists
from ranking.seq2slate.averaging import WeightAverage
from ranking.seq2slate.decoding import Decoded, greedy_choice, sampled_choice, walk
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.objectives import moving_baseline, path_objective
from ranking.seq2slate.path_gradient import with_gradient
from ranking.seq2slate.settings import Seq2SlateSettings


class TrainingStep:
    """Updates a model on one batch after another; compiled once for all list sizes.

    Args:
        model: whose weights are trained.
        settings: the training mode and its numbers.
        steps: decoder steps to learn, >= 1.

    Attributes:
        average: the moving average of the weights.
        steps: decoder steps that are run where the lists of a batch are long enough.
        baseline: float `[steps]`, see `moving_baseline`; NaN before the first batch.
    """

    def __init__(self, model: Seq2Slate, settings: Seq2SlateSettings, steps: int) -> None:
        self.model, self.settings = model, settings
        if settings.training == "reinforce":
            # Later choices earn nothing, whatever they are.
            steps = min(steps, settings.reward_cutoff)
        self.steps = 1 if settings.training == "one_step" else steps
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, settings.decay_steps, settings.decay_rate
        )
        self.optimizer = tf.keras.optimizers.Adam(schedule)
        self.optimizer.build(model.trainable_variables)
        self.average = WeightAverage(model, settings.weight_averaging)
        self.baseline = tf.Variable(tf.fill([self.steps], math.nan), trainable=False)
        self.counter = tf.Variable(0, dtype=tf.int32, trainable=False)
        self._fused_step = tf.function(model.step, jit_compile=True, autograph=False)
        self._compiled = tf.function(
            self._step,
            input_signature=[
                tf.TensorSpec([None, None, model.feature_count], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
                tf.TensorSpec([None, None], tf.float32),
            ],
            autograph=False,
        )

    def __call__(self, batch: PaddedLists) -> tf.Tensor:
        """Update the weights on one batch and return its mean value (L, or minus the reward) before the update."""
        return self._compiled(tf.constant(batch.features), tf.constant(batch.mask), tf.constant(batch.labels))

    def _step(self, features: tf.Tensor, mask: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        # No list of the batch can fill more steps: they would be empty and without effect.
        steps = 1 if self.steps == 1 else tf.minimum(self.steps, tf.shape(mask)[1])
        with tf.GradientTape() as tape:
            decoded = self._decoded(tape, features, mask, steps)
            objective = path_objective(decoded, labels, self.settings, self.baseline[:steps])
            total = tf.reduce_mean(objective.surrogate)
            if self.settings.training != "reinforce" and self.settings.l2 > 0:
                total += self.settings.l2 * tf.add_n([tf.reduce_sum(w**2) for w in self.model.trainable_variables])
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        self.average.update()
        consequences = tf.pad(objective.consequences, [[0, 0], [0, self.steps - steps]])
        self.baseline.assign(moving_baseline(self.baseline, consequences))
        return tf.reduce_mean(objective.value)

    def _decoded(self, tape: tf.GradientTape, features: tf.Tensor, mask: tf.Tensor, steps: int | tf.Tensor) -> Decoded:
        """A path of the model's own, whose logits have a gradient."""
        if self.settings.training in ("greedy", "one_step"):
            choose = greedy_choice()
        else:
            choose = sampled_choice(tf.stack([tf.constant(self.settings.seed, tf.int32), self.counter.assign_add(1)]))
        encoded = self.model.encode(features, mask, training=True)
        if self.steps == 1 or self.model.nearness.levels:
            # One step is no path. And what is near depends on the path by learned distances: step by step, then.
            return walk(self.model.step, self.model, encoded, mask, steps, choose)
        with tape.stop_recording():
            walked = walk(self._fused_step, self.model, encoded, mask, steps, choose)
        return with_gradient(self.model, encoded, walked)
