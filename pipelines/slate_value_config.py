"""The part of the configuration on what re-ordered slates would have earned on the logged traffic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seriatim_config import Section


class SlateValueConfig(Section):
    """Off-policy value of slates, estimated where the log holds propensities."""

    positions: int | None = Field(None, ge=1, description="First positions whose clicks count; null: the slate's size.")
    logger: Literal["unknown", "plackett_luce"] = Field(
        "unknown",
        description="`unknown`, or `plackett_luce`: drew items in proportion to weights of their own.",
    )
    exploration: Literal["none", "temperature", "epsilon"] = Field(
        "none", description="Judge the new bundle also as it would explore: `none`, by `temperature` or by `epsilon`."
    )
    temperature: float = Field(1.0, ge=1e-3, le=1e3, description="Of that exploration.")
    epsilon: float = Field(0.1, gt=0, le=1, description="Of that exploration.")
