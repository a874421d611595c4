"""Lines for a person: broken at the width of the terminal, and whole where the output is a file or a pipe."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING, Final, TextIO

import typer

from authguard.cli.terminal import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

#: widest lines on a wide terminal
MAX_COLUMNS: Final = 120
#: begin of lines that a person copies, which are never broken
_COMMANDS: Final = ("next: ", "then: ", "  or: ")
_MIN_COLUMNS: Final = 20


def wrap_for(stream: TextIO, text: str, *, spare: int = 0) -> str:
    """Break a line at the width of a stream's terminal, and indent what follows; without a terminal, return it whole.

    Args:
        stream: standard output or standard error.
        text: one line, escaped.
        spare: columns to leave free.
    """
    if not stream.isatty() or (text.startswith(_COMMANDS) and "authguard " in text):
        return text
    columns = min(_columns(stream) or MAX_COLUMNS, MAX_COLUMNS) - spare
    if len(text) <= columns:
        return text
    indent = " " * min(len(text) - len(text.lstrip(" ")) + 2, 8)
    return textwrap.fill(
        text,
        max(columns, _MIN_COLUMNS),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def _columns(stream: TextIO) -> int:
    """Return the columns of a terminal; the variable COLUMNS overrides them. 0 if they are unknown."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal():
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def print_lines(lines: Iterable[str]) -> None:
    """Print lines with untrusted text on standard output."""
    stream = sys.stdout
    for line in lines:
        typer.echo(wrap_for(stream, escape(line)))


def print_line(line: str) -> None:
    """Print one line with untrusted text on standard output."""
    print_lines((line,))
