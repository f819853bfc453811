"""Gates as Keras layers: one draw for a whole network, and what multiplies channels by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.structure.logistic_sigmoid import hard, logistic_noise, relaxed, straight_through

# Log-odds at which a gate begins: open in 92 % of the steps.
INITIAL = 2.5
TEMPERATURE = 0.3
ALWAYS = NO_FLOOR = -1


@tf.keras.saving.register_keras_serializable("seriatim")
class ChannelGates(tf.keras.layers.Layer):
    """Log-odds of all gates of a network, grouped, and one draw of them a step.

    The layer is called on the network's input, which it does not read: so it is part of a functional model, and every
    place that is gated sees the same draw. In training the gates are drawn anew at each call; otherwise they are open
    where the logit is above 0. In both the gate with the largest logit of each floor is open, so that a network is
    never cut in two. Logits, noise and gates are float32 whatever the policy.

    Args:
        sizes: gates of each group.
        floors: for each group the number of its floor, from 0 without gaps; of all groups of one floor together one
            gate stays open, and -1 is for none. Each group has its own where None.
        initial: log-odds to begin with.
        temperature: of the relaxed gates, above 0; the variable `temperature` may be changed while training.
        exact: gates of 0 or 1 in training, with the gradient of relaxed ones (straight-through).
        soft_inference: multiplies open gates by their probability outside training.
        seed: of the noise.

    Raises:
        DataError: a group is empty, or the temperature is not above 0.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        floors: Sequence[int] | None = None,
        initial: float = INITIAL,
        temperature: float = TEMPERATURE,
        exact: bool = True,
        soft_inference: bool = False,
        seed: int = 0,
        name: str = "gates",
        **settings: Any,
    ) -> None:
        super().__init__(name=name, **{**settings, "dtype": "float32"})
        if not sizes or min(sizes) < 1:
            raise DataError(f"sizes {list(sizes)} of gate groups; give 1 or more a group")
        if not temperature > 0:
            raise DataError(f"temperature {temperature}; give one above 0")
        self.sizes = [int(size) for size in sizes]
        self.floors = list(range(len(self.sizes))) if floors is None else [int(floor) for floor in floors]
        self.initial, self.first_temperature = float(initial), float(temperature)
        self.exact, self.soft_inference, self.seed = exact, soft_inference, int(seed)
        start = tf.keras.initializers.Constant
        first_replica = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.logits = self.add_weight("logits", (sum(self.sizes),), initializer=start(initial))
        self.temperature = self.add_weight(
            "temperature", (), initializer=start(temperature), trainable=False, aggregation=first_replica
        )
        self.step = self.add_weight(
            "step", (), tf.int64, initializer="zeros", trainable=False, aggregation=first_replica
        )
        self._floor_of = np.repeat(np.array(self.floors, np.int64), self.sizes)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Gates `[sum of sizes]` between 0 and 1; the input only connects the layer to a network."""
        if not training:
            return self.inference_gates()
        noise = logistic_noise(len(self._floor_of), self.seed, self.step.read_value())
        self.step.assign_add(1)
        drawn = straight_through if self.exact else relaxed
        gates = drawn(self.logits, noise, self.temperature)
        kept = self.kept()
        return gates * (1 - kept) + kept

    def inference_gates(self) -> tf.Tensor:
        """Gates without noise, `[sum of sizes]`."""
        gates = tf.maximum(hard(self.logits, tf.zeros_like(self.logits)), self.kept())
        return gates * tf.sigmoid(self.logits) if self.soft_inference else gates

    def probabilities(self) -> tf.Tensor:
        """How probably each gate is open, `[sum of sizes]`; 1 for the one that stays open."""
        kept = self.kept()
        return tf.sigmoid(self.logits) * (1 - kept) + kept

    def kept(self) -> tf.Tensor:
        """1 at the first largest logit of each floor, else 0, `[sum of sizes]`."""
        count = max(self.floors) + 1
        # What has no floor is put behind all floors.
        floor_of = tf.constant(np.where(self._floor_of == NO_FLOOR, count, self._floor_of))
        logits = tf.stop_gradient(tf.convert_to_tensor(self.logits))
        largest = tf.gather(tf.math.unsorted_segment_max(logits, floor_of, count + 1), floor_of)
        places = tf.range(len(self._floor_of))
        candidates = tf.where(logits >= largest, places, len(self._floor_of))
        first = tf.math.unsorted_segment_min(candidates, floor_of, count + 1)
        return tf.cast((places == tf.gather(first, floor_of)) & (floor_of < count), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made from."""
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "floors": self.floors,
            "initial": self.initial,
            "temperature": self.first_temperature,
            "exact": self.exact,
            "soft_inference": self.soft_inference,
            "seed": self.seed,
        }

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """One vector for all images."""
        return tf.TensorShape([sum(self.sizes)])


@tf.keras.saving.register_keras_serializable("seriatim")
class GatedChannels(tf.keras.layers.Layer):
    """Multiplies each channel by its gate.

    Called on `[x, gates]`: a tensor with its channels last and what `ChannelGates` answers.

    Args:
        places: for each channel its place among the gates, -1 for none.
    """

    def __init__(self, places: Sequence[int] | NDArray[np.int64], name: str | None = None, **settings: Any) -> None:
        # Gates stay float32 until they meet the channels.
        super().__init__(name=name, autocast=False, **settings)
        self.places = [int(place) for place in places]
        self.supports_masking = True

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """The gated tensor, of the shape and dtype of the first input."""
        x, gates = inputs
        places = tf.constant(self.places)
        own = tf.where(places == ALWAYS, 1.0, tf.gather(tf.cast(gates, tf.float32), tf.maximum(places, 0)))
        return x * tf.cast(own, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made from."""
        return {**super().get_config(), "places": self.places}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the first input."""
        return input_shape[0]
