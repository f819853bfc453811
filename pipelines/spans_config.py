"""Settings of a click log that grows by days: which of them a run reads, and on which of them it evaluates."""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from seriatim_config import Section

# Ten years.
LONGEST_WINDOW = 3660


class SpansConfig(Section):
    """A window of days that ends with the newest one, or with a named one."""

    window: int = Field(
        7, ge=1, le=LONGEST_WINDOW, description="Days up to the last that a run reads, held-out ones among them."
    )
    evaluation: int = Field(
        0, ge=0, description="Days at the end of the window to evaluate on; 0: `evaluation_share` of the requests."
    )
    last: date | None = Field(None, description="Last day of the window; null: the newest that is there.")

    @model_validator(mode="after")
    def _some_days_are_trained_on(self) -> SpansConfig:
        if self.evaluation >= self.window:
            raise ValueError(
                f"evaluation ({self.evaluation}) leaves no day of window ({self.window}) to train on; "
                "make the window longer"
            )
        return self
