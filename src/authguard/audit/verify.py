"""Verifying a log: every chain of it from its genesis, in constant memory, with counts and the first break of each.

Without a key, what is verified is that nothing was edited, deleted, inserted or re-ordered before the end of each file.
With the key, the lines are held against the signed checkpoints, and those against what the writer remembers and what
anchors hold: a tail that was cut, a chain removed and a chain written anew show too.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import checkpoints
from authguard.audit.files import chains
from authguard.audit.signatures import NOTHING, Found, Holding
from authguard.core.chain import LINE_BOUND, Broken, Flaw, Intact, follow
from authguard.core.entries import Acted, Decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from authguard.audit.signatures import Ranges, Trust
    from authguard.core.chain import Linked
    from authguard.core.entries import Entry

UNSIGNED: Final = "no signature was looked at: a cut tail, a removed chain or a full rewrite goes unseen (give --key)"
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
        where: the file in which the break is: the chain's own, or that of its checkpoints.
        ranges: how far it is vouched for.
    """

    path: Path
    lines: int
    result: Intact | Broken
    where: Path = Path()
    ranges: Ranges = NOTHING


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
        gone: what is missing as a whole.
    """

    chains: tuple[ChainReport, ...]
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    repairs: int
    first: float
    last: float
    gone: tuple[Found, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every chain is intact and none is missing."""
        return not self.gone and all(isinstance(chain.result, Intact) for chain in self.chains)


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


def verify(
    path: Path,
    *,
    trust: Trust | None = None,
    also: Iterable[Path] = (),
    pause: Callable[[float], None] = time.sleep,
) -> Verification:
    """Verify a log: the file and the chains beside it.

    Args:
        path: of the log's first chain; it has to exist, its siblings need not.
        trust: what to hold it against; else the chains alone are followed.
        also: logs that were archived, whose chains are not missing.
        pause: waits before an unfinished line is read again.
    """
    tally = _Tally()
    seen: set[str] = set()
    roots = (path, *also)
    files = [file for root in roots for file in chains(root) if file in roots or file.exists()]
    reports = tuple(_verify(file, tally, pause, trust, seen) for file in files)
    return Verification(
        chains=reports,
        kinds=dict(sorted(tally.kinds.items())),
        outcomes=dict(sorted(tally.outcomes.items())),
        repairs=tally.repairs,
        first=tally.first,
        last=tally.last,
        gone=tuple(_gone(path, trust, seen, files)) if trust else (),
    )


def _gone(path: Path, trust: Trust, seen: set[str], files: list[Path]) -> Iterator[Found]:
    """Name what should be there and is not."""
    if trust.blind:
        yield Found(path, Broken(0, Flaw.BLIND))
    for origin in sorted({*trust.held, *trust.anchored} - seen):
        yield Found(path.parent / f"the chain {origin.rpartition('/')[2] or 'of an anchor'}", Broken(0, Flaw.GONE))
    for file in chains(path):
        if file not in files and checkpoints.beside(file).exists():
            yield Found(file, Broken(0, Flaw.MISSING))


def _verify(
    path: Path, tally: _Tally, pause: Callable[[float], None], trust: Trust | None, seen: set[str]
) -> ChainReport:
    """Verify one file."""
    walk = _Walk(path, Holding(path, trust) if trust else None, tally, seen)
    try:
        with path.open("rb") as file:
            flaw = walk.run(_lines(file, pause))
    except FileNotFoundError:
        flaw = Found(path, Broken(0, Flaw.MISSING))
    except OSError:
        flaw = Found(path, Broken(0, Flaw.UNREADABLE))
    ranges = walk.holding.ranges() if walk.holding else NOTHING
    if flaw is not None:
        return ChainReport(path, walk.lines, flaw.broken, flaw.path, ranges)
    return ChainReport(path, walk.lines, Intact(walk.lines, walk.head), path, ranges)


class _Walk:
    """One way through a chain."""

    def __init__(self, path: Path, holding: Holding | None, tally: _Tally, seen: set[str]) -> None:
        self.path = path
        self.holding = holding
        self.tally = tally
        self.seen = seen
        self.lines = 0
        self.head = ""
        self._line = b""

    def _passing(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._line = line
            yield line

    def run(self, lines: Iterator[bytes]) -> Found | None:
        """Follow the chain to its end or its first flaw."""
        for found in follow(self._passing(lines)):
            if isinstance(found, Broken):
                return Found(self.path, found)
            flaw = self._hold(self.holding, found) if self.holding else None
            self.lines, self.head = self.lines + 1, found.hash
            self.tally.add(found.entry)
            if flaw is not None:
                return flaw
        return self.holding.end() if self.holding else None

    def _hold(self, holding: Holding, found: Linked) -> Found | None:
        """Hold a line against what vouches for it; the first names the chain."""
        flaw = None
        if not self.lines:
            flaw = holding.begin(found)
            self.seen.update(holding.origins)
        return flaw or holding.add(self._line, found)


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
