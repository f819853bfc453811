"""The shape of a pydantic model, reduced to what a table can be made of: plain values, parts, lists and mappings."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

KINDS: dict[type, str] = {bool: "boolean", int: "int64", float: "float64", str: "string"}


@dataclass(frozen=True)
class Leaf:
    """A plain value, or null; `kind` is `string`, `int64`, `float64` or `boolean`."""

    kind: str


@dataclass(frozen=True)
class Record:
    """A part with named fields; a tuple of fixed length is one whose fields are numbered from 0."""

    fields: Mapping[str | int, Node]


@dataclass(frozen=True)
class Rows:
    """A list of any length."""

    item: Node


@dataclass(frozen=True)
class Entries:
    """A mapping from strings."""

    value: Node


Node = Leaf | Record | Rows | Entries


def schema_of(kind: Any) -> Node:
    """The shape of what JSON holds for a type.

    Args:
        kind: a pydantic model, a plain type, `Literal`, a tuple, list or mapping, an optional or a union of these.
            Of several models in a union all fields are kept; plain values that no type but text has in common are text.

    Raises:
        TypeError: there is no shape for this type.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return schema_of(arguments[0])
    if origin in (Union, types.UnionType):
        shapes: list[Node] = [schema_of(one) for one in arguments if one is not type(None)]
        return reduce(_either, shapes)
    if origin is Literal:
        plain: list[Node] = [Leaf(KINDS[type(one)]) for one in arguments if one is not None]
        return reduce(_either, plain)
    if origin is tuple and Ellipsis not in arguments:
        return Record({index: schema_of(one) for index, one in enumerate(arguments)})
    if origin is not None and issubclass(origin, Mapping):
        return Entries(schema_of(arguments[1]))
    if origin in (tuple, list):
        return Rows(schema_of(arguments[0]))
    if kind in KINDS:
        return Leaf(KINDS[kind])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Record({name: schema_of(field.annotation) for name, field in kind.model_fields.items()})
    raise TypeError(f"{kind} has no place in a table; make it a plain value, a model, a list or a mapping")


def _either(one: Node, other: Node) -> Node:
    if isinstance(one, Record) and isinstance(other, Record):
        shared = {name: _either(one.fields[name], other.fields[name]) for name in one.fields if name in other.fields}
        return Record({**one.fields, **other.fields, **shared})
    if isinstance(one, Leaf) and isinstance(other, Leaf):
        kinds = {one.kind, other.kind}
        if len(kinds) == 1:
            return one
        return Leaf("float64" if kinds == {"int64", "float64"} else "string")
    if isinstance(one, Rows) and isinstance(other, Rows):
        return Rows(_either(one.item, other.item))
    if isinstance(one, Entries) and isinstance(other, Entries):
        return Entries(_either(one.value, other.value))
    raise TypeError(f"one field cannot be both {one} and {other}; give each its own")
