"""What the parts of a metrics file are made of: strict models, finite numbers, intervals."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _none_for_nan(value: Any) -> Any:
    """JSON knows no nan: what is undefined is null in the file."""
    return None if isinstance(value, float) and math.isnan(value) else value


Finite = Annotated[float, Field(allow_inf_nan=False)]
OptionalFinite = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_none_for_nan)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A part of the file; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Part):
    """A value with its bootstrap interval and the number of requests it rests on.

    `value`, `low` and `high` are all None where the value is not defined, for instance without any request.
    """

    value: OptionalFinite
    low: OptionalFinite
    high: OptionalFinite
    count: Count

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> Interval:
        ends = (self.value, self.low, self.high)
        if any(end is None for end in ends) != all(end is None for end in ends):
            raise ValueError("value, low and high must be numbers together or null together")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self
