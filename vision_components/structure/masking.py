"""The network of full size with dead channels set to zero: what a smaller one is held to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from vision_components.structure.calls import Step
from vision_components.structure.channel_graph import Alive, ChannelGraph
from vision_components.structure.liveness import liveness
from vision_components.structure.rebuilding import copied


@tf.keras.saving.register_keras_serializable("seriatim")
class HardMask(tf.keras.layers.Layer):
    """Multiplies channels by 0 or 1.

    Args:
        mask: 0 or 1 for each channel of the last axis.
    """

    def __init__(self, mask: Sequence[int], **settings: Any) -> None:
        # In half precision what comes in single precision, such as pooled sums, stays so.
        super().__init__(**settings, autocast=False)
        self.mask = [int(one) for one in mask]

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The same with zeros where the mask is 0."""
        return inputs * tf.constant(self.mask, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The mask, as Keras keeps it."""
        return {**super().get_config(), "mask": self.mask}


def masked(model: tf.keras.Model, graph: ChannelGraph, alive: Alive, removed: Collection[str] = ()) -> tf.keras.Model:
    """A copy of the model with a mask wherever a dead channel would be something else than zero.

    Not only scales of batch normalisation are set to zero: its shift would survive. What a call computes from nothing
    alone, such as the bias of a convolution without inputs, is masked too.

    Args:
        model: with the weights; the graph's own or a copy of it.
        graph: of the model.
        alive: by group whether each channel lives.
        removed: names of layers of which the output counts as zero.

    Raises:
        DataError: something needs a branch of which nothing is left.
    """
    alive = graph.checked(alive)
    left = liveness(graph, {name: int(mask.sum()) for name, mask in alive.items()}, removed).require()
    sites = {step.outputs for step, _ in graph.mask_sites()}
    channels = {step.outputs: flow.outputs for step, flow in zip(graph.calls.steps, graph.flows, strict=True)}

    def after(step: Step, result: Any) -> Any:
        is_nothing = any(tensor in left.dead for tensor in step.outputs)
        if not is_nothing and step.outputs not in sites:
            return result
        if all(graph.kept(one, alive).all() for one in channels[step.outputs]) and not is_nothing:
            return result
        masks = [
            HardMask((graph.kept(one, alive) & (not is_nothing)).tolist(), name=f"{step.name}_mask_{number}")(tensor)
            for one, number, tensor in zip(channels[step.outputs], step.outputs, tf.nest.flatten(result), strict=True)
        ]
        return tf.nest.pack_sequence_as(result, masks)

    return copied(graph.calls, model, after)
