"""A linear axis with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high] in data to [start, end] in the drawing's units.

    Attributes:
        low, high: ends of the axis in data, low < high.
        start, end: the same ends in the drawing; `start` may be the larger, as on a vertical axis.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of `value`, to a hundredth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int = 5, whole: bool = False) -> list[tuple[float, str]]:
        """Round values within the axis, `about` that many, as (coordinate, text); only integers if `whole`."""
        rough = (self.high - self.low) / max(1, about)
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * min(STEPS, key=lambda candidate: abs(candidate - rough / power))
        if whole:
            step = max(1.0, round(step))
        digits = next(digits for digits in range(20) if abs(round(step, digits) - step) < step * 1e-9)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self(k * step), f"{k * step:,.{digits}f}") for k in range(first, last + 1)]


def scale_for(
    values: Iterable[float], start: float, end: float, include: Iterable[float] = (), padding: float = 0.06
) -> Scale:
    """The axis that shows all `values` and all of `include` with some room around them.

    Args:
        values, include: data; without any the axis is [0, 1].
        start, end: the drawing's ends.
        padding: room on both sides, as a share of the data's span.
    """
    shown = [*values, *include]
    if not shown:
        return Scale(0.0, 1.0, start, end)
    low, high = min(shown), max(shown)
    # One value alone still needs an axis with a length.
    room = (high - low) * padding or max(abs(high), 1e-2) * 0.1
    return Scale(low - room, high + room, start, end)
