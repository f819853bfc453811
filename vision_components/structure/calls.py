"""All calls of a functional model's layers with their arguments, nested models laid open, to be read or run again."""

from __future__ import annotations

import dataclasses
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from vision_components.model_graph import functional


@dataclass(frozen=True)
class Ref:
    """Stands in a call's arguments and results for the tensor of that number."""

    tensor: int


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    Attributes:
        name: of the layer; with the nested models' names before it where several layers have its own.
        layer: the layer itself; shared layers occur in several steps.
        args, kwargs: as in the call, with a `Ref` for each tensor.
        inputs: numbers of the tensors among them.
        outputs: numbers of the tensors that it returns.
        result: what it returns, with a `Ref` for each tensor.
    """

    name: str
    layer: tf.keras.layers.Layer
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    result: Any


class LayerCalls:
    """The calls of a model's layers, each after what it reads; calls of nested functional models are laid open.

    Args:
        model: functional or sequential, and built.

    Attributes:
        model: the same as a functional one.
        steps: calls without the inputs.
        inputs: numbers of the tensors that the model reads, in the order of `model.inputs`.
        outputs: what the model returns, with a `Ref` for each tensor.
        shapes: of the tensors by number, as the model was built, with the batch.

    Raises:
        DataError: it is a subclassed model or not built.
    """

    def __init__(self, model: tf.keras.Model) -> None:
        self.model = functional(model)
        self.shapes: list[tuple[int | None, ...]] = []
        self.inputs = tuple(self._number(tensor) for tensor in self.model.inputs)
        self._opened: dict[int, tf.keras.Model] = {}
        found: list[tuple[tuple[str, ...], Step]] = []
        bound = {id(tensor): number for tensor, number in zip(self.model.inputs, self.inputs, strict=True)}
        self.outputs = self._open(self.model, bound, (), {}, found)
        self.steps = _named(found, self.model.input_names)

    def run(self, inputs: Sequence[Any], call: Callable[[Step, tuple[Any, ...], dict[str, Any]], Any]) -> Any:
        """What the model returns when `call` makes every step.

        Args:
            inputs: a value for each of the model's inputs.
            call: is given the step and its arguments with values in place of tensors, and returns what the layer would.
        """
        values: dict[int, Any] = dict(zip(self.inputs, inputs, strict=True))

        def filled(structure: Any) -> Any:
            return tf.nest.map_structure(lambda leaf: values[leaf.tensor] if isinstance(leaf, Ref) else leaf, structure)

        for step in self.steps:
            result = call(step, filled(step.args), filled(dict(step.kwargs)))
            values.update(zip(step.outputs, tf.nest.flatten(result), strict=True))
        return filled(self.outputs)

    def _number(self, tensor: Any) -> int:
        self.shapes.append(tuple(tensor.shape) if tensor.shape.rank is not None else ())
        return len(self.shapes) - 1

    def _open(
        self,
        model: tf.keras.Model,
        bound: dict[int, int],
        path: tuple[str, ...],
        given: Mapping[str, Any],
        found: list[tuple[tuple[str, ...], Step]],
    ) -> Any:
        """Append the steps of a model of which the inputs are bound to numbers; returns what it returns."""
        for node in _nodes(model, bound):
            layer = node.layer
            args, kwargs = tf.nest.map_structure(
                lambda leaf: Ref(bound[id(leaf)]) if id(leaf) in bound else leaf,
                (tuple(node.call_args), node.call_kwargs),
            )
            kwargs = {**kwargs, **_passed_on(given, layer, kwargs)}
            if (inner := self._functional(layer, args)) is not None:
                tensors = [leaf.tensor for leaf in tf.nest.flatten(args[0])]
                inside = {id(tensor): number for tensor, number in zip(inner.inputs, tensors, strict=True)}
                result = self._open(inner, inside, (*path, layer.name), kwargs, found)
                numbers = [leaf.tensor for leaf in tf.nest.flatten(result)]
                bound.update(zip(map(id, tf.nest.flatten(node.outputs)), numbers, strict=True))
                continue
            outputs = tuple(self._number(tensor) for tensor in tf.nest.flatten(node.outputs))
            bound.update(zip(map(id, tf.nest.flatten(node.outputs)), outputs, strict=True))
            inputs = [leaf.tensor for leaf in tf.nest.flatten((args, kwargs)) if isinstance(leaf, Ref)]
            result = tf.nest.pack_sequence_as(node.outputs, [Ref(number) for number in outputs])
            step = Step(layer.name, layer, args, kwargs, tuple(dict.fromkeys(inputs)), outputs, result)
            found.append(((*path, layer.name), step))
        return tf.nest.map_structure(lambda tensor: Ref(bound[id(tensor)]), model.output)

    def _functional(self, layer: tf.keras.layers.Layer, args: tuple[Any, ...]) -> tf.keras.Model | None:
        """A nested model that can be laid open: functional, and called with tensors alone in lists."""
        if not isinstance(layer, tf.keras.Model) or not args or isinstance(args[0], Mapping):
            return None
        if not all(isinstance(leaf, Ref) for leaf in tf.nest.flatten(args[0])):
            return None
        # A class of its own may compute something else than its graph.
        if type(layer).call.__qualname__ not in ("Functional.call", "Sequential.call") or not layer.built:
            return None
        return self._opened.setdefault(id(layer), functional(layer))


def _nodes(model: tf.keras.Model, bound: Mapping[int, int]) -> Iterator[Any]:
    """The calls from which a model's outputs follow, each after those that it reads."""
    done: set[int] = set()
    pending = [(tensor.node, False) for tensor in reversed(tf.nest.flatten(model.output)) if id(tensor) not in bound]
    while pending:
        node, is_ready = pending.pop()
        if id(node) in done:
            continue
        if is_ready:
            done.add(id(node))
            yield node
        else:
            pending.append((node, True))
            reads = [tensor.node for tensor in reversed(node.keras_inputs) if id(tensor) not in bound]
            pending += [(read, False) for read in reads if id(read) not in done]


def _passed_on(given: Mapping[str, Any], layer: tf.keras.layers.Layer, own: Mapping[str, Any]) -> dict[str, Any]:
    """`training`, with which a nested model was called, holds for its layers as far as they have no own."""
    wants = given.get("training") is not None and own.get("training") is None
    if wants and "training" in inspect.signature(layer.call).parameters:
        return {"training": given["training"]}
    return {}


def _named(found: list[tuple[tuple[str, ...], Step]], taken: Sequence[str]) -> list[Step]:
    """The steps with names of which no two layers have one, nor an input."""
    paths = {id(step.layer): path for path, step in reversed(found)}
    times = Counter([*taken, *(path[-1] for path in paths.values())])
    names: dict[int, str] = {}
    used = {name for name, often in times.items() if often == 1} | set(taken)
    for key, path in paths.items():
        names[key] = path[-1] if times[path[-1]] == 1 else "_".join(path)
        while times[path[-1]] > 1 and names[key] in used:
            names[key] += "_"
        used.add(names[key])
    return [dataclasses.replace(step, name=names[id(step.layer)]) for _, step in found]
