"""The graph of a functional Keras model, read from its configuration: which call of a layer reads which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        layer: the layer's name.
        place: 0 for its first use, 1 for the second, and so on; of nested models one more.
    """

    layer: str
    place: int = 0


class ModelGraph:
    """Calls of a model's layers and what they read, in an order in which each comes after what it reads.

    Args:
        model: functional or sequential, and built.

    Attributes:
        model: the same as a functional one.
        reads: the calls that each call reads.
        readers: the calls that read each call.
        order: all calls.

    Raises:
        DataError: it is neither.
    """

    def __init__(self, model: tf.keras.Model) -> None:
        self.model = functional(model)
        self.reads = dict(_calls(self.model))
        self.readers: dict[Call, list[Call]] = {call: [] for call in self.reads}
        for call, inputs in self.reads.items():
            for read in inputs:
                self.readers[read].append(call)
        self.order = _ordered(self.reads)

    def ancestors(self, call: Call) -> set[Call]:
        """The call and all that it depends on."""
        found, pending = {call}, [call]
        while pending:
            fresh = [read for read in self.reads[pending.pop()] if read not in found]
            found.update(fresh)
            pending += fresh
        return found

    def cuts(self) -> list[Call]:
        """Calls whose output alone passes from all that they depend on to the rest, in order; inputs are among them."""
        found = []
        for call in self.order:
            before = self.ancestors(call)
            crossing = {one for one in before if any(reader not in before for reader in self.readers[one])}
            if crossing == {call}:
                found.append(call)
        return found


def functional(model: tf.keras.Model) -> tf.keras.Model:
    """The model as a functional one, with the same layers.

    Raises:
        DataError: it is a subclassed model or not built.
    """
    if isinstance(model, tf.keras.Sequential):
        if not model.built:
            raise DataError(f"{model.name} is not built; call build, or give it an Input")
        return tf.keras.Model(model.inputs, model.outputs, name=model.name)
    if not _has_graph(model):
        raise DataError(f"{model.name} is a subclassed model, which has no graph to read; build a functional one")
    return model


def _calls(model: tf.keras.Model) -> Iterator[tuple[Call, list[Call]]]:
    for layer in model.get_config()["layers"]:
        nodes = layer["inbound_nodes"]
        if not nodes:
            yield Call(layer["name"]), []
        # A nested model's making is a call of its own, which its configuration leaves out and others' count.
        first = int(_has_graph(model.get_layer(layer["name"])))
        for place, node in enumerate(nodes, first):
            yield Call(layer["name"], place), list(dict.fromkeys(_tensors(node)))


def _has_graph(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, tf.keras.Model) and getattr(layer, "_is_graph_network", False)


def _tensors(node: Any) -> Iterator[Call]:
    """The tensors that a node of the configuration names: lists that begin with a layer's name and two numbers."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _tensors(value)
    elif isinstance(node, (list, tuple)):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int) and isinstance(node[2], int):
            yield Call(node[0], node[1])
            yield from _tensors(list(node[3:]))
        else:
            for value in node:
                yield from _tensors(value)


def _ordered(reads: dict[Call, list[Call]]) -> list[Call]:
    order: list[Call] = []
    done: set[Call] = set()
    pending = list(reads)
    while pending:
        ready = [call for call in pending if done.issuperset(reads[call])]
        order += ready
        done.update(ready)
        pending = [call for call in pending if call not in done]
    return order
