"""The reference of settings: every key of a configuration with type, default, range and meaning, from its model."""

from __future__ import annotations

import datetime
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import annotated_types
from pydantic.fields import FieldInfo

from configs.docs_site.tables import code, table
from pipelines.config import PipelineConfig
from pipelines.locations import Location
from seriatim_config import Section
from serving.config import ServiceConfig

HEAD = ("key", "type", "default", "range", "meaning")
PLAIN = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    datetime.date: "date",
    Path: "path",
    Location: "path or URL",
}
UNIONS = (types.UnionType, typing.Union)
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
INTRODUCTION = """# Settings of {of}

Every key of the file that `{command} --config` reads. How they play together, with examples, is told in
[{title}](../{page}).
"""
PAGES = {
    "pipeline": (PipelineConfig, ("a pipeline", "seriatim run", "configuration", "configuration.md")),
    "service": (
        ServiceConfig,
        ("the service", "seriatim serve", "configuration of the service", "serving_configuration.md"),
    ),
}


def settings_page(of: Literal["pipeline", "service"]) -> str:
    """The page, in Markdown: one table a section of the configuration."""
    model, (name, command, title, page) = PAGES[of]
    introduction = INTRODUCTION.format(of=name, command=command, title=title, page=page)
    return "\n".join([introduction, *_sections(model, "", "")])


def _sections(model: type[Section], prefix: str, note: str) -> Iterator[str]:
    """A section and those within it; `prefix` is its own key with a dot behind."""
    rows, below = [], []
    for name, field in model.model_fields.items():
        inner = _section_within(field.annotation)
        if inner is None:
            rows.append(_row(prefix + name, field))
        else:
            below.append((inner, f"{prefix}{name}.", _presence(field)))
        items = _section_of_items(field.annotation)
        if items is not None:
            below.append((items, f"{prefix}{name}[].", "Keys of one entry of the list."))
    title = prefix.rstrip(".") or "Top level"
    said = [f"## {title}", " ".join(filter(None, [(model.__doc__ or "").strip(), note]))]
    yield "\n\n".join([*said, table(HEAD, rows)] if rows else said) + "\n"
    for inner, key, presence in below:
        yield from _sections(inner, key, presence)


def _presence(field: FieldInfo) -> str:
    if type(None) not in typing.get_args(field.annotation):
        return ""
    return "Null by default: left out." if field.default is None else "Left out where it is null."


def _section_within(annotation: Any) -> type[Section] | None:
    kinds = [annotation, *typing.get_args(annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def _section_of_items(annotation: Any) -> type[Section] | None:
    if typing.get_origin(annotation) is not tuple:
        return None
    entry, _ = _without_marks(typing.get_args(annotation)[0])
    return _section_within(entry)


def _row(key: str, field: FieldInfo) -> tuple[str, ...]:
    limits = "; ".join(filter(None, [_range_words(field.metadata), _ranges_within(field.annotation)]))
    return code(key), _type_words(field.annotation), _default_words(field), limits, field.description or ""


def _default_words(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    given = field.get_default(call_default_factory=True)
    if given is None:
        return "null"
    if isinstance(given, tuple):
        return code(str(list(given))) if given else "empty"
    return code(str(given).lower() if isinstance(given, bool) else str(given))


def _type_words(annotation: Any) -> str:
    kind, _ = _without_marks(annotation)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin is Literal:
        return " or ".join(code(str(choice)) for choice in arguments)
    if origin in UNIONS:
        return " or ".join("null" if part is type(None) else _type_words(part) for part in arguments)
    if origin is tuple:
        return f"list of {_type_words(arguments[0])}"
    if _section_within(kind) is not None:
        return "name or section"
    raise TypeError(f"a setting of type {annotation} has no words yet; give it some here")


def _ranges_within(annotation: Any) -> str:
    """The range of what may stand in place of null, or of each entry of a list."""
    kind, marks = _without_marks(annotation)
    inner = [part for part in typing.get_args(kind) if part not in (type(None), ...)]
    said = [_range_words(marks)]
    if typing.get_origin(kind) in UNIONS:
        said += map(_ranges_within, inner)
    elif typing.get_origin(kind) is tuple and (entry := _ranges_within(inner[0])):
        said.append(f"each {entry}")
    return ", ".join(filter(None, said))


def _without_marks(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without what `Annotated` adds, and that."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return annotation, []
    kind, *marks = typing.get_args(annotation)
    return kind, [inner for mark in marks for inner in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]


def _range_words(marks: list[Any]) -> str:
    said = []
    for mark in marks:
        said += [f"{sign} {getattr(mark, name)}" for name, sign in SIGNS.items() if hasattr(mark, name)]
        if isinstance(mark, annotated_types.MinLen):
            said.append("not empty" if mark.min_length == 1 else f"at least {mark.min_length}")
        elif isinstance(mark, annotated_types.MaxLen):
            said.append(f"at most {mark.max_length}")
        elif getattr(mark, "pattern", None):
            said.append(f"matches {code(mark.pattern)}")
        elif getattr(mark, "allow_inf_nan", None) is False:
            said.append("finite")
    return ", ".join(said)
