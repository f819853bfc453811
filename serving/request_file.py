"""A slate request as JSON: a file of the command line, or what the explorer sends."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seriatim_errors import DataError


class RankRequest(BaseModel):
    """The parts of a request as a JSON file gives them; see docs/client.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    request_id: str
    item_ids: list[str]
    features: list[list[float]] | None = None
    context: list[float] = Field(default_factory=list)
    slate_size: int
    feature_names: list[str] = Field(default_factory=list)
    context_names: list[str] = Field(default_factory=list)
    bundle_version: str = ""
    user_id: str = ""

    @field_validator("features")
    @classmethod
    def _rows_are_equally_long(cls, rows: list[list[float]] | None) -> list[list[float]] | None:
        for place, row in enumerate(rows or ()):
            first = len(rows[0]) if rows else 0
            if len(row) != first:
                raise ValueError(f"row {place} has {len(row)} numbers, row 0 has {first}; give a number a feature")
        return rows


def read_request(path: Path) -> RankRequest:
    """Read a request from a JSON file.

    Raises:
        DataError: the file is missing, is not JSON or breaks the contract; the message names the field.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"request {path}: {error.strerror}; give a readable JSON file") from None
    except ValueError as error:
        raise DataError(f"request {path} is not JSON: {error}") from None
    try:
        return RankRequest.model_validate(values)
    except ValidationError as error:
        raise DataError(f"request {path}: {first_mistake(error)}") from None


def first_mistake(error: ValidationError) -> str:
    """The first of a request's mistakes as `field: what is wrong`."""
    mistake = error.errors()[0]
    field = ".".join(map(str, mistake["loc"])) or "the file"
    if mistake["type"] == "missing":
        return f"field {field!r} is missing"
    if mistake["type"] == "extra_forbidden":
        return f"unknown field {field!r}; known are {', '.join(RankRequest.model_fields)}"
    return f"{field}: {mistake['msg'].removeprefix('Value error, ')}"
