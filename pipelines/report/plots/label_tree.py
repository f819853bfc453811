"""A forest of labels from left to right: each tree from its middle, a row a leaf, a column a step away."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

ROW, EDGE_ROOM, MARGIN = 34, 84, 10
CHARACTER, PADDING, LONGEST_NAME = 7.6, 11, 28
THINNEST, THICKEST = 1.5, 7.0
# How far along an edge its sign stands: nearer to the child, where the edges of siblings lie apart.
SIGN_AT = 0.7


@dataclass(frozen=True)
class TreeLink:
    """An edge in data: the two labels' places, how strong it is (>= 0), whether they attract, its words on hover."""

    first: int
    second: int
    strength: float
    attracts: bool
    words: str


@dataclass(frozen=True)
class DrawnLabel:
    """A label's box in drawing units: its left end, its middle's height, its width; `shown` fits, `name` is whole."""

    x: float
    y: float
    width: float
    shown: str
    name: str


@dataclass(frozen=True)
class DrawnLink:
    """An edge in drawing units: an SVG path, where its sign stands, its thickness."""

    path: str
    x: float
    y: float
    thickness: float
    attracts: bool
    words: str


@dataclass(frozen=True)
class LabelTree:
    """The whole drawing; labels in the order given."""

    width: float
    height: float
    labels: Sequence[DrawnLabel]
    links: Sequence[DrawnLink]


def label_tree(names: Sequence[str], links: Sequence[TreeLink]) -> LabelTree:
    """Lay out labels and the edges between them, which form a forest; the largest tree comes first.

    Args:
        names: of the labels.
        links: edges without a cycle; thickness is in proportion to strength, from 1.5 up to 7 for the strongest.
    """
    neighbours: list[list[int]] = [[] for _ in names]
    for link in links:
        neighbours[link.first].append(link.second)
        neighbours[link.second].append(link.first)
    depth, row = [0] * len(names), [0.0] * len(names)
    rows = 0
    for root in _middles(neighbours):
        rows = _place(root, neighbours, depth, row, rows)
    texts = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
    widths = [CHARACTER * _columns(text) + 2 * PADDING for text in texts]
    left = [float(MARGIN)]
    for level in range(max(depth, default=0) + 1):
        left.append(left[-1] + max(w for w, d in zip(widths, depth, strict=True) if d == level) + EDGE_ROOM)
    labels = [
        DrawnLabel(round(left[depth[i]], 1), round(MARGIN + (row[i] + 0.5) * ROW, 1), round(widths[i], 1), text, name)
        for i, (text, name) in enumerate(zip(texts, names, strict=True))
    ]
    strongest = max((link.strength for link in links), default=0.0) or 1.0
    return LabelTree(
        width=round(left[-1] - EDGE_ROOM + MARGIN, 1),
        height=2 * MARGIN + rows * ROW,
        labels=labels,
        links=[_drawn(link, labels, depth, strongest) for link in links],
    )


def _middles(neighbours: Sequence[Sequence[int]]) -> list[int]:
    """Of each tree the label from which the farthest is nearest; larger trees first, then by place."""
    seen: set[int] = set()
    middles = []
    for start in range(len(neighbours)):
        if start not in seen:
            tree = _distances(start, neighbours)
            seen |= set(tree)
            middle = min(tree, key=lambda node: (max(_distances(node, neighbours).values()), node))
            middles.append((-len(tree), middle))
    return [middle for _, middle in sorted(middles)]


def _distances(start: int, neighbours: Sequence[Sequence[int]]) -> dict[int, int]:
    steps = {start: 0}
    frontier = [start]
    for node in frontier:
        for other in neighbours[node]:
            if other not in steps:
                steps[other] = steps[node] + 1
                frontier.append(other)
    return steps


def _place(root: int, neighbours: Sequence[Sequence[int]], depth: list[int], row: list[float], rows: int) -> int:
    """Give every label of a tree its depth and its row from `rows` on; returns the first row that is still free."""
    order, children = [(root, -1)], {}
    for node, parent in order:
        children[node] = [other for other in sorted(neighbours[node]) if other != parent]
        for child in children[node]:
            depth[child] = depth[node] + 1
        order += [(child, node) for child in children[node]]
    # Leaves take rows in the order of a walk; what holds them is placed on the way back.
    walk = [(root, False)]
    while walk:
        node, done = walk.pop()
        if not children[node]:
            row[node] = rows
            rows += 1
        elif done:
            row[node] = (row[children[node][0]] + row[children[node][-1]]) / 2
        else:
            walk.append((node, True))
            walk += [(child, False) for child in reversed(children[node])]
    return rows


def _drawn(link: TreeLink, labels: Sequence[DrawnLabel], depth: Sequence[int], strongest: float) -> DrawnLink:
    parent, child = sorted((link.first, link.second), key=lambda node: depth[node])
    start, end = labels[parent].x + labels[parent].width, labels[child].x
    above, below = labels[parent].y, labels[child].y
    middle = (start + end) / 2
    return DrawnLink(
        path=f"M{start:g} {above:g}C{middle:g} {above:g} {middle:g} {below:g} {end:g} {below:g}",
        x=round(_bezier(start, middle, middle, end), 1),
        y=round(_bezier(above, above, below, below), 1),
        thickness=round(THINNEST + (THICKEST - THINNEST) * link.strength / strongest, 2),
        attracts=link.attracts,
        words=link.words,
    )


def _bezier(start: float, first: float, second: float, end: float) -> float:
    """One coordinate of a cubic curve with these control points, at `SIGN_AT`."""
    t, s = SIGN_AT, 1 - SIGN_AT
    return s**3 * start + 3 * s**2 * t * first + 3 * s * t**2 * second + t**3 * end


def _columns(text: str) -> int:
    """Width of a text in narrow characters."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
