"""Channels of an operator at their places in a wider sum: operators that are added keep widths of their own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from vision_components.structure.flow import CallSite, Flow
from vision_components.structure.rules import register_rule


@tf.keras.saving.register_keras_serializable("seriatim")
class SpreadChannels(tf.keras.layers.Layer):
    """Puts each channel at its place among others and zeros where there is none; it multiplies nothing.

    `Add` ties channel k of all that it adds: it can go only when every operator turns it off, and until then each has
    to compute it. Behind this layer the channels are others than before it, so that an operator costs what its own
    gates say, and a channel of the sum is alive where one of any operator is.

    Args:
        channels: that come out. As long as nothing is pruned as many come in, and they pass as they are.
    """

    def __init__(self, channels: int, name: str | None = None, **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self.channels = int(channels)

    def build(self, input_shape: Any) -> None:
        """The places, a matrix of `[channels in, channels out]` of zeros and ones, of which pruning takes a part."""
        shape = (int(input_shape[-1]), self.channels)
        self.places = self.add_weight(
            "places", shape, initializer=tf.keras.initializers.Identity(), trainable=False, dtype=tf.float32
        )
        super().build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Channels gathered along the last axis, `[..., channels]`."""
        places = tf.cast(self.places, tf.float32)
        spread = tf.gather(x, tf.argmax(places, axis=0, output_type=tf.int32), axis=-1)
        return spread * tf.cast(tf.reduce_max(places, axis=0), x.dtype)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """As the input, with other channels."""
        return tf.TensorShape([*input_shape[:-1], self.channels])

    def get_config(self) -> dict[str, Any]:
        """What the layer is made from."""
        return {**super().get_config(), "channels": self.channels}


def copy_places(source: tf.keras.Model, target: tf.keras.Model) -> None:
    """Give the target's layers the places of the source's of the same names; they are structure, not weights."""
    for layer in target.layers:
        if isinstance(layer, SpreadChannels):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def spread_rule(call: CallSite) -> Flow:
    """Channels of its own, of which each is zero where the one that comes in is."""
    [channels] = call.inputs
    outputs = call.new(len(channels))
    return Flow((outputs,), {"places": {0: channels, 1: outputs}}, {"channels": outputs}, keeps_zero=True)


register_rule(SpreadChannels, spread_rule)
