"""Draws a small line plot as SVG: a logarithmic axis to the right, a linear one from zero upwards."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH: Final = 560
HEIGHT: Final = 320
LEFT: Final = 64
RIGHT: Final = 150
TOP: Final = 44
BOTTOM: Final = 52
MIDDLE: Final = (LEFT + WIDTH - RIGHT) // 2
#: colours that differ in lightness too (Okabe and Ito), so that they can be distinguished without colour vision
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#000000")
STEPS: Final = 5


def svg(title: str, across: str, up: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw a plot.

    Args:
        title: the title.
        across: label of the horizontal axis; every value on it is above 0.
        up: label of the vertical axis.
        lines: name -> points.
    """
    points = [point for line in lines.values() for point in line]
    low, high = floor(log10(min(x for x, _ in points))), ceil(log10(max(x for x, _ in points)))
    step = _step(max(y for _, y in points))
    top = step * ceil(max(y for _, y in points) / step)

    def place(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (log10(x) - low) / max(1, high - low) * (WIDTH - LEFT - RIGHT)
        return round(right, 1), round(HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 8}" fill="#555555">{escape(up)}</text>',
        f'<text x="{MIDDLE}" y="{HEIGHT - 12}" text-anchor="middle" fill="#555555">{escape(across)}</text>',
    ]
    for exponent in range(low, high + 1):
        x, base = place(10.0**exponent, 0)
        parts.append(f'<text x="{x}" y="{base + 16}" text-anchor="middle">{10**exponent:,}</text>')
    for count in range(ceil(top / step) + 1):
        x, y = place(10.0**low, count * step)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{count * step:g}</text>')
    for index, (name, line) in enumerate(lines.items()):
        parts += _line(name, [place(x, y) for x, y in line], COLOURS[index % len(COLOURS)], TOP + 18 * index + 8)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _line(name: str, line: Sequence[tuple[float, float]], colour: str, at: int) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in line)
    right = WIDTH - RIGHT + 12
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in line),
        f'<line x1="{right}" y1="{at - 4}" x2="{right + 16}" y2="{at - 4}" stroke="{colour}" stroke-width="2"/>',
        f'<text x="{right + 22}" y="{at}">{escape(name)}</text>',
    ]


def _step(most: float) -> float:
    """Find a round step of which about five reach the most."""
    raw = most / STEPS
    unit = 10.0 ** floor(log10(raw))
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
