"""Read a configuration: one YAML file, one pydantic model; an unknown key or a wrong value is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from seriatim_errors import ConfigError


class Section(BaseModel):
    """A part of a configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Section)


def read_config(path: Path | None, model: type[Model], overrides: dict[str, Any] | None = None) -> Model:
    """Read and validate a configuration file.

    Args:
        path: YAML file; None: the overrides alone.
        model: what it must hold.
        overrides: dotted keys to values, laid over the file (`{"data.path": "log.parquet"}`).

    Raises:
        ConfigError: the file is absent, is not YAML, or holds an unknown key or a wrong value; the message
            names the key, the line and the value.
    """
    values: dict[str, Any] = {}
    node = None
    if path is not None:
        values, node = _read(path)
    for key, value in (overrides or {}).items():
        _set_dotted(values, key, value)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_describe(path, node, error)) from None


def _read(path: Path) -> tuple[dict[str, Any], yaml.Node]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"config {path}: {error.strerror}; give a readable YAML file") from None
    except UnicodeError as error:
        raise ConfigError(f"config {path} is not UTF-8 text: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"config {path} is not valid YAML: {error}") from None
    if node is None or not isinstance(values, dict):
        raise ConfigError(f"config {path}: expected a mapping of keys, found {type(values).__name__}")
    _refuse_repeated_keys(path, node, "")
    return values, node


def _set_dotted(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        # What is no section here is replaced: the override is what was asked for last.
        values[parent] = values[parent] if isinstance(values.get(parent), dict) else {}
        values = values[parent]
    values[last] = value


def _refuse_repeated_keys(path: Path, node: yaml.Node, section: str) -> None:
    """YAML readers keep the last of two equal keys without a word; a person who wrote both should know."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = f"{section}{key.value}", key.start_mark.line + 1
        if name in seen:
            raise ConfigError(
                f"config {path}, line {line}: {name} stands on line {seen[name]} already; keep one of them"
            )
        seen[name] = line
        _refuse_repeated_keys(path, value, f"{name}.")


def _describe(path: Path | None, root: yaml.Node | None, error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        location = problem["loc"]
        key = ".".join(str(part) for part in location) or "(whole file)"
        place = "options" if path is None else f"config {path}, line {_line_of(root, location)}"
        if problem["type"] == "extra_forbidden":
            reason = f"unknown key (its value is {problem['input']!r}); remove it or correct its spelling"
        elif problem["type"] == "missing":
            reason = "required key is missing"
        else:
            reason = f"{problem['msg']}, got {problem['input']!r}"
        lines.append(f"{place}: {key}: {reason}")
    return "\n".join(lines)


def _line_of(root: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """1-based line of the deepest node on the way to `location`."""
    node = root
    line = 1 if node is None else node.start_mark.line + 1
    for part in location:
        child = None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    line, child = key_node.start_mark.line + 1, value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            line = child.start_mark.line + 1
        if child is None:
            break
        node = child
    return line
