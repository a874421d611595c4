"""Verifying a log: every chain of it from its genesis, in constant memory, with counts and the first break of each.

What is verified is that nothing was edited, deleted, inserted or re-ordered before the end of each file. Lines carry no
signature yet, so a tail that was cut at a line, a whole chain removed or a whole chain rewritten cannot be noticed.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit.files import chains
from authguard.core.chain import LINE_BOUND, Broken, Flaw, Intact, follow
from authguard.core.entries import Acted, Decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from authguard.core.entries import Entry

UNSIGNED: Final = "unsigned: a cut tail, a removed chain or a full rewrite cannot be noticed yet"
#: how often, and after how many seconds, a line without an end is read again: its writer may be at it
LOOKS: Final = 3
PAUSE: Final = 0.01


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found in one file.

    Attributes:
        path: of the file.
        lines: verified before the break, or in all.
        result: intact, or the first break.
    """

    path: Path
    lines: int
    result: Intact | Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found in a log, over all its chains; counts are of verified lines only.

    Attributes:
        chains: one report per file, the one asked for first.
        kinds: kind of record -> how many.
        outcomes: outcome of a decision -> how many.
        repairs: how often a torn line was cut off after a crash.
        first: earliest time of a record, epoch seconds UTC; infinite where there is none.
        last: latest; minus infinite where there is none.
    """

    chains: tuple[ChainReport, ...]
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    repairs: int
    first: float
    last: float

    @property
    def ok(self) -> bool:
        """Whether every chain is intact."""
        return all(isinstance(chain.result, Intact) for chain in self.chains)


class _Tally:
    """Counts while lines go by."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.repairs = 0
        self.first = float("inf")
        self.last = float("-inf")

    def add(self, entry: Entry) -> None:
        """Count one record."""
        self.kinds[kind_of(entry)] += 1
        self.first = min(self.first, entry.at)
        self.last = max(self.last, entry.at)
        match entry:
            case Decided():
                self.outcomes[entry.outcome] += 1
            case Acted(act="repaired"):
                self.repairs += 1
            case _:
                pass


def kind_of(entry: Entry) -> str:
    """Name a record's kind as its line does."""
    return str(type(entry).__struct_config__.tag)


def verify(path: Path, *, pause: Callable[[float], None] = time.sleep) -> Verification:
    """Verify a log: the file and the chains beside it.

    Args:
        path: of the log's first chain; it has to exist, its siblings need not.
        pause: waits before an unfinished line is read again.
    """
    tally = _Tally()
    reports = tuple(_verify(file, tally, pause) for file in chains(path) if file == path or file.exists())
    return Verification(
        chains=reports,
        kinds=dict(sorted(tally.kinds.items())),
        outcomes=dict(sorted(tally.outcomes.items())),
        repairs=tally.repairs,
        first=tally.first,
        last=tally.last,
    )


def _verify(path: Path, tally: _Tally, pause: Callable[[float], None]) -> ChainReport:
    """Verify one file."""
    lines, head = 0, ""
    try:
        with path.open("rb") as file:
            for found in follow(_lines(file, pause)):
                if isinstance(found, Broken):
                    return ChainReport(path, lines, found)
                lines, head = lines + 1, found.hash
                tally.add(found.entry)
    except FileNotFoundError:
        return ChainReport(path, 0, Broken(0, Flaw.MISSING))
    except OSError:
        return ChainReport(path, lines, Broken(0, Flaw.UNREADABLE))
    return ChainReport(path, lines, Intact(lines, head))


def _lines(file: BinaryIO, pause: Callable[[float], None]) -> Iterator[bytes]:
    """Read lines, none longer than a line may be."""
    while line := _line(file, pause):
        yield line


def _line(file: BinaryIO, pause: Callable[[float], None]) -> bytes:
    """Read one line; one without an end is read again, for a living log is read while it is written."""
    begin = file.tell()
    line = file.readline(LINE_BOUND + 1)
    for _ in range(LOOKS):
        if not line or line.endswith(b"\n") or len(line) > LINE_BOUND:
            break
        pause(PAUSE)
        file.seek(begin)
        line = file.readline(LINE_BOUND + 1)
    return line
