"""The smaller network of an architecture: an ordinary Keras model with the weights of the channels that live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from seriatim_errors import DataError
from vision_components.structure.architecture import Architecture
from vision_components.structure.calls import Step
from vision_components.structure.channel_graph import Alive, ChannelGraph
from vision_components.structure.flow import Flow
from vision_components.structure.liveness import liveness
from vision_components.structure.masking import masked
from vision_components.structure.rebuilding import layers_of, rebuilt
from vision_components.structure.tracing import weight_name

# Float32 sums in another order; outputs of a thousand channels differ by some 1e-6 of their size.
TOLERANCE = 1e-5


class _Nothing:
    """Stands for a tensor that is zero everywhere or has no channels."""


def emit(
    model: tf.keras.Model,
    graph: ChannelGraph,
    architecture: Architecture,
    *,
    fresh: bool = False,
    check: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
) -> tf.keras.Model:
    """The smaller model: layers of the same names with fewer channels, branches of which nothing is left without.

    All weights are cut to the channels that live, statistics of batch normalisation too. Nested models are laid open
    in it.

    Args:
        model: with the weights; the graph's own or a copy of it.
        graph: of the model.
        architecture: of the same graph.
        fresh: initialises the weights anew in place of cutting them.
        check: inputs on which the smaller model must say what the masked one says.
        tolerance: allowed difference as a share of the largest output, or of 1 where that is smaller; half precision
            needs some hundredths.

    Raises:
        DataError: the model is not the graph's, or differs from the masked one by more than the tolerance.
    """
    small = built(graph, architecture.widths, architecture.removed)
    if not fresh:
        _cut(layers_of(model, graph.calls), graph, architecture.alive, small)
    if check is not None:
        off = difference(small, masked(model, graph, architecture.alive, architecture.removed), check)
        if not off <= tolerance:
            raise DataError(f"{model.name}: the smaller model differs from the masked one by {off:.1e} of its outputs")
    return small


def built(graph: ChannelGraph, widths: Mapping[str, int], removed: tuple[str, ...] = ()) -> tf.keras.Model:
    """A model of a graph's kind with groups of such widths, narrower or wider, and fresh weights.

    Args:
        graph: of a model.
        widths: channels of each group.
        removed: names of layers of which the output counts as zero.

    Raises:
        DataError: something needs a branch of which nothing is left.
    """
    left = liveness(graph, widths, removed).require()
    flows = {id(step): flow for step, flow in zip(graph.calls.steps, graph.flows, strict=True)}
    live = {id(step) for step, is_live in zip(graph.calls.steps, left.live, strict=True) if is_live}
    made: dict[tuple[int, bool], tf.keras.layers.Layer] = {}

    def call(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if id(step) not in live:
            return tf.nest.map_structure(lambda _: _Nothing(), step.result)
        flow = flows[id(step)]
        if flow.join != "other":
            args, kwargs = _without_nothing(args), _without_nothing(kwargs)
        joined = [leaf for leaf in tf.nest.flatten((args, kwargs)) if tf.is_tensor(leaf)]
        is_alone = len(joined) == 1 < len(step.inputs)
        key = id(step.layer), is_alone
        if key not in made:
            # In another call of the same layer more may be left to join.
            name = f"{step.name}_alone" if (id(step.layer), not is_alone) in made else step.name
            made[key] = (
                tf.keras.layers.Activation("linear", name=name, dtype=joined[0].dtype.name)
                if is_alone
                else _narrowed(step, flow, graph, widths, name)
            )
        return made[key](joined[0]) if is_alone else made[key](*args, **kwargs)

    return rebuilt(graph.calls, call)


def difference(one: tf.keras.Model, other: tf.keras.Model, inputs: ArrayLike) -> float:
    """The largest difference between the outputs of two models, as a share of the second's largest, or of 1."""
    answers = [tf.nest.flatten(model(inputs, training=False)) for model in (one, other)]
    found = 0.0
    for left, right in zip(*answers, strict=True):
        left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
        found = max(found, float(np.abs(left - right).max() / max(1.0, np.abs(right).max())))
    return found


def _narrowed(
    step: Step, flow: Flow, graph: ChannelGraph, widths: Mapping[str, int], name: str
) -> tf.keras.layers.Layer:
    config = {**step.layer.get_config(), "name": name}
    config.update({entry: graph.count(channels, widths) for entry, channels in flow.sizes.items()})
    if flow.edit:
        config = flow.edit(config, lambda channels: graph.count(channels, widths))
    return type(step.layer).from_config(config)


def _without_nothing(structure: Any) -> Any:
    """The same arguments without what stands for nothing, lists shorter by it."""
    if isinstance(structure, (list, tuple)):
        return type(structure)(_without_nothing(one) for one in structure if not isinstance(one, _Nothing))
    if isinstance(structure, dict):
        return {name: _without_nothing(one) for name, one in structure.items() if not isinstance(one, _Nothing)}
    return structure


def _cut(layers: Mapping[str, tf.keras.layers.Layer], graph: ChannelGraph, alive: Alive, small: tf.keras.Model) -> None:
    narrow = {layer.name: layer for layer in small.layers}
    for step, flow in zip(graph.calls.steps, graph.flows, strict=True):
        if step.name in narrow and narrow[step.name].weights:
            weights = [_kept(weight, flow, graph, alive) for weight in layers[step.name].weights]
            narrow[step.name].set_weights(weights)


def _kept(weight: tf.Variable, flow: Flow, graph: ChannelGraph, alive: Alive) -> NDArray[Any]:
    values = weight.numpy()
    for axis, channels in flow.weights.get(weight_name(weight.name), {}).items():
        values = np.compress(graph.kept(channels, alive), values, axis=axis)
    return values
