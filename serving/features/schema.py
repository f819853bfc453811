"""What a store says of its rows: the features in them, in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.bundle.manifest import first_mistake


class StoreSchema(BaseModel):
    """The record under the key `__schema__`; a row is one float32, little-endian, a feature.

    Attributes:
        format: name of this format.
        features: names of the columns, all different.
        items: rows that were written together with the schema.
        fingerprint: sha256 of the names, 16 hexadecimal digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["seriatim-features-1"] = "seriatim-features-1"
    features: tuple[str, ...] = Field(min_length=1)
    items: int = Field(ge=0)
    fingerprint: str

    @classmethod
    def of(cls, features: Sequence[str], items: int) -> StoreSchema:
        """The schema of `items` rows with these features.

        Raises:
            ValidationError: a name stands twice, or there is none.
        """
        return cls(features=tuple(features), items=items, fingerprint=_fingerprint(features))

    @classmethod
    def parse(cls, content: bytes) -> StoreSchema:
        """Read what `serialised` wrote.

        Raises:
            ValueError: it is no schema of this format; the message names the field.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(first_mistake(error)) from None

    @model_validator(mode="after")
    def _is_sound(self) -> StoreSchema:
        for place, name in enumerate(self.features):
            if name in self.features[:place]:
                raise ValueError(f"feature {name!r} stands twice; name every column once")
        if self.fingerprint != _fingerprint(self.features):
            raise ValueError(f"fingerprint {self.fingerprint!r} is not that of the features")
        return self

    @property
    def row_bytes(self) -> int:
        """Length of every row."""
        return 4 * len(self.features)

    def serialised(self) -> bytes:
        """The schema as JSON."""
        return self.model_dump_json().encode()


def _fingerprint(features: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(features)).encode()).hexdigest()[:16]
