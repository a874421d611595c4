"""Self-contained HTML documents and tables with escaped text.

Rules of this file:
- Untrusted text passes `escape_text`, and is inserted only as text or in a quoted attribute.
- The Content-Security-Policy of a page allows its inline style and script by hash, and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_STYLE: Final = Path(__file__).parent / "page" / "style.css"
#: opening tag of a cell; text is escaped, so that no text contains one
_CELL: Final = re.compile(r"<(?:td|th)(?=[ >])")
#: most characters of one text
MAX_TEXT_CHARS: Final = 300


def load_style() -> str:
    """Return the style sheet of all pages."""
    return _STYLE.read_text("utf-8")


def escape_text(text: str) -> str:
    """Escape untrusted text of any length: the first `MAX_TEXT_CHARS` characters, as `escape_whole` does."""
    return escape_whole(text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…")


def escape_whole(text: str) -> str:
    """Escape text of bounded length for HTML; show unprintable and bidirectional control characters as escapes."""
    return escape(text if text.isprintable() else "".join(map(_escape_char, text)))


def _escape_char(char: str) -> str:
    return char if char.isprintable() else f"\\u{ord(char):04x}"


def render_document(
    title: str, *, header: str, sections: Sequence[tuple[str, str, str]], look: str, script: str = ""
) -> str:
    """Render a complete page, which works from a file and from a server.

    Args:
        title: title as text.
        header: markup below the title.
        sections: (id, heading, markup) of each section.
        look: style sheet.
        script: the only script that may run; empty for none.
    """
    allowed = f"style-src {_hash(look)};" + (f" script-src {_hash(script)};" if script else "")
    guard = f"default-src 'none'; {allowed} base-uri 'none'; form-action 'none'"
    links = "".join(f'<li><a href="#{mark}">{heading}</a></li>' for mark, heading, _ in sections)
    body = "".join(
        f'<section aria-labelledby="{mark}"><h2 id="{mark}">{heading}</h2>{content}</section>\n'
        for mark, heading, content in sections
    )
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{guard}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape_text(title)}</title>\n<style>{look}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape_text(title)}</h1>{header}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f"<main>\n{body}</main>\n{f'<script>{script}</script>' if script else ''}\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def render_table(
    heads: Sequence[str],
    lines: Iterable[str],
    caption: str,
    *,
    mark: str = "",
    tall: bool = False,
    numbers: Collection[int] = (),
    slim: bool = False,
) -> str:
    """Render a table; in a narrow window each row is a block of values, labelled with their columns.

    Args:
        heads: headings of the columns, as text.
        lines: rows, as markup; with one cell for each column.
        caption: caption as text.
        mark: id of the table; empty for none.
        tall: whether the table scrolls within a limited height.
        numbers: indices of the columns with numbers.
        slim: whether it has few and short columns, and keeps them in a narrow window.
    """
    opens = ['<th scope="col" class="n">' if place in numbers else '<th scope="col">' for place in range(len(heads))]
    head = "".join(f"{opening}{escape_text(title)}</th>" for opening, title in zip(opens, heads, strict=True))
    opened = f'<table id="{mark}">' if mark else "<table>"
    kind = f"scroll{' tall' if tall else ''}{'' if slim else ' stack'}"
    return (
        f'<div class="{kind}" role="region" aria-label="{escape_text(caption)}" tabindex="0">'
        f"{opened}<caption>{escape_text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(_label_cells(line, heads) for line in lines)}</tbody></table></div>"
    )


def _label_cells(line: str, heads: Sequence[str]) -> str:
    """Add the heading of its column to each cell of a row."""
    places = count()

    def label(found: re.Match[str]) -> str:
        place = next(places)
        return f'{found[0]} data-head="{escape_text(heads[place])}"' if place < len(heads) else found[0]

    return _CELL.sub(label, line)
