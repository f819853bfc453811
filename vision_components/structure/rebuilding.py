"""A model made anew from its calls, with layers and arguments as somebody chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.calls import LayerCalls, Step

Caller = Callable[[Step, tuple[Any, ...], dict[str, Any]], Any]


def rebuilt(calls: LayerCalls, call: Caller) -> tf.keras.Model:
    """A functional model with inputs and outputs as before, of which `call` makes every step.

    Args:
        calls: of the model.
        call: is given each step and its arguments with the new model's tensors, and returns what the layer would.
    """
    inputs = [
        tf.keras.Input(tensor.shape[1:], batch_size=tensor.shape[0], name=name, dtype=tensor.dtype)
        for name, tensor in zip(calls.model.input_names, calls.model.inputs, strict=True)
    ]
    outputs = calls.run(inputs, call)
    return tf.keras.Model(tf.nest.pack_sequence_as(calls.model.input, inputs), outputs, name=calls.model.name)


def copied(calls: LayerCalls, model: tf.keras.Model, after: Callable[[Step, Any], Any]) -> tf.keras.Model:
    """A copy with the same weights and something behind some calls; nested models are laid open in it.

    Args:
        calls: of the model.
        model: with the weights; the calls' own or one of the same layers.
        after: is given each step and what it returned, and returns what is read in its place.

    Raises:
        DataError: the model has other layers than the calls.
    """
    sources = layers_of(model, calls)
    copies: dict[str, tf.keras.layers.Layer] = {}

    def call(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.name not in copies:
            copies[step.name] = type(step.layer).from_config({**step.layer.get_config(), "name": step.name})
        return after(step, copies[step.name](*args, **kwargs))

    copy = rebuilt(calls, call)
    for name, layer in copies.items():
        layer.set_weights(sources[name].get_weights())
    return copy


def layers_of(model: tf.keras.Model, calls: LayerCalls) -> dict[str, tf.keras.layers.Layer]:
    """The layers of a model by the names of the calls.

    Raises:
        DataError: the model lacks one of them, or its weights have other shapes.
    """
    own = calls if model is calls.model else LayerCalls(model)
    layers = {step.name: step.layer for step in own.steps}
    for step in calls.steps:
        shapes = _shapes(step.layer)
        if step.name not in layers or _shapes(layers[step.name]) != shapes:
            raise DataError(
                f"{model.name} has no layer {step.name} with weights of the shapes {shapes}; give the graph's model"
            )
    return layers


def _shapes(layer: tf.keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
