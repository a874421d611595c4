"""Markup that the sections of a policy's page share: rows, names, outcomes and lists of values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.policy.render.html_document import escape_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

#: longest word that has no place to break, in letters: seven columns of them fit a page
MAX_WORD_LETTERS: Final = 20
_WORD: Final = re.compile(r"\S+|\s+")
#: pieces of a long word: up to the end of a part of an address or a name
_PIECE: Final = re.compile(r"[^/._:@?&=-]{0,15}[/._:@?&=-]|.{1,16}", re.DOTALL)


def render_text(text: str) -> str:
    """Escape text for a cell, with places to break in its long words, so that no column is wider than the page."""
    return "".join(
        "<wbr>".join(map(escape_whole, _PIECE.findall(word))) if len(word) > MAX_WORD_LETTERS else escape_whole(word)
        for word in _WORD.findall(text)
    )


def render_row(*cells: str, mark: str = "") -> str:
    """Render a table row; cells are markup, and the first one is the row's header."""
    head, *others = cells
    opened = f'<tr id="{escape_whole(mark)}">' if mark else "<tr>"
    return f'{opened}<th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def render_code(text: str) -> str:
    """Render a name or an address in a monospaced font; empty text is nothing."""
    return f'<span class="m">{render_text(text)}</span>' if text else ""


def render_codes(texts: Iterable[str]) -> str:
    """Render several names, separated by commas."""
    return ", ".join(map(render_code, texts))


def render_lines(texts: Iterable[str]) -> str:
    """Render markup of several lines."""
    return "".join(f'<span class="v">{text}</span>' for text in texts if text)


def render_outcome(outcome: str) -> str:
    """Render an outcome in the colour of its kind."""
    return f'<span class="o {escape_whole(outcome)}">{escape_whole(outcome)}</span>'


def link_fallback(name: str) -> str:
    """Link to a fallback; the id has a prefix, so that no name of a fallback collides with other ids."""
    return f'<a class="m" href="#fallback-{escape_whole(name)}">{render_text(name)}</a>'


def render_origin(origin: str) -> str:
    """Render ``file:line``; a line breaks after a folder first."""
    return f'<span class="m from">{"/<wbr>".join(map(render_text, origin.split("/")))}</span>' if origin else ""


def join_words(words: Iterable[str], last: str = "or") -> str:
    """Join words to an enumeration: ``a, b or c``."""
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final
