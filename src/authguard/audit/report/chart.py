"""Plots as inline SVG: columns over time, lines of shares, bars in a row; no script, no colour alone, numbers beside.

Rules of this file:
- Everything is drawn by classes of the page's style sheet: its policy for the browser allows no style in an attribute.
- A plot has a name and says in words what it shows; its numbers stand in a table too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: size of a plot, and of its margins: left, right, top, bottom
WIDE: Final = 760
HIGH: Final = 230
LEFT: Final = 58
RIGHT: Final = 14
TOP: Final = 12
BOTTOM: Final = 30
#: most words along the time axis
WORDS: Final = 6
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a plot's values stand.

    Attributes:
        times: where each column begins, epoch seconds UTC; the last value is where the last one ends.
        top: the largest value of the axis.
    """

    times: tuple[float, ...]
    top: float

    def x(self, place: float) -> float:
        """Place a column's edge."""
        return LEFT + (WIDE - LEFT - RIGHT) * place / (len(self.times) - 1)

    def y(self, value: float) -> float:
        """Place a value."""
        return HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * value / self.top


def columns(name: str, words: str, times: Sequence[float], series: Mapping[str, Sequence[int]]) -> str:
    """Draw stacked columns.

    Args:
        name: of the plot.
        words: what it shows.
        times: where each column begins, and where the last one ends, epoch seconds UTC.
        series: what is stacked, the lowest first -> a value for each column; they are classes ``g0``, ``g1``...
    """
    stacks = list(zip(*series.values(), strict=True))
    frame = Frame(tuple(times), nice(max(map(sum, stacks), default=0)))
    parts = []
    for place, stack in enumerate(stacks):
        below, left = 0, frame.x(place)
        width = max(frame.x(place + 1) - left - 1, 0.8)
        for index, value in enumerate(stack):
            if value:
                high, low = frame.y(below + value), frame.y(below)
                size = f'width="{width:.1f}" height="{low - high:.1f}"'
                parts.append(f'<rect class="g{index}" x="{left:.1f}" y="{high:.1f}" {size}/>')
            below += value
    return _plot(name, words, frame, "".join(parts), percent=False) + legend(series, "g")


def lines(name: str, words: str, times: Sequence[float], series: Mapping[str, Sequence[float | None]]) -> str:
    """Draw shares over time; where there is nothing to have a share of, a line has a gap.

    Args:
        name: of the plot.
        words: what it shows.
        times: as for `columns`.
        series: classes ``l0``, ``l1``... -> a share for each column.
    """
    known = [value for values in series.values() for value in values if value is not None]
    frame = Frame(tuple(times), nice(max(known, default=0.0), least=0.05))
    parts = []
    for index, values in enumerate(series.values()):
        points = [
            (frame.x(place + 0.5), frame.y(value)) if value is not None else None for place, value in enumerate(values)
        ]
        for run in _runs(points):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            parts.append(f'<polyline class="l{index}" points="{path}"/>')
        parts += [_dot(index, x, y) for x, y in filter(None, points)]
    return _plot(name, words, frame, "".join(parts), percent=True) + legend(series, "l")


def _dot(index: int, x: float, y: float) -> str:
    """Draw a point, each line with its own form, so that no colour has to be told apart."""
    if index % 2:
        return f'<rect class="p{index}" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5"/>'
    return f'<circle class="p{index}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def nice(value: float, least: float = 1.0) -> float:
    """Round up to what an axis may end in: 1, 2, 4, 5 or 10 times a power of ten."""
    value = max(value, least)
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 4, 5, 10) if power * step >= value * (1 - 1e-9))


def _plot(name: str, words: str, frame: Frame, drawn: str, *, percent: bool) -> str:
    rules = []
    for step in range(5):
        value = frame.top * step / 4
        y = frame.y(value)
        rules.append(
            f'<line class="rule" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick end" x="{LEFT - 6}" y="{y + 4:.1f}">{_axis(value, frame.top, percent=percent)}</text>'
        )
    return (
        f'<div class="scroll plot" role="region" aria-label="{escape(name)}" tabindex="0">'
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(f"{name}. {words}")}">'
        f"{''.join(rules)}{_words(frame)}{drawn}</svg></div>"
    )


def _axis(value: float, top: float, *, percent: bool) -> str:
    if percent:
        return f"{value:.0%}" if top >= 0.2 else f"{value:.1%}"  # noqa: PLR2004 - below it, whole percents repeat
    return f"{value:,.0f}" if top >= 4 else f"{value:.2f}".rstrip("0").rstrip(".")  # noqa: PLR2004 - quarters of it


def _words(frame: Frame) -> str:
    """Write the times under the axis, as many as there is room for."""
    number = len(frame.times) - 1
    every = -(-number // WORDS)
    form = "%d %b" if frame.times[-1] - frame.times[0] > 3 * _DAY else "%d %b %H:%M"
    parts = []
    for place in range(0, number, every):
        at = datetime.fromtimestamp(frame.times[place], UTC).strftime(form)
        x = frame.x(place)
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{HIGH - BOTTOM}" y2="{HIGH - BOTTOM + 5}"/>'
            f'<text class="tick" x="{x:.1f}" y="{HIGH - 8}">{at}</text>'
        )
    return "".join(parts)


def legend(names: Mapping[str, object], prefix: str) -> str:
    """Name what is drawn."""
    parts = []
    for index, name in enumerate(names):
        form = f'<rect class="{prefix}{index}" width="14" height="12"/>'
        if prefix == "l":
            form = f'<line class="l{index}" x1="0" x2="22" y1="6" y2="6"/>{_dot(index, 11, 6)}'
        wide = 22 if prefix == "l" else 14
        parts.append(
            f'<li><svg class="key" width="{wide}" height="12" aria-hidden="true">{form}</svg>{escape(name)}</li>'
        )
    return f'<ul class="legend">{"".join(parts)}</ul>'


def bar(share: float) -> str:
    """Draw a share as a bar in a row of a table."""
    width = max(share * 100, 0.5)
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="part" width="{width:.2f}" height="10"/></svg>'
    )
