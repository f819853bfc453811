"""A picture of widths before and after a search, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

LINE, LABEL, BAR, NUMBER, MARGIN, TOP = 22, 220, 420, 90, 16, 44
BEFORE, AFTER, GREW, TEXT = "#cbd5e0", "#2b6cb0", "#2f855a", "#2d3748"


def widths_picture(names: Sequence[str], before: Sequence[int], after: Sequence[int], title: str = "Widths") -> str:
    """A bar for each group of channels: its width before in grey, and after in blue, or green where it grew.

    Args:
        names: of the groups.
        before, after: channels of each, 0 or more.
        title: above the bars.

    Returns:
        The text of an SVG drawing.
    """
    rows = list(zip(names, before, after, strict=True))
    most = max([1, *before, *after])
    width, height = LABEL + BAR + NUMBER + MARGIN, TOP + LINE * len(rows) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="{TEXT}">',
        f"<title>{escape(_described(rows))}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{MARGIN}" y="{TOP - 22}" font-size="14">{escape(title)}</text>',
    ]
    for place, (name, old, new) in enumerate(rows):
        y = TOP + LINE * place
        wide = [BAR * size / most for size in (old, new)]
        colour = AFTER if new <= old else GREW
        parts.append(
            f"<g><title>{escape(name)}: {old} to {new}</title>"
            f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect x="{LABEL}" y="{y + 2}" width="{wide[0]:.1f}" height="{LINE - 6}" fill="{BEFORE}"/>'
            f'<rect x="{LABEL}" y="{y + 6}" width="{wide[1]:.1f}" height="{LINE - 14}" fill="{colour}"/>'
            f'<text x="{LABEL + max(wide) + 6:.1f}" y="{y + 14}">{old} → {new}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _short(name: str, most: int = 30) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _described(rows: list[tuple[str, int, int]]) -> str:
    return "Widths before and after: " + "; ".join(f"{name} {old} to {new}" for name, old, new in rows)
