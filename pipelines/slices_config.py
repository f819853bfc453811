"""The configuration of one column that an evaluation is sliced by."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from seriatim_config import Section


class SliceConfig(Section):
    """A column whose values, or ranges of values, are slices of the requests."""

    column: str = Field(
        min_length=1, description="A column of the log: the context's for slices, the items' for groups."
    )
    buckets: int | None = Field(None, ge=2, le=100, description="Slices with about as many requests each.")
    bounds: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(
        (), max_length=99, description="Where one slice ends and the next begins, rising."
    )

    @model_validator(mode="after")
    def _slices_are_told_in_one_way(self) -> SliceConfig:
        if self.buckets is not None and self.bounds:
            raise ValueError("buckets and bounds are both given; keep one of the two")
        for low, high in pairwise(self.bounds):
            if low >= high:
                raise ValueError(f"bounds must rise, and {high:g} comes after {low:g}")
        return self


def _named(given: Any) -> Any:
    if isinstance(given, str):
        return {"column": given}
    if not isinstance(given, dict | SliceConfig):
        raise ValueError("give a column by its name, or as column with buckets or bounds")
    return given


# A column alone may be given by its name.
SlicedColumn = Annotated[SliceConfig, BeforeValidator(_named)]
