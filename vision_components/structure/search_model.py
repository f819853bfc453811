"""Training a network together with its structure: the task's loss and what its channels cost."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.resources import Resource
from vision_components.structure.roofline import Roofline
from vision_components.structure.strengths import GammaStrength, GateStrength, Strength

GATE_RATE = 0.05
Cost = Resource | Roofline


@tf.keras.saving.register_keras_serializable("seriatim")
class SearchModel(tf.keras.Model):
    """A network whose training also presses on the cost of its channels, `loss + weight * G / F`.

    G is the expected cost where channels have gates (FiGS), and MorphNet's bilinear regulariser for other strengths; F
    is the cost of the whole network, so that the weight has no unit. Where there is a `target`, the pressure rests as
    long as the cost, as it is now, is below that share of F: the network gives up channels as fast as the target
    sinks, and no faster.

    Compiled, fitted and watched by callbacks as any Keras model. Logits of gates have an optimizer of their own,
    without weight decay. With a weight of 0 training is what it would be without the cost.

    Args:
        network: to be trained; with gates for a `GateStrength`.
        strength: of the network's channels.
        cost: of the same graph.
        weight: of the cost, lambda, 0 or more; the variable `weight` may be changed while training.
        target: share of the whole cost at which the pressure rests, 0 for never; the variable `target` likewise.
        proximal: takes the pressure on scales out of the gradient and shrinks them after each step, by soft thresholds
            that end at exactly 0; for `GammaStrength`.

    Raises:
        DataError: a number is out of range, the cost is of another graph, or scales are to be shrunk without any.
    """

    def __init__(
        self,
        network: tf.keras.Model,
        strength: Strength,
        cost: Cost,
        weight: float = 1.0,
        target: float = 0.0,
        proximal: bool = False,
        name: str = "search",
    ) -> None:
        super().__init__(name=name)
        if not weight >= 0:
            raise DataError(f"weight {weight} of the cost; give 0 or more")
        if not 0 <= target <= 1:
            raise DataError(f"target {target}; give a share of the whole cost from 0 to 1")
        if proximal and not isinstance(strength, GammaStrength):
            raise DataError("proximal shrinks the scales of batch normalisation; give a GammaStrength, or leave it out")
        _check_same_graph(cost, strength)
        self.network, self.strength, self.cost, self.proximal = network, strength, cost, proximal
        self.weight = self.add_weight("cost_weight", (), initializer=_constant(weight), trainable=False)
        self.target = self.add_weight("cost_target", (), initializer=_constant(target), trainable=False)
        self.gate_optimizer: tf.keras.optimizers.Optimizer | None = None

    def compile(
        self, optimizer: Any = "adam", *, gate_optimizer: tf.keras.optimizers.Optimizer | None = None, **settings: Any
    ) -> None:
        """As `keras.Model.compile`, and the optimizer of the gates' logits; Adam with a rate of 0.05 by default."""
        super().compile(optimizer=optimizer, **settings)
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            raise DataError("mixed_float16 needs scaled losses, which a search has not; use mixed_bfloat16 or float32")
        # Built now, so that what was kept of an interrupted training has where to go.
        if isinstance(self.strength, GateStrength):
            self.gate_optimizer = gate_optimizer or tf.keras.optimizers.Adam(GATE_RATE)
            self.gate_optimizer.build(self.strength.variables)
        self.optimizer.build(self._weights())

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the network answers."""
        return self.network(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on what `fit` is given; the logs also tell `cost`, the share of the whole that is left."""
        x, y, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            answer = self(x, training=True)
            loss = tf.cast(self.compute_loss(x, y, answer, sample_weight), tf.float32)
            share = self.cost_share()
            pressure = self.weight * tf.cast(share > self.target, tf.float32)
            total = loss if self.proximal else loss + pressure * self.penalty()
        weights, gates = self._weights(), self.strength.variables if self.gate_optimizer else []
        gradients = tape.gradient(total, [*weights, *gates])
        self.optimizer.apply_gradients(zip(gradients[: len(weights)], weights, strict=True))
        if self.gate_optimizer:
            self.gate_optimizer.apply_gradients(zip(gradients[len(weights) :], gates, strict=True))
        if self.proximal:
            self._shrink(pressure)
        return {**self.compute_metrics(x, y, answer, sample_weight), "cost": share}

    def penalty(self) -> tf.Tensor:
        """G / F, a scalar with a gradient."""
        soft = self.strength.soft()
        if isinstance(self.strength, GateStrength):
            return self.cost(soft) / self.cost.full
        return self.cost.reg(soft, self.strength.counted(soft)) / self.cost.full

    def cost_share(self) -> tf.Tensor:
        """The cost as a share of the whole, a scalar: expected for gates, by the threshold for other strengths."""
        return tf.stop_gradient(self.cost(self.strength.counted(self.strength.soft())) / self.cost.full)

    def _weights(self) -> list[tf.Variable]:
        """All that is trained, without what has an optimizer of its own."""
        own = {id(variable) for variable in self.strength.variables} if self.gate_optimizer else set()
        return [one for one in self.network.trainable_variables if id(one) not in own]

    def _shrink(self, pressure: tf.Tensor) -> None:
        """The proximal step of `pressure * G / F` for counts as they are: a threshold for each scale."""
        assert isinstance(self.strength, GammaStrength)
        soft = {name: tf.stop_gradient(values) for name, values in self.strength.soft().items()}
        with tf.GradientTape() as tape:
            tape.watch(list(soft.values()))
            penalty = self.cost.reg(soft, self.strength.counted(soft)) / self.cost.full
        prices = tape.gradient(penalty, soft, unconnected_gradients="zero")
        of_all = tf.concat([*(prices[name] for name in self.strength.graph.groups), [0.0]], 0)
        rate = tf.cast(self.optimizer.learning_rate, tf.float32) * pressure
        for gamma, places in self.strength.scales:
            left = tf.nn.relu(tf.abs(gamma) - rate * tf.gather(of_all, places))
            gamma.assign(tf.sign(gamma) * left)


def _check_same_graph(cost: Cost, strength: Strength) -> None:
    names = [one.graph.model.name for one in (cost, strength)]
    if cost.graph is not strength.graph:
        raise DataError(f"the cost is of a graph of {names[0]}, the strength of another of {names[1]}; give one graph")


def _constant(value: float) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.Constant(value)
