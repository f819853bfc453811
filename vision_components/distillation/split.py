"""Cutting a network into neighbourhoods: parts with one input and one output (section 3 of the paper)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.model_graph import Call, ModelGraph


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A part of a teacher, `T_i`.

    Attributes:
        name: of its last layer.
        model: one input, one output; its layers are the teacher's own.
    """

    name: str
    model: tf.keras.Model

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Of an example, without the batch."""
        return tuple(self.model.input_shape[1:])

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Of an example, without the batch."""
        return tuple(self.model.output_shape[1:])


@dataclass(frozen=True, eq=False)
class Split:
    """A teacher as neighbourhoods and a head: `T = head T_n ... T_1`.

    Attributes:
        teacher: the whole; not changed by anything here.
        neighbourhoods: in order.
        head: what follows the last boundary.
        activations: a model that answers with the outputs of all neighbourhoods, `a_1` to `a_n`.
    """

    teacher: tf.keras.Model
    neighbourhoods: tuple[Neighbourhood, ...]
    head: tf.keras.Model
    activations: tf.keras.Model

    def compose(self, students: Mapping[str, tf.keras.Model] | None = None, name: str = "assembled") -> tf.keras.Model:
        """A network of students where there are any, and copies of the teacher's neighbourhoods and head elsewhere.

        Training the network changes the students, which are used as they are, and never the teacher.

        Raises:
            DataError: a student is of no neighbourhood, or its shapes differ; the message names layer and shapes.
        """
        chosen = dict(students or {})
        self.check(chosen)
        first = self.neighbourhoods[0].model
        image = x = tf.keras.Input(first.input_shape[1:], dtype=first.input.dtype)
        for part in self.neighbourhoods:
            x = (chosen.get(part.name) or _copied(part.model))(x)
        return tf.keras.Model(image, _copied(self.head)(x), name=name)

    def check(self, students: Mapping[str, tf.keras.Model]) -> None:
        """Have every student belong to a neighbourhood and fit into it.

        Raises:
            DataError: one does not.
        """
        parts = {part.name: part for part in self.neighbourhoods}
        for name, student in students.items():
            if name not in parts:
                raise DataError(f"student of {name!r}: the neighbourhoods are {', '.join(parts)}")
            part = parts[name]
            shapes = tuple(student.input_shape[1:]), tuple(student.output_shape[1:])
            if not all(map(_fit, shapes, (part.input_shape, part.output_shape))):
                raise DataError(
                    f"student {student.name} of {name!r} maps {shapes[0]} to {shapes[1]}, "
                    f"the neighbourhood {part.input_shape} to {part.output_shape}; give it the same"
                )


def split(model: tf.keras.Model, boundaries: Sequence[str] | Literal["auto"] = "auto") -> Split:
    """Cut a model after some of its layers.

    A cut is legal where exactly one tensor crosses it: after the last addition and activation of a residual block, not
    within it. `auto` cuts behind the stem and blocks where layers are called so, as in `vision_components.backbones`,
    and else at every legal place before a layer with a kernel, or before a branch; what follows the last is the head.

    Args:
        model: functional or sequential, built, with one input.
        boundaries: names of the last layers of the neighbourhoods, in the model's order; or `auto`.

    Raises:
        DataError: a name is of no layer, more than one tensor crosses a cut (the message names the nearest legal ones),
            names are not in order, or nothing can be cut.
    """
    graph = ModelGraph(model)
    model = graph.model
    legal = [call.layer for call in graph.cuts()]
    names = _automatic(graph) if boundaries == "auto" else list(boundaries)
    if not names:
        raise DataError(f"no boundaries in {model.name}; give the last layers of its neighbourhoods")
    present = [call.layer for call in graph.order]
    for name in names:
        if name not in present:
            raise DataError(f"boundary {name!r} is no layer of {model.name}; its legal cuts are {_listed(legal)}")
        if not graph.readers[Call(name)]:
            raise DataError(f"boundary {name!r} is the end of {model.name}, behind which no head is left; leave it out")
        if name not in legal:
            raise DataError(
                f"boundary {name!r}: more than one tensor crosses a cut behind it; legal near it are "
                f"{_listed(_near(name, present, legal))}"
            )
    places = [legal.index(name) for name in names]
    if any(before >= after for before, after in itertools.pairwise(places)):
        raise DataError(
            f"boundaries {names} are not in the order of {model.name}'s layers; sort them and name each once"
        )
    tensors = [model.input, *(model.get_layer(name).output for name in names)]
    parts = tuple(
        Neighbourhood(name, tf.keras.Model(before, after, name=f"{name}_neighbourhood"))
        for name, before, after in zip(names, tensors, tensors[1:], strict=False)
    )
    head = tf.keras.Model(tensors[-1], model.output, name="head")
    return Split(model, parts, head, tf.keras.Model(model.input, tensors[1:], name="activations"))


def _copied(model: tf.keras.Model) -> tf.keras.Model:
    copy = tf.keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _automatic(graph: ModelGraph) -> list[str]:
    """The legal cuts that end a block; in a model that names none, those before layers with a kernel and branches."""
    legal = graph.cuts()
    pictures = [call for call in legal if len(_layer(graph, call).output_shape) == 4]
    blocks = [call.layer for call in pictures if re.fullmatch(r"stem|block_\d+", call.layer)]
    if blocks:
        return blocks
    found, weighted = [], False
    for call in graph.order:
        weighted = weighted or bool(_layer(graph, call).weights)
        readers = graph.readers[call]
        ends = len(readers) > 1 or any(_has_kernel(_layer(graph, reader)) for reader in readers)
        if weighted and ends and call in pictures:
            found.append(call.layer)
            weighted = False
    return found


def _layer(graph: ModelGraph, call: Call) -> tf.keras.layers.Layer:
    return graph.model.get_layer(call.layer)


def _has_kernel(layer: tf.keras.layers.Layer) -> bool:
    return any(weight.name.split("/")[-1].split(":")[0].endswith("kernel") for weight in layer.weights)


def _near(name: str, present: Sequence[str], legal: Sequence[str]) -> list[str]:
    place = present.index(name)
    before = [one for one in legal if present.index(one) < place][-1:]
    return before + [one for one in legal if present.index(one) > place][:1]


def _fit(student: tuple[int | None, ...], part: tuple[int | None, ...]) -> bool:
    return len(student) == len(part) and all(
        one == other or None in (one, other) for one, other in zip(student, part, strict=True)
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
