"""Format lists for a terminal: aligned columns, or one short block per entry in a narrow window.

Rules: a value is escaped and never cut, so that an id can be copied; the last column is not padded.
"""

from __future__ import annotations

import shutil
import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Final
from unicodedata import combining, east_asian_width

from authguard.cli.terminal import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: width of output that is not shown in a terminal, such as that of a pipe
UNLIMITED: Final = 0
GAP: Final = 2
#: least width of a window for which text is wrapped
MIN_WIDTH: Final = 20


def window_width() -> int:
    """Return the columns of the terminal on standard output; `UNLIMITED` if the output goes to a pipe or a file.

    The variable COLUMNS overrides the size of the terminal.
    """
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Return the lines of a table.

    Args:
        heads: title of each column. A terminal shows them above the columns, or before the values of a block.
        rows: values of each entry, as many as there are titles. The first one identifies the entry.
        width: columns of the window, from `window_width`; `UNLIMITED` for aligned columns without titles.
    """
    cells = [[escape(value) for value in row] for row in rows]
    if not cells:
        return
    # a column without any value tells nothing
    used = [place for place in range(len(heads)) if any(row[place] for row in cells)]
    shown = [[row[place] or "-" for place in used] for row in cells]
    titles = [heads[place].upper() for place in used]
    widths = [max(map(display_width, column)) for column in zip(*shown, strict=True)]
    if width == UNLIMITED:
        yield from _align(shown, widths)
        return
    titled = [max(size, display_width(title)) for size, title in zip(widths, titles, strict=True)]
    if sum(titled) + GAP * (len(titled) - 1) <= width:
        yield from _align([titles, *shown], titled)
    else:
        for row in cells:
            yield from _block(heads, row, width)


def format_fields(fields: Sequence[tuple[str, str]], width: int, indent: int = 2) -> Iterator[str]:
    """Return aligned lines of names and values, without those that have no value; long values are wrapped.

    Args:
        fields: names and values.
        width: columns of the window, from `window_width`.
        indent: blanks before each name.
    """
    given = [(name, escape(value)) for name, value in fields if value]
    start = max((display_width(name) for name, _ in given), default=0) + GAP + indent
    for name, value in given:
        room = width - start
        lines = wrap(value, room, break_long_words=False, break_on_hyphens=False) if room >= MIN_WIDTH else [value]
        yield f"{' ' * indent}{_pad(name, start - indent)}{lines[0] if lines else value}"
        for line in lines[1:]:
            yield f"{' ' * start}{line}"


def display_width(text: str) -> int:
    """Return the columns that a text takes in a terminal: wide characters take two, combining ones none."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _align(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for row in rows:
        *padded, last = row
        yield "".join(_pad(value, size + GAP) for value, size in zip(padded, widths, strict=False)) + last


def _block(heads: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    yield row[0]
    yield from format_fields(list(zip(heads[1:], row[1:], strict=True)), width)


def _pad(text: str, size: int) -> str:
    return text + " " * (size - display_width(text))
