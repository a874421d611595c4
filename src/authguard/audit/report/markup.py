"""Markup that the sections of a report share: tables, times, ids and durations."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from authguard.audit.query.export import format_utc
from authguard.audit.query.stats import ratio
from authguard.audit.report.chart import draw_bar
from authguard.policy.render.html_document import escape_text, render_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_UNITS: Final = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"))
#: headings of a table of counts, after its first column, and the indices of its numbers
COUNTS: Final = ("share", "in proportion")
COUNT_NUMBERS: Final = (1, 2)
#: longest word that is never broken
MAX_WORD_CHARS: Final = 26
_CODE: Final = re.compile("`([^`]+)`")


def render_grid(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str,
    *,
    mark: str,
    numbers: Collection[int] = (),
    tall: bool = False,
    slim: bool = False,
) -> str:
    """Render a table.

    Args:
        heads: headings of the columns, as text.
        rows: cells of each row, as markup; the first one is the row's header.
        caption: caption as text.
        mark: id of the table, for links.
        numbers: indices of the columns with numbers.
        tall: whether the table scrolls within a limited height.
        slim: whether it has few and short columns, and keeps them in a narrow window.
    """
    lines = [_row(cells, numbers) for cells in rows]
    return render_table(heads, lines, caption, mark=mark, tall=tall, numbers=numbers, slim=slim)


def render_counts(name: str, unit: str, counted: Sequence[tuple[str, int]], caption: str, mark: str) -> str:
    """Render a slim table of counts with their shares.

    Args:
        name: heading of the first column, as text.
        unit: heading of the counts.
        counted: (markup of the first cell, count) of each row.
        caption: caption as text.
        mark: id of the table.
    """
    whole = sum(count for _, count in counted)
    rows = [(cell, *count_cells(count, whole)) for cell, count in counted]
    return render_grid((name, unit, *COUNTS), rows, caption, mark=mark, numbers=COUNT_NUMBERS, slim=True)


def _row(cells: Sequence[str], numbers: Collection[int]) -> str:
    parts = []
    for place, cell in enumerate(cells):
        kind = ' class="n"' if place in numbers else ""
        parts.append(f"<td{kind}>{cell}</td>" if place else f'<th scope="row"{kind}>{cell}</th>')
    return f"<tr>{''.join(parts)}</tr>"


def render_code(text: str) -> str:
    """Render text of the log in a monospaced font."""
    return f'<span class="m{_wrap(text)}">{escape_text(text)}</span>'


def render_text(text: str) -> str:
    """Render text of the log."""
    return f'<span class="t{_wrap(text)}">{escape_text(text)}</span>'


def _wrap(text: str) -> str:
    """Return the class with which a word breaks anywhere; empty if every word is short enough for its column."""
    return " long" if max(map(len, text.split()), default=0) > MAX_WORD_CHARS else ""


def render_advice(text: str) -> str:
    """Render a text of this program; what is between backticks is set as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def render_id(full: str, short_ids: Mapping[str, str]) -> str:
    """Render an id in its short form; the complete id is in the title, in ``data-id`` and on paper."""
    short = short_ids.get(full, full)
    if short == full:
        return render_code(full)
    shown = escape_text(full)
    rest = escape_text(full[len(short) :])
    return f'<span class="m id" title="{shown}" data-id="{shown}" data-rest="{rest}">{escape_text(short)}</span>'


def render_time(at: float) -> str:
    """Render a time in UTC to the second; the complete time is in the title."""
    exact = format_utc(at)
    shown = exact[:19].replace("T", " ") if exact.endswith("Z") else exact
    return f'<time datetime="{exact}" title="{exact}">{shown}</time>'


def render_outcome(outcome: str) -> str:
    """Render an outcome in the colour of its kind."""
    return f'<span class="o {escape_text(outcome)}">{escape_text(outcome)}</span>'


def count_cells(count: int, whole: int) -> tuple[str, str, str]:
    """Return three cells: a count, its share, and a bar of the share."""
    return f"{count:,}", f"{ratio(count, whole):.2%}", draw_bar(ratio(count, whole))


def format_duration(seconds: float) -> str:
    """Format a duration in one unit."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1.0, "second"))
    value = f"{seconds / size:.1f}".removesuffix(".0")
    return f"{value} {unit}{'' if value == '1' else 's'}"


def render_note(words: str) -> str:
    """Render a secondary paragraph."""
    return f'<p class="quiet">{escape(words)}</p>'


def sort_counts(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts in descending order."""
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
