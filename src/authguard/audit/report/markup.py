"""Markup that the sections of a report share: table rows, cells and durations."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from authguard.audit.query.stats import ratio
from authguard.audit.report.chart import draw_bar
from authguard.policy.render.html_document import escape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNITS: Final = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))


def render_row(*cells: str, numbers: Iterable[int] = ()) -> str:
    """Render a table row; cells are markup, and the first one is the row's header."""
    right = set(numbers)
    parts = []
    for place, cell in enumerate(cells):
        kind = ' class="n"' if place in right else ""
        parts.append(f"<td{kind}>{cell}</td>" if place else f'<th scope="row"{kind}>{cell}</th>')
    return f"<tr>{''.join(parts)}</tr>"


def render_code(text: str) -> str:
    """Render text of the log in a monospaced font."""
    return f'<span class="m">{escape_text(text)}</span>'


def render_outcome(outcome: str) -> str:
    """Render an outcome in the colour of its kind."""
    return f'<span class="o {escape_text(outcome)}">{escape_text(outcome)}</span>'


def count_cells(count: int, whole: int) -> tuple[str, str, str]:
    """Return three cells: a count, its share, and a bar of the share."""
    return f"{count:,}", f"{ratio(count, whole):.2%}", draw_bar(ratio(count, whole))


def format_duration(seconds: float) -> str:
    """Format a duration in one unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def render_note(words: str) -> str:
    """Render a secondary paragraph."""
    return f'<p class="quiet">{escape(words)}</p>'


def sort_counts(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts in descending order."""
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
