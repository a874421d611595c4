"""Problems of a policy file: place, message and advice.

Messages are lower-case and have no final period, line break or internal type name. User input is in backticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


#: most characters of the parts of a problem
MAX_MESSAGE_CHARS: Final = 600
MAX_ADVICE_CHARS: Final = 600
MAX_BOX_CHARS: Final = 400
#: most characters of a quotation in a part that is too long
MAX_QUOTED_CHARS: Final = 120


class Place(Struct, frozen=True, order=True):
    """A place in a file; line and column start at 1 and are 0 if unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return ``FILE:LINE:COLUMN``, as editors parse it; only the file if the line is unknown."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(Struct, frozen=True, kw_only=True):
    """One problem.

    Attributes:
        code: closed code in kebab-case; listed in the reference.
        place: place in the file.
        message: description of the problem.
        advice: text to type instead; empty if the message contains it.
        severity: ``error`` (the policy is refused) or ``note``.
        box: largest affected box of cells as text; empty if no cells are affected.
        cell: one affected cell as (dimension, value) pairs in the table's order; empty for none.
        path: shortest sequence of events from the initial states to the cell or to the state that the message names;
            empty if no event is needed, ``None`` if the problem has no such target.
    """

    code: str
    place: Place
    message: str
    advice: str = ""
    severity: str = "error"
    box: str = ""
    cell: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Shorten message, advice and box, so that a problem of the largest policy fits on a screen."""
        for field, most in (("message", MAX_MESSAGE_CHARS), ("advice", MAX_ADVICE_CHARS), ("box", MAX_BOX_CHARS)):
            if len(getattr(self, field)) > most:
                force_setattr(self, field, shorten(getattr(self, field), most))

    def __str__(self) -> str:
        """Return one printable line."""
        place = str(self.place)
        return f"{place}{': ' if place else ''}{self.severity}[{self.code}]: {self.describe()}"

    def describe(self) -> str:
        """Return message, cells, event path and advice on one line."""
        evidence = "; ".join(self._evidence())
        return f"{self.message}{f' ({evidence})' if evidence else ''}{f'; {self.advice}' if self.advice else ''}"

    def _evidence(self) -> Iterator[str]:
        if self.box:
            yield f"widest: {self.box}"
        if self.cell:
            cell = ", ".join(f"{dimension} `{value}`" for dimension, value in self.cell)
            yield f"for one: {shorten(cell, MAX_BOX_CHARS)}"
        if self.path is not None:
            reached = shorten(", ".join(self.path), MAX_BOX_CHARS)
            yield f"reached by: {reached}" if self.path else "reached without any event"


#: most characters of a word that is compared with the known ones
MAX_WORD_CHARS: Final = 64
#: most names in one list of a message
MAX_NAMES: Final = 8


def shorten(text: str, most: int) -> str:
    """Shorten a text that is too long: first its long quotations, then its end.

    Args:
        text: with quotations in backticks.
        most: most characters of the result.
    """
    if len(text) <= most:
        return text
    parts = text.split("`")
    parts[1::2] = [part if len(part) <= MAX_QUOTED_CHARS else f"{part[:MAX_QUOTED_CHARS]}..." for part in parts[1::2]]
    short = "`".join(parts)
    if len(short) <= most:
        return short
    short = short[: most - len(" ...`")].rstrip()
    return f"{short} ...{'`' if short.count('`') % 2 else ''}"


def list_names(names: Iterable[str], *, last: str = "and", most: int = MAX_NAMES) -> str:
    """Format quoted names, comma-separated; of a long list the first ones and the number of the others.

    Args:
        names: in order; not empty.
        last: word before the last name.
        most: most names that are shown.
    """
    words = [f"`{name}`" for name in names]
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1:,} more"]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return advice with the most similar known word, or with a list of known words.

    Args:
        word: word in the file.
        known: accepted words.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a problem needs it

    words = sorted(set(known))
    word = word[:MAX_WORD_CHARS]
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    shown = ", ".join(f"`{item}`" for item in words[:12])
    return f"known: {shown}{', ...' if len(words) > 12 else ''}" if words else "nothing is declared here"  # noqa: PLR2004
