"""Plots as inline SVG: stacked columns, lines of shares, and bars; without scripts, readable without colour.

Rules:
- All drawing uses classes of the page's style sheet, because the page's security policy forbids style attributes.
- A plot has a name and a text alternative; a table contains its numbers too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: margins of a plot in pixels
MARGIN_LEFT: Final = 58
MARGIN_RIGHT: Final = 14
MARGIN_TOP: Final = 12
MARGIN_BOTTOM: Final = 30
#: largest width of a label on the time axis
LABEL_WIDTH: Final = 92
_DAY: Final = 86_400.0


class PlotSize(Struct, frozen=True):
    """The size of a plot; a page contains each plot once for every size, and its style sheet shows one.

    Attributes:
        name: class of the style sheet.
        width: pixels.
        height: pixels.
        labels: maximum number of labels on the time axis.
    """

    name: str
    width: int
    height: int
    labels: int


SIZES: Final = (PlotSize("wide", 1_000, 240, 8), PlotSize("narrow", 340, 220, 3))


class PlotScale(Struct, frozen=True):
    """The scale of a plot.

    Attributes:
        times: start of each column, epoch seconds UTC; the last value is the end of the last column.
        top: the largest value of the axis.
        size: size of the plot.
    """

    times: tuple[float, ...]
    top: float
    size: PlotSize

    def x(self, place: float) -> float:
        """Return the x coordinate of a column's edge."""
        return MARGIN_LEFT + (self.size.width - MARGIN_LEFT - MARGIN_RIGHT) * place / (len(self.times) - 1)

    def y(self, value: float) -> float:
        """Return the y coordinate of a value."""
        return self.size.height - MARGIN_BOTTOM - (self.size.height - MARGIN_TOP - MARGIN_BOTTOM) * value / self.top


def draw_columns(name: str, words: str, times: Sequence[float], series: Mapping[str, Sequence[int]]) -> str:
    """Draw stacked columns.

    Args:
        name: name of the plot.
        words: text alternative.
        times: start of each column, and end of the last one, epoch seconds UTC.
        series: stacked series, the lowest first -> a value for each column; their classes are ``g0``, ``g1``...
    """
    stacks = list(zip(*series.values(), strict=True))
    top = round_up_axis(max(map(sum, stacks), default=0))
    plots = ""
    for size in SIZES:
        scale = PlotScale(tuple(times), top, size)
        plots += _plot(name, words, scale, _draw_stacks(scale, stacks), percent=False)
    return plots + draw_legend(series, "g")


def _draw_stacks(scale: PlotScale, stacks: Sequence[Sequence[int]]) -> str:
    parts = []
    for place, stack in enumerate(stacks):
        below, left = 0, scale.x(place)
        width = max(scale.x(place + 1) - left - 1, 0.8)
        for index, value in enumerate(stack):
            if value:
                high, low = scale.y(below + value), scale.y(below)
                size = f'width="{width:.1f}" height="{low - high:.1f}"'
                parts.append(f'<rect class="g{index}" x="{left:.1f}" y="{high:.1f}" {size}/>')
            below += value
    return "".join(parts)


def draw_lines(name: str, words: str, times: Sequence[float], series: Mapping[str, Sequence[float | None]]) -> str:
    """Draw shares over time; a line has a gap if a column has no share.

    Args:
        name: name of the plot.
        words: text alternative.
        times: as for `draw_columns`.
        series: series with the classes ``l0``, ``l1``... -> a share for each column.
    """
    known = [value for values in series.values() for value in values if value is not None]
    top = round_up_axis(max(known, default=0.0), least=0.05)
    plots = ""
    for size in SIZES:
        scale = PlotScale(tuple(times), top, size)
        drawn = "".join(_draw_line(scale, index, values) for index, values in enumerate(series.values()))
        plots += _plot(name, words, scale, drawn, percent=True)
    return plots + draw_legend(series, "l")


def _draw_line(scale: PlotScale, index: int, values: Sequence[float | None]) -> str:
    points = [
        (scale.x(place + 0.5), scale.y(value)) if value is not None else None for place, value in enumerate(values)
    ]
    parts = []
    for run in _runs(points):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
        parts.append(f'<polyline class="l{index}" points="{path}"/>')
    return "".join([*parts, *(_dot(index, x, y) for x, y in filter(None, points))])


def _dot(index: int, x: float, y: float) -> str:
    """Draw a point; every second line has another shape, so that the lines differ without colour."""
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


def round_up_axis(value: float, least: float = 1.0) -> float:
    """Round up to an end of an axis: 1, 2, 4, 5 or 10 times a power of ten."""
    value = max(value, least)
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 4, 5, 10) if power * step >= value * (1 - 1e-9))


def _plot(name: str, words: str, scale: PlotScale, drawn: str, *, percent: bool) -> str:
    rules = []
    for step in range(5):
        value = scale.top * step / 4
        y = scale.y(value)
        label = _axis_label(value, scale.top, percent=percent)
        rules.append(
            f'<line class="rule" x1="{MARGIN_LEFT}" x2="{scale.size.width - MARGIN_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick end" x="{MARGIN_LEFT - 6}" y="{y + 4:.1f}">{label}</text>'
        )
    return (
        f'<div class="scroll plot {scale.size.name}">'
        f'<svg viewBox="0 0 {scale.size.width} {scale.size.height}" role="img"'
        f' aria-label="{escape(f"{name}. {words}")}">'
        f"<title>{escape(name)}</title>{''.join(rules)}{_time_labels(scale)}{drawn}</svg></div>"
    )


def _axis_label(value: float, top: float, *, percent: bool) -> str:
    if percent:
        return f"{value:.0%}" if top >= 0.2 else f"{value:.1%}"  # noqa: PLR2004 - below it, whole percents repeat
    return f"{value:,.0f}" if top >= 4 else f"{value:.2f}".rstrip("0").rstrip(".")  # noqa: PLR2004 - quarters of it


def _time_labels(scale: PlotScale) -> str:
    """Draw the labels of the time axis."""
    number = len(scale.times) - 1
    every = -(-number // scale.size.labels)
    bottom = scale.size.height - MARGIN_BOTTOM
    form = "%d %b" if scale.times[-1] - scale.times[0] > 3 * _DAY else "%d %b %H:%M"
    parts = []
    for place in range(0, number, every):
        at = datetime.fromtimestamp(scale.times[place], UTC).strftime(form)
        x = scale.x(place)
        if x > scale.size.width - LABEL_WIDTH / 2:
            continue
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}"/>'
            f'<text class="tick" x="{x:.1f}" y="{scale.size.height - 8}">{at}</text>'
        )
    return "".join(parts)


def draw_legend(names: Mapping[str, object], prefix: str) -> str:
    """Draw the legend."""
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


def draw_bar(share: float) -> str:
    """Draw a share as a bar in a table row."""
    width = max(share * 100, 0.5)
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="part" width="{width:.2f}" height="10"/></svg>'
    )
