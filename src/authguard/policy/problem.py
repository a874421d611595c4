"""What is wrong with a policy file: where, what, and what to type instead.

Messages are lower-case, without a final period, user input in backticks, no line breaks, no internal type names.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file; lines and columns count from 1, 0 where unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Write it as editors read it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding.

    Attributes:
        code: closed, kebab-case; documented in the reference.
        place: where.
        message: what is wrong.
        advice: what to type instead; empty where the message says it.
        severity: ``error`` refuses the policy, ``note`` informs.
        box: the widest box of cells that it is about, in words; empty where it is about no cells.
        cell: one of these cells, (dimension, value) in the table's order; empty where there is none.
        path: the shortest events that lead from the initial states to that cell or to what the message names; empty
            where one begins there, ``None`` where nothing is led to.
    """

    code: str
    place: Place
    message: str
    advice: str = ""
    severity: str = "error"
    box: str = ""
    cell: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """Write one printable line."""
        return f"{self.place}: {self.severity}[{self.code}]: {self.describe()}"

    def describe(self) -> str:
        """Say what is wrong, where in the table, how one gets there and what to type instead, on one line."""
        evidence = "; ".join(self._evidence())
        return f"{self.message}{f' ({evidence})' if evidence else ''}{f'; {self.advice}' if self.advice else ''}"

    def _evidence(self) -> Iterator[str]:
        if self.box:
            yield f"widest: {self.box}"
        if self.cell:
            yield f"for one: {', '.join(f'{dimension} `{value}`' for dimension, value in self.cell)}"
        if self.path is not None:
            yield f"reached by: {', '.join(self.path)}" if self.path else "reached without any event"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Advise the nearest known word, or list a few.

    Args:
        word: what was typed.
        known: what may be typed.
    """
    words = sorted(set(known))
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    shown = ", ".join(f"`{item}`" for item in words[:12])
    return f"known: {shown}{', ...' if len(words) > 12 else ''}" if words else "nothing is declared here"  # noqa: PLR2004
