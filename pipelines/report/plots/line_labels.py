"""Where the names of lines stand beside their ends."""

from __future__ import annotations

from collections.abc import Mapping

LABEL_HEIGHT = 15


def label_heights(ends: Mapping[str, float]) -> dict[str, float]:
    """A height for each name, from the top down: at its line's end, or lower where another stands there.

    Args:
        ends: by name, the vertical coordinate at which a line ends.
    """
    heights: dict[str, float] = {}
    lowest = 0.0
    for name in sorted(ends, key=lambda one: ends[one]):
        heights[name] = lowest = max(ends[name] + 4, lowest + LABEL_HEIGHT)
    return heights
