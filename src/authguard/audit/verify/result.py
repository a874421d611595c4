"""What a verification finds: a report for each chain, what is missing as a whole, and counts of what was verified."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from authguard.audit.verify.checkpoint_verifier import NO_RANGES, Finding
from authguard.core.chain import ChainBreak, IntactChain, Violation
from authguard.core.entries import ActEntry, DecisionEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from authguard.audit.verify.checkpoint_verifier import Ranges
    from authguard.core.batch_verify import Batch
    from authguard.core.entries import Entry
    from authguard.core.handover import Anomaly

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found in one file.

    Attributes:
        path: of the file that is written.
        lines: verified before the break, or in all, those of stubs among them.
        result: intact, or the first break; its line counts within the file in which it is.
        where: the file in which the break is: one of the chain's own, or that of its checkpoints.
        ranges: how far it is vouched for.
        segments: how many closed files were before the one that is written.
        retired: what gave way to stubs: lines, time of the first and of the last.
        unfinished: bytes of a last line without its end.
        marks: lines that nobody vouched for when they were written, as the log says itself.
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
        missing: what is missing as a whole.
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
        """Whether every chain is intact and none is missing."""
        return not self.missing and all(isinstance(chain.result, IntactChain) for chain in self.chains)

    @property
    def findings(self) -> Iterator[Finding]:
        """Every flaw, and where it is."""
        yield from (Finding(one.where, one.result) for one in self.chains if isinstance(one.result, ChainBreak))
        yield from self.missing

    @property
    def is_inaccessible(self) -> bool:
        """Whether all that keeps it from being verified is that something cannot be read now."""
        return not self.ok and all(one.broken.violation is Violation.INACCESSIBLE for one in self.findings)

    @property
    def accepted(self) -> frozenset[str]:
        """The ids of records that a person accepted, in any chain."""
        return frozenset().union(*(chain.accepted for chain in self.chains))

    def unaccepted(self) -> Iterator[Anomaly]:
        """Yield what a strict verification fails for: grave marks that nobody accepted."""
        accepted = self.accepted
        return (mark for chain in self.chains for mark in chain.marks if mark.severe and mark.id not in accepted)


class RecordCounter:
    """Counts while lines go by."""

    def __init__(self, progress: Progress, whole: int, done: int = 0) -> None:
        """Begin at nothing; tell how much of the whole is done."""
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.repairs = 0
        self.first = float("inf")
        self.last = float("-inf")
        self._progress = progress
        self._whole = whole
        self._done = done

    def add_batch(self, taken: Batch) -> None:
        """Count the records of a stride."""
        self.kinds.update(taken.kinds)
        self.outcomes.update(taken.outcomes)
        self.first = min(self.first, taken.first)
        self.last = max(self.last, taken.last)
        self._done += taken.size
        self._progress(min(self._done, self._whole), self._whole)

    def merge(self, other: RecordCounter) -> None:
        """Count what another counted."""
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
    """Name a record's kind as its line does."""
    return str(type(entry).__struct_config__.tag)
