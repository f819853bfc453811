"""SavedModels that are the same file when the same model is saved again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

# TensorFlow numbers functions through the life of a process, and Keras draws a name for the versions of an LSTM.
COUNTED = re.compile(r"(?<=_)[0-9]+(?=_|$)")
DRAWN = re.compile(r"lstm_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Speaks of the file as TensorFlow wrote it; loading does without.
FINGERPRINT = "fingerprint.pb"


def save_repeatably(served: tf.Module, signature: Any, folder: Path) -> None:
    """Write a SavedModel whose bytes depend on the model alone.

    Functions get numbers by their order, and drawn names become counted ones; what the model computes stays.

    Args:
        served: what is saved.
        signature: concrete function of `serving_default`.
        folder: made, or replaced.
    """
    tf.saved_model.save(served, str(folder), signatures={"serving_default": signature})
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in model.meta_graphs:
        _make_repeatable(graph)
    path.write_bytes(model.SerializeToString(deterministic=True))
    (folder / FINGERPRINT).unlink(missing_ok=True)


def _make_repeatable(graph: Any) -> None:
    functions = _functions(graph)
    names = [function.signature.name for function in functions]
    places = _places(number for name in names for number in COUNTED.findall(name))
    renamed = {name: COUNTED.sub(lambda found: places[found[0]], name) for name in names}
    # Longest first: a name may be a part of another. One stands in the names of its placeholders, too.
    named = re.compile("|".join(f"{re.escape(name)}(?![0-9])" for name in sorted(renamed, key=len, reverse=True)))
    if renamed:
        _rewrite(graph, lambda text: named.sub(lambda found: renamed[found[0]], text))
    _renumber_resources(functions)
    in_order = sorted(functions, key=lambda function: function.signature.name)
    del functions[:]
    functions.extend(in_order)
    drawn: dict[str, str] = {}
    _rewrite(graph, lambda text: DRAWN.sub(lambda found: drawn.setdefault(found[0], f"lstm_{len(drawn)}"), text))


def _places(numbers: Iterable[str]) -> dict[str, str]:
    """The place of each number in their order, from 0, all as long as the last one."""
    order = sorted(set(numbers), key=int)
    return {number: f"{place:0{len(str(len(order)))}}" for place, number in enumerate(order)}


def _renumber_resources(functions: Any) -> None:
    """What functions take from outside has a number, which is told in the attributes of their arguments."""
    attributes = [
        value
        for function in functions
        for argument in function.arg_attr.values()
        for value in argument.attr.values()
        if value.s.isdigit()
    ]
    places = _places(value.s.decode() for value in attributes)
    for value in attributes:
        value.s = places[value.s.decode()].encode()


def _functions(graph: Any) -> Any:
    return graph.graph_def.library.function


def _rewrite(message: Any, change: Callable[[str], str]) -> None:
    """Change all texts in a message, and in the messages in it, but the contents of tensors."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _rewrite_map(value, change)
        elif field.message_type is not None:
            for one in value if field.label == field.LABEL_REPEATED else [value]:
                if one.DESCRIPTOR.name != "TensorProto":
                    _rewrite(one, change)
        elif field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            if field.label == field.LABEL_REPEATED:
                value[:] = [_changed(one, change) for one in value]
            else:
                setattr(message, field.name, _changed(value, change))


def _rewrite_map(entries: Any, change: Callable[[str], str]) -> None:
    for key in sorted(entries):
        new, value = _changed(key, change), entries[key]
        if isinstance(value, str | bytes):
            del entries[key]
            entries[new] = _changed(value, change)
            continue
        if hasattr(value, "ListFields"):
            _rewrite(value, change)
        if new != key:
            entries[new].CopyFrom(value)
            del entries[key]


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Bytes that are no text stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, bytes):
        try:
            return change(value.decode()).encode()
        except UnicodeDecodeError:
            return value
    return value
