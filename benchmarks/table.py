"""The result table: a row per measurement, its requirement, and whether it is met.

The part of `docs/performance.md` between two markers is this table, rewritten by every run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.rounds import Spread

BENCH: Final = "make bench"
MET: Final = {"": "", "aim": "yes, and the aim", "must": "yes", "none": "**no**"}
HEAD: Final = ("row", "measured", "must reach", "aim for", "reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        what: the measured quantity.
        value: the median.
        unit: unit of every number: ``x``, ``us``, ``ms``, ``bytes``.
        must: the required value; 0 for none, if the row only informs.
        aim: the target value.
        more: whether more is better.
        spread: the middle half, if there are rounds.
    """

    what: str
    value: float
    unit: str = "x"
    must: float = 0.0
    aim: float = 0.0
    more: bool = False
    spread: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, what: str, spread: Spread, must: float = 0.0, aim: float = 0.0, *, unit: str = "x", more: bool = False
    ) -> Row:
        """Build a row from the values of rounds."""
        return cls(
            what=what, value=spread.middle, unit=unit, must=must, aim=aim, more=more, spread=(spread.low, spread.high)
        )

    @property
    def reached(self) -> str:
        """Return the strictest limit that is reached: ``aim``, ``must``, ``none``; empty if there is no limit."""
        if not self.must:
            return ""
        if self._reaches(self.aim):
            return "aim"
        return "must" if self._reaches(self.must) else "none"

    @property
    def met(self) -> str:
        """Format whether the requirement and the target are reached."""
        return MET[self.reached]

    def record(self) -> dict[str, object]:
        """Return the row as JSON: without a limit, `must`, `aim` and `reached` are null."""
        limited = bool(self.must)
        return {
            "row": self.what,
            "value": self.value,
            "unit": self.unit,
            "spread": self.spread,
            "must": self.must if limited else None,
            "aim": self.aim if limited else None,
            "better": "more" if self.more else "less",
            "reached": self.reached or None,
        }

    def cells(self) -> tuple[str, str, str, str, str]:
        """Write the row."""
        middle = self._number(self.value)
        if self.spread:
            low, high = (_digits(value) for value in self.spread)
            middle += f" ({low} to {high})"
        sign = ">=" if self.more else "<="
        limits = (f"{sign} {self._number(limit)}" if self.must else "" for limit in (self.must, self.aim))
        must, aim = limits
        return self.what, middle, must, aim, self.met

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.more else self.value <= limit

    def _number(self, value: float) -> str:
        return f"{_digits(value)} {self.unit}"


def _digits(value: float) -> str:
    """Write a number with three digits that count."""
    for least, places in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:.{places}f}"
    return f"{value:.3f}"


def to_json(rows: Mapping[str, Sequence[Row]]) -> str:
    """Write tables as JSON: name of the table -> its rows."""
    return json.dumps({name: [row.record() for row in table] for name, table in rows.items()}, indent=2)


def markdown(rows: Sequence[Row]) -> str:
    """Write the rows as a table that reads well as text too."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in ruled
    )


def publish(page: Path, text: str, command: str = BENCH) -> None:
    """Replace the text between the markers of a command in a page: ``<!-- COMMAND: begin -->`` and ``end``.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = (f"<!-- {command}: {word} -->" for word in ("begin", "end"))
    before, begun, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has to hold `{begin}` and `{end}`")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
