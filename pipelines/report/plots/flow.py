"""A directed acyclic graph from top to bottom: a row a step away from the start, links that pass by rows, not boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT = 196, 44, 80
BOX_ROOM, LANE_ROOM, MARGIN = 16, 14, 8
SWEEPS = 4
LONGEST_TEXT = 28

Place = tuple[int, int]


@dataclass(frozen=True)
class FlowNode:
    """A box in data: its title, a line under it, its words on hover, and a class for its looks."""

    title: str
    detail: str
    words: str
    tone: str = ""


@dataclass(frozen=True)
class DrawnBox:
    """A box in drawing units by its upper left corner; texts are cut to fit, the words are whole."""

    x: float
    y: float
    title: str
    detail: str
    words: str
    tone: str


@dataclass(frozen=True)
class DrawnFlow:
    """The whole drawing: boxes in the order given, and paths (SVG) with the words of the box that they come from."""

    width: float
    height: float
    boxes: Sequence[DrawnBox]
    links: Sequence[tuple[str, str]]


def flow(nodes: Sequence[FlowNode], links: Sequence[tuple[int, int]]) -> DrawnFlow:
    """Lay out boxes and the links between them.

    A link that spans several rows runs through a lane in each row between; links from one box share their lanes.

    Args:
        nodes: in an order in which every link leads forwards.
        links: (from, to) by place.

    Raises:
        ValueError: a link leads backwards.
    """
    layer = _layers(len(nodes), links)
    rows, spans = _rows(layer, links)
    _untangle(rows, spans)
    rooms = [[BOX_WIDTH + BOX_ROOM if layer[box] == at else LANE_ROOM for box, at in row] for row in rows]
    width = max(map(sum, rooms), default=0) + 2 * MARGIN
    middle: dict[Place, float] = {}
    for row, room in zip(rows, rooms, strict=True):
        left = (width - sum(room)) / 2
        for place, own in zip(row, room, strict=True):
            middle[place] = left + own / 2
            left += own
    boxes = [
        DrawnBox(
            x=middle[(index, layer[index])] - BOX_WIDTH / 2,
            y=MARGIN + layer[index] * ROW_HEIGHT,
            title=_cut(node.title),
            detail=_cut(node.detail),
            words=node.words,
            tone=node.tone,
        )
        for index, node in enumerate(nodes)
    ]
    drawn = [(_path(start, end, middle, layer), nodes[start[0]].words) for start, end in sorted(spans)]
    height = len(rows) * ROW_HEIGHT - (ROW_HEIGHT - BOX_HEIGHT) + 2 * MARGIN if rows else 0
    return DrawnFlow(width, height, boxes, drawn)


def _layers(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    layer = [0] * count
    for start, end in sorted(links, key=lambda link: link[1]):
        if start >= end:
            raise ValueError(f"the link from {start} to {end} does not lead forwards; order the nodes")
        layer[end] = max(layer[end], layer[start] + 1)
    return layer


def _rows(layer: Sequence[int], links: Sequence[tuple[int, int]]) -> tuple[list[list[Place]], set[tuple[Place, Place]]]:
    """Boxes and lanes of every row as (box, row), where a box outside its own row is its lane; and what is linked."""
    rows: list[list[Place]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for index, row in enumerate(layer):
        rows[row].append((index, row))
    spans: set[tuple[Place, Place]] = set()
    for start, end in links:
        for row in range(layer[start], layer[end] - 1):
            spans.add(((start, row), (start, row + 1)))
            if (start, row + 1) not in rows[row + 1]:
                rows[row + 1].append((start, row + 1))
        spans.add(((start, layer[end] - 1), (end, layer[end])))
    return rows, spans


def _untangle(rows: list[list[Place]], spans: set[tuple[Place, Place]]) -> None:
    """Order every row by where its neighbours stand, downwards and upwards in turn, so that few links cross."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for start, end in spans:
        above.setdefault(end, []).append(start)
        below.setdefault(start, []).append(end)
    for sweep in range(SWEEPS):
        near, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            stand = {place: index / len(one) for one in rows for index, place in enumerate(one)}
            wanted = {
                place: sum(stand[other] for other in near[place]) / len(near[place]) if place in near else stand[place]
                for place in row
            }
            row.sort(key=lambda place: (wanted[place], place))


def _path(start: Place, end: Place, middle: dict[Place, float], layer: Sequence[int]) -> str:
    """From the lower edge of a box, or through its lane, to the upper edge of a box or into the next lane."""
    top = MARGIN + start[1] * ROW_HEIGHT + (BOX_HEIGHT if layer[start[0]] == start[1] else 0)
    bottom = MARGIN + end[1] * ROW_HEIGHT
    turn = MARGIN + start[1] * ROW_HEIGHT + BOX_HEIGHT
    bend = (turn + bottom) / 2
    return (
        f"M{middle[start]:g} {top:g}V{turn:g}C{middle[start]:g} {bend:g} {middle[end]:g} {bend:g} "
        f"{middle[end]:g} {bottom:g}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
