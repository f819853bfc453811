"""A picture of a label graph, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structured.graphs import RootedForest, circuit_rank

COLUMN, ROW, MARGIN = 150, 34, 20
ATTRACT, REPEL, PLAIN = "#2b6cb0", "#c05621", "#718096"


@dataclass(frozen=True)
class TreePicture:
    """An SVG drawing; notebooks show it, `save` writes it.

    Attributes:
        svg: the text of the drawing.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write the drawing to an `.svg` file."""
        Path(path).write_text(self.svg, encoding="utf-8")


def draw_tree(
    names: tuple[str, ...],
    edges: NDArray[np.int64],
    strengths: NDArray[np.float64],
    couplings: NDArray[np.float64],
) -> TreePicture:
    """Draw labels from left to right by depth, edges as thick as they are strong.

    Blue solid edges attract (the two tags tend to go together), orange dashed ones repel, grey ones join labels of
    more than two states. Labels without edges stand in a row of their own below. Graphs with circles are drawn
    on a ring.

    Args:
        names: of the `n` labels.
        edges: int `[E, 2]`.
        strengths: float `[E]`, >= 0.
        couplings: float `[E]`; above 0 attracts, below 0 repels, NaN neither.
    """
    forest = circuit_rank(edges, len(names)) == 0
    places = _tree_places(len(names), edges) if forest else _ring_places(len(names))
    width = float(places[:, 0].max()) + COLUMN
    height = float(places[:, 1].max()) + ROW
    thickest = float(strengths.max()) if len(strengths) and strengths.max() > 0 else 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{escape(_described(names, edges, couplings))}</title>",
    ]
    for (low, high), strength, coupling in zip(edges, strengths, couplings, strict=True):
        (x1, y1), (x2, y2) = places[low], places[high]
        colour = PLAIN if np.isnan(coupling) else ATTRACT if coupling >= 0 else REPEL
        dashes = ' stroke-dasharray="6 4"' if coupling < 0 else ""
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes} '
            f'stroke-width="{1 + 5 * strength / thickest:.1f}"><title>'
            f"{escape(names[low])} and {escape(names[high])}: {coupling:+.3g}</title></line>"
        )
    for name, (x, y) in zip(names, places, strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#fff" stroke="#2d3748"/>'
            f'<text x="{x + 8:.1f}" y="{y - 6:.1f}" fill="#2d3748">{escape(name)}</text>'
        )
    return TreePicture("\n".join([*parts, "</svg>", ""]))


def _tree_places(count: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Depth to the right; leaves one under the other, parents in the middle of their children."""
    forest = RootedForest.from_edges(edges, count)
    children: dict[int, list[int]] = {node: [] for node in range(count)}
    for level in forest.levels[1:]:
        for node in level.tolist():
            children[int(forest.parent[node])].append(node)
    places = np.zeros((count, 2))
    line = 0

    # Larger trees first, single labels last.
    sizes = {root: _size(root, children) for root in forest.levels[0].tolist()}
    for root in sorted(sizes, key=lambda node: (-sizes[node], node)):
        stack = [(root, 0, False)]
        while stack:
            node, depth, done = stack.pop()
            below = children[node]
            places[node, 0] = MARGIN + depth * COLUMN
            if not below:
                places[node, 1] = ROW + line * ROW
                line += 1
            elif done:
                places[node, 1] = places[below, 1].mean()
            else:
                stack.append((node, depth, True))
                stack.extend((child, depth + 1, False) for child in reversed(below))
    return places


def _size(root: int, children: dict[int, list[int]]) -> int:
    waiting, size = [root], 0
    while waiting:
        node = waiting.pop()
        size += 1
        waiting.extend(children[node])
    return size


def _ring_places(count: int) -> NDArray[np.float64]:
    radius = max(80.0, 12.0 * count)
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([MARGIN + radius * (1 + np.cos(angle)), ROW + radius * (1 + np.sin(angle))], axis=1)


def _described(names: tuple[str, ...], edges: NDArray[np.int64], couplings: NDArray[np.float64]) -> str:
    links = [
        f"{names[low]} {'and' if np.isnan(coupling) else 'attracts' if coupling >= 0 else 'repels'} {names[high]}"
        for (low, high), coupling in zip(edges, couplings, strict=True)
    ]
    return f"{len(names)} labels, {len(edges)} edges" + (": " + "; ".join(links) if links else "")
