"""The result of a verification: a report for each chain, missing chains, and counts of the verified records."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.audit.verify.checkpoint_verifier import NO_RANGES, Finding
from authguard.records.chain import ChainBreak, IntactChain, Violation
from authguard.records.entries import ActEntry, DecisionEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from authguard.audit.verify.checkpoint_verifier import Ranges
    from authguard.records.batch_verify import Batch
    from authguard.records.entries import Entry
    from authguard.records.handover import Anomaly

    Progress = Callable[[int, int], None]


class ChainReport(Struct, frozen=True):
    """The result of one chain.

    Attributes:
        path: the file that is written.
        lines: lines verified up to the first break, or all; retired lines count.
        result: intact, or the first break with its line number in its file.
        where: file of the break: a file of the chain, or its checkpoint file.
        ranges: which lines are signed and anchored.
        segments: number of closed files.
        retired: number of retired lines, and the times of the first and the last one.
        unfinished: bytes of an incomplete last line.
        marks: records about lines of an unknown writer, or unsigned ones.
        accepted: ids of records that a person accepted, in signed lines.
    """

    path: Path
    lines: int
    result: IntactChain | ChainBreak
    where: Path = Path()
    ranges: Ranges = NO_RANGES
    segments: int = 0
    retired: tuple[int, float, float] = (0, 0.0, 0.0)
    unfinished: int = 0
    marks: tuple[Anomaly, ...] = ()
    accepted: frozenset[str] = frozenset()


class Verification(Struct, frozen=True, kw_only=True):
    """The result of a log over all its chains; only verified records are counted.

    Attributes:
        chains: a report for each chain, the given one first.
        kinds: kind of record -> count.
        outcomes: outcome of a decision -> count.
        repairs: how often an incomplete line was removed after a crash.
        first: earliest time of a record, epoch seconds UTC; infinite if there is none.
        last: latest time of a record, epoch seconds UTC; minus infinite if there is none.
        missing: chains and files that are missing.
    """

    chains: tuple[ChainReport, ...]
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    repairs: int
    first: float
    last: float
    missing: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether every chain is intact and none is missing."""
        return not self.missing and all(isinstance(chain.result, IntactChain) for chain in self.chains)

    @property
    def findings(self) -> Iterator[Finding]:
        """Yield every violation with its file."""
        yield from (Finding(one.where, one.result) for one in self.chains if isinstance(one.result, ChainBreak))
        yield from self.missing

    @property
    def is_inaccessible(self) -> bool:
        """Return whether the only findings are files that cannot be read now."""
        return not self.ok and all(one.broken.violation is Violation.INACCESSIBLE for one in self.findings)

    @property
    def accepted(self) -> frozenset[str]:
        """Return the ids of records that a person accepted, in any chain."""
        return frozenset().union(*(chain.accepted for chain in self.chains))

    def unaccepted(self) -> Iterator[Anomaly]:
        """Yield the marks that fail a strict verification: grave ones that no person accepted."""
        accepted = self.accepted
        return (mark for chain in self.chains for mark in chain.marks if mark.severe and mark.id not in accepted)


class RecordCounter:
    """Counts of records, with progress."""

    def __init__(self, progress: Progress, whole: int, done: int = 0) -> None:
        """Start at zero."""
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.repairs = 0
        self.first = float("inf")
        self.last = float("-inf")
        self._progress = progress
        self._whole = whole
        self._done = done

    def add_batch(self, taken: Batch) -> None:
        """Count the records of a batch."""
        self.kinds.update(taken.kinds)
        self.outcomes.update(taken.outcomes)
        self.first = min(self.first, taken.first)
        self.last = max(self.last, taken.last)
        self._done += taken.size
        self._progress(min(self._done, self._whole), self._whole)

    def merge(self, other: RecordCounter) -> None:
        """Add the counts of another counter."""
        self.kinds.update(other.kinds)
        self.outcomes.update(other.outcomes)
        self.repairs += other.repairs
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)

    def add(self, entry: Entry) -> None:
        """Count one record."""
        self.kinds[get_kind(entry)] += 1
        self.first = min(self.first, entry.at)
        self.last = max(self.last, entry.at)
        match entry:
            case DecisionEntry():
                self.outcomes[entry.outcome] += 1
            case ActEntry(act="repaired"):
                self.repairs += 1
            case _:
                pass


def get_kind(entry: Entry) -> str:
    """Return a record's kind, as in its line."""
    return str(type(entry).__struct_config__.tag)
