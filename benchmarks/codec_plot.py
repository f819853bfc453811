"""Quality over rate of decoders, JPEG and WebP, and quality over what a decoder costs, as SVG."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.cascade_plot import decades

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 900, 380, 56, 16, 64, 44, 64
COLOURS = ("#4a5568", "#2b6cb0", "#2f855a", "#b7791f", "#6b46c1", "#c53030", "#90cdf4", "#a0aec0", "#cbd5e0", "#dd6b20")
RATE, QUALITY, COST = "bits per pixel", "PSNR, dB", "multiply-adds per pixel"


def codec_plot(rows: list[dict[str, Any]]) -> str:
    """Two panels with one scale of quality: bits per pixel to the left, the decoder's multiply-adds to the right."""
    panel = (WIDTH - LEFT - RIGHT - GAP) / 2
    colours = dict(zip(dict.fromkeys(row["codec"] for row in rows), COLOURS * len(rows), strict=False))
    low, high = math.floor(min(row[QUALITY] for row in rows)), math.ceil(max(row[QUALITY] for row in rows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="sans-serif" font-size="12" fill="#4a5568">',
        "<title>Quality of decoded pictures over rate and over the decoder's cost</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for place, (name, colour) in enumerate(colours.items()):
        x, y = LEFT + 170 * (place % 5), 14 + 18 * (place // 5)
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/><text x="{x + 10}" y="{y + 4}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">PSNR, dB</text>')
    panels = ((LEFT, RATE, rows, True), (LEFT + panel + GAP, COST, [row for row in rows if row[COST] != ""], False))
    for left, key, shown, joined in panels:
        least, most = min(row[key] for row in shown) / 1.2, max(row[key] for row in shown) * 1.2
        for level in range(low, high + 1, max(1, (high - low) // 6)):
            y = _down(level, low, high)
            parts.append(f'<line x1="{left}" x2="{left + panel}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e8f0"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{level}</text>')
        for tick in decades(least, most):
            x = left + panel * _across(tick, least, most)
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left + panel}" y="{HEIGHT - 8}" text-anchor="end">{key}</text>')
        for name, colour in colours.items():
            own = sorted((row for row in shown if row["codec"] == name), key=lambda row: row[RATE])
            points = [
                (left + panel * _across(row[key], least, most), _down(row[QUALITY], low, high), row) for row in own
            ]
            if joined:
                line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
                parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
            for x, y, row in points:
                words = f"{name}, {row['setting']}: {row[RATE]:.3f} bits per pixel, {row[QUALITY]:.2f} dB"
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{words}</title></circle>')
    return "\n".join([*parts, "</svg>", ""])


def _across(value: float, least: float, most: float) -> float:
    return math.log(value / least) / math.log(most / least)


def _down(quality: float, low: int, high: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (quality - low) / max(high - low, 1)
