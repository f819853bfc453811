"""SavedModels that are the same file when the same model is saved again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

# TensorFlow numbers functions through the life of a process, and Keras draws a name for the versions of an LSTM.
COUNTED = re.compile(r"(?<![0-9])[0-9]{3,}(?![0-9])")
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
    numbers = sorted({int(number) for text in _counted_texts(graph) for number in COUNTED.findall(text)})
    width = len(str(len(numbers)))
    by_number = {str(number): f"{place:0{width}}" for place, number in enumerate(numbers)}
    _rewrite(graph, lambda text: COUNTED.sub(lambda found: by_number.get(found[0], found[0]), text))
    functions = _functions(graph)
    in_order = sorted(functions, key=lambda function: function.signature.name)
    del functions[:]
    functions.extend(in_order)
    drawn: dict[str, str] = {}
    _rewrite(graph, lambda text: DRAWN.sub(lambda found: drawn.setdefault(found[0], f"lstm_{len(drawn)}"), text))


def _counted_texts(graph: Any) -> Iterator[str]:
    """Names of functions, and the numbers of the resources that they take."""
    for function in _functions(graph):
        yield function.signature.name
        for argument in function.arg_attr.values():
            for value in argument.attr.values():
                if value.s.isdigit():
                    yield value.s.decode()


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
