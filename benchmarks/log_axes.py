"""Two logarithmic axes of a plot that is drawn as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LogAxes:
    """Where values stand.

    Attributes:
        width, height: of the drawing.
        left, right, top, bottom: margins.
        across, up: ticks, rising; the first and the last are the ends of the axes.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    across: tuple[float, ...]
    up: tuple[float, ...]

    def x(self, value: float) -> float:
        """The coordinate of a value on the axis that runs across."""
        return self.left + (self.width - self.left - self.right) * _share(value, self.across)

    def y(self, value: float) -> float:
        """The coordinate of a value on the upright axis."""
        return self.height - self.bottom - (self.height - self.top - self.bottom) * _share(value, self.up)

    def head(self, title: str, up_title: str, across_title: str, ink: str) -> list[str]:
        """The start of the drawing: its titles, which are SVG already, on white ground."""
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="sans-serif" font-size="12" fill="{ink}">',
            f"<title>{title}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="{self.left}" y="16">{up_title}</text>',
            f'<text x="{self.width - self.right}" y="{self.height - 8}" text-anchor="end">{across_title}</text>',
        ]

    def grid(self, up_format: str) -> list[str]:
        """Ticks of both axes, those of the upright one with a line each; `up_format` is of its numbers."""
        parts = [
            f'<text x="{self.x(tick):.1f}" y="{self.height - self.bottom + 18}" text-anchor="middle">{tick:,}</text>'
            for tick in self.across
        ]
        for tick in self.up:
            height = self.y(tick)
            parts.append(
                f'<line x1="{self.left}" x2="{self.width - self.right}" y1="{height:.1f}" y2="{height:.1f}" '
                'stroke="#e2e8f0"/>'
                f'<text x="{self.left - 8}" y="{height + 4:.1f}" text-anchor="end">{tick:{up_format}}</text>'
            )
        return parts


def _share(value: float, ticks: tuple[float, ...]) -> float:
    return math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
