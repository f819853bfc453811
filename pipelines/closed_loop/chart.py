"""The week as a picture: reward by day, a line an arm with the band of its intervals; SVG, and a page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipelines.closed_loop.settings import REWARDS
from pipelines.report.plots.line_labels import label_heights
from pipelines.report.plots.scale import scale_for

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 56, 110, 30, 40
COLOURS = {"static": "#718096", "retrained": "#c05621", "exploring": "#2b6cb0"}
TITLES = {"clicks": "clicks a request", "wanted": "wanted items in a slate"}
PAGE_FILE = "week.html"
# A day's value and the ends of its interval.
Point = tuple[float, float, float, float]


def reward_chart(series: Mapping[str, Sequence[Point]], title: str) -> str:
    """A line through each arm's days in a band of its intervals.

    Args:
        series: by arm, points (day, value, low, high), at least one.
        title: of the upright axis.
    """
    points = [point for line in series.values() for point in line]
    across = scale_for([point[0] for point in points], LEFT, WIDTH - RIGHT, padding=0.03)
    up = scale_for([end for point in points for end in point[1:]], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#2d3748">',
        f"<title>{escape(title)} by day, for each arm</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="16">{escape(title)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">day</text>',
    ]
    for x, text in across.ticks(7, whole=True):
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>')
    for y, text in up.ticks(5):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#e2e8f0"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for arm, line in series.items():
        colour = COLOURS[arm]
        band = [f"{across(day)},{up(high)}" for day, _, _, high in line]
        band += [f"{across(day)},{up(low)}" for day, _, low, _ in reversed(line)]
        path = " ".join(f"{across(day)},{up(value)}" for day, value, _, _ in line)
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" fill-opacity="0.15"/>')
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(
            f'<circle cx="{across(day)}" cy="{up(value)}" r="3.5" fill="{colour}">'
            f"<title>{escape(arm)}, day {day:g}: {value:.3f} [{low:.3f}, {high:.3f}]</title></circle>"
            for day, value, low, high in line
        )
    ends = {arm: up(line[-1][1]) for arm, line in series.items()}
    parts += [
        f'<text x="{WIDTH - RIGHT + 10}" y="{height:.1f}" fill="{COLOURS[arm]}">{escape(arm)}</text>'
        for arm, height in label_heights(ends).items()
    ]
    return "\n".join([*parts, "</svg>", ""])


def write_page(result: Mapping[str, Any], folder: Path) -> Path:
    """Write `week.html`: both rewards by day, the decisions, the differences; returns where."""
    days = result["days"]
    charts = [reward_chart(_series(days, reward), TITLES[reward]) for reward in REWARDS]
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in decisions(day))}</tr>" for day in days)
    pairs = "".join(f"<li>{escape(difference_in_words(one))}</li>" for one in result["differences"])
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    page = folder / PAGE_FILE
    page.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A simulated week</title>'
        "<style>body{font-family:sans-serif;margin:2rem;max-width:70rem}td,th{padding:.2rem .6rem;"
        "vertical-align:top;text-align:left;border-top:1px solid #e2e8f0}</style><h1>A simulated week</h1>"
        f"{''.join(charts)}<h2>Differences over the same requests</h2><ul>{pairs}</ul>"
        "<h2>Decisions</h2><table><tr><th>day<th>arm<th>bundle in the evening<th>canary<th>night after it</tr>"
        f"{rows}</table><p>{escape(settings)}</p></html>\n",
        encoding="utf-8",
    )
    return page


def decisions(day: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """A day's row in words: day, arm, the bundle at its end, what became of the canary, what the night decided."""
    canary, night = day["canary"], day["night"]
    tried = "" if canary is None else f"{'promoted' if canary['promoted'] else 'rolled back'}: {canary['decision']}"
    return str(day["day"]), day["arm"], day["bundle"], tried, "" if night is None else night["decision"]


def difference_in_words(one: Mapping[str, Any]) -> str:
    """One of a week's differences as a line: between which arms, in what, when, how much."""
    counted = "" if one["requests"] == "all" else ", random slates left out"
    first, last = one["days"]
    return (
        f"{one['of']} minus {one['minus']}, {TITLES[one['reward']]}, days {first} to {last}{counted}: "
        f"{one['value']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
    )


def _series(days: Sequence[Mapping[str, Any]], reward: str) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for day in days:
        found = day[reward]
        series.setdefault(day["arm"], []).append((day["day"], found["value"], found["low"], found["high"]))
    return series
