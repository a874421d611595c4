"""Verifying a log: every chain of it from its genesis, in constant memory, with counts and the first break of each.

Without a key, what is verified is that nothing was edited, deleted, inserted or re-ordered before the end of each file.
With the key, the lines are held against the signed checkpoints, and those against what the writer remembers and what
anchors hold: a tail that was cut, a chain removed and a chain written anew show too.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import checkpoints, segments
from authguard.audit.files import chains
from authguard.audit.proving.signatures import NOTHING, Found, Holding
from authguard.core.chain import GENESIS, LINE_BOUND, Broken, Flaw, Intact, follow
from authguard.core.entries import Acted, Decided
from authguard.core.strides import stride
from authguard.core.stubs import RETIRED, retired_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from authguard.audit.proving.signatures import Ranges, Trust
    from authguard.audit.segments import Piece
    from authguard.core.chain import Linked
    from authguard.core.entries import Entry
    from authguard.core.strides import Stride

    Progress = Callable[[int, int], None]

UNSIGNED: Final = "no signature was looked at: a cut tail, a removed chain or a full rewrite goes unseen"
#: how often, and after how many seconds, a line without an end is read again: its writer may be at it
LOOKS: Final = 3
PAUSE: Final = 0.01
#: bytes that are read at once, and lines that are gone through one by one where they cannot be taken at once
STRIDE: Final = 1 << 18
STEPS: Final = 16


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
    """

    path: Path
    lines: int
    result: Intact | Broken
    where: Path = Path()
    ranges: Ranges = NOTHING
    segments: int = 0
    retired: tuple[int, float, float] = (0, 0.0, 0.0)


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

    def __init__(self, progress: Progress, whole: int) -> None:
        """Begin at nothing; tell how much of the whole has gone by."""
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.repairs = 0
        self.first = float("inf")
        self.last = float("-inf")
        self._progress = progress
        self._whole = whole
        self._done = 0

    def add_all(self, taken: Stride) -> None:
        """Count the records of a stride."""
        self.kinds.update(taken.kinds)
        self.outcomes.update(taken.outcomes)
        self.first = min(self.first, taken.first)
        self.last = max(self.last, taken.last)
        self._done += taken.size
        self._progress(min(self._done, self._whole), self._whole)

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


def _silent(_done: int, _whole: int) -> None:
    """Tell nobody."""


def _size(chain: Path) -> int:
    """Measure a chain, about: compressed files are smaller than what is read of them."""
    try:
        return sum(piece.path.stat().st_size for piece in segments.pieces(chain))
    except OSError:
        return 0


def verify(
    path: Path,
    *,
    trust: Trust | None = None,
    also: Iterable[Path] = (),
    pause: Callable[[float], None] = time.sleep,
    progress: Progress = _silent,
) -> Verification:
    """Verify a log: the file and the chains beside it.

    Args:
        path: of the log's first chain; it has to exist, its siblings need not.
        trust: what to hold it against; else the chains alone are followed.
        also: logs that were archived, whose chains are not missing.
        pause: waits before an unfinished line is read again.
        progress: told now and then how many bytes of how many went by.
    """
    seen: set[str] = set()
    roots = (path, *also)
    files = [file for root in roots for file in dict.fromkeys((root, *segments.of_log(root)))]
    tally = _Tally(progress, sum(map(_size, files)))
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
    """Verify one chain."""
    walk = _Walk(path, Holding(path, trust) if trust else None, tally, seen, pause)
    try:
        pieces = segments.pieces(path)
    except OSError:
        pieces = ()
        flaw: Found | None = Found(path, Broken(0, Flaw.UNREADABLE))
    else:
        flaw = walk.run(pieces)
    result = Intact(walk.lines, walk.head) if flaw is None else flaw.broken
    return ChainReport(
        path=path,
        lines=walk.lines,
        result=result,
        where=path if flaw is None else flaw.path,
        ranges=walk.holding.ranges() if walk.holding else NOTHING,
        segments=sum(not piece.live for piece in pieces),
        retired=walk.retired,
    )


class _Walk:
    """One way through a chain, over all its files."""

    def __init__(
        self, path: Path, holding: Holding | None, tally: _Tally, seen: set[str], pause: Callable[[float], None]
    ) -> None:
        self.path = path
        self.holding = holding
        self.tally = tally
        self.seen = seen
        self.lines = 0
        self.head = GENESIS
        self.retired = (0, 0.0, 0.0)
        self._pause = pause
        self._line = b""
        #: digest of a stub -> the file; and of those that a record names -> that record's line
        self._stubs: dict[str, Piece] = {}
        self._named: dict[str, int] = {}

    def run(self, pieces: Sequence[Piece]) -> Found | None:
        """Follow the chain to its end or its first flaw."""
        left, tries = list(pieces), 0
        while left:
            begin = self.lines
            try:
                flaw = self._stub(left[0]) if left[0].is_stub else self._file(left[0])
            except FileNotFoundError:
                flaw = Found(left[0].path, Broken(0, Flaw.MISSING))
            except OSError:
                flaw = Found(left[0].path, Broken(0, Flaw.UNREADABLE))
            if flaw is None:
                del left[0]
                continue
            anew = self._listed_anew(left[0]) if self.lines == begin and tries < LOOKS else []
            if not anew:
                return self._placed(flaw, pieces)
            left, tries = anew, tries + 1
        if not pieces or not pieces[-1].live:
            return Found(self.path, Broken(0, Flaw.MISSING))
        flaw = self.holding.end() if self.holding else None
        return self._unretired() if flaw is None else self._placed(flaw, pieces)

    def _listed_anew(self, piece: Piece) -> list[Piece]:
        """List what is left where the writer changed a file's name or form meanwhile; nothing where it did not."""
        try:
            listed = segments.pieces(self.path)
        except OSError:
            return []
        left = [one for one in listed if one.base >= self.lines]
        return left if piece not in listed and left and left[0].base == self.lines else []

    def _placed(self, flaw: Found, pieces: Sequence[Piece]) -> Found:
        """Say in which of the chain's files a line of the chain is, and which of that file's it is."""
        line = flaw.broken.line
        if flaw.path != self.path or not line:
            return flaw
        piece = max((one for one in pieces if 0 <= one.base < line), key=lambda one: one.base, default=None)
        if piece is None:
            return flaw
        return Found(piece.path, Broken(0 if piece.is_stub else line - piece.base, flaw.broken.flaw))

    def _stub(self, piece: Piece) -> Found | None:
        """Take a stub in the place of its lines."""
        stub, raw = segments.stub_of(piece)
        if (stub.base, stub.prev) != (self.lines, self.head):
            return Found(piece.path, Broken(0, Flaw.UNTRUE if stub.base <= self.lines else Flaw.SKIPPED))
        flaw = None
        if self.holding is not None:
            flaw = self._begin(self.holding, stub.first) or self.holding.skip(stub)
        self._stubs[sha256(raw).hexdigest()] = piece
        # the line that named an older stub may be gone itself: the stub that took its place names that stub in turn
        self._named.update(dict.fromkeys(stub.retired, stub.base))
        count, since, _ = self.retired
        self.retired = (count + stub.count, since if count else stub.since, stub.until)
        self.lines, self.head = stub.base + stub.count, stub.last
        return flaw

    def _file(self, piece: Piece) -> Found | None:
        """Follow the lines of one file."""
        if not piece.live and piece.base > self.lines:
            return Found(piece.path, Broken(0, Flaw.SKIPPED))
        begin = self.lines
        with segments.opened(piece) as file:
            while True:
                # the first line names the chain, so it is never part of a stride
                flaw = self._strides(file) if self.lines else None
                if flaw is not None:
                    return flaw
                some = self._passing(islice(_lines(file, self._pause), STEPS))
                for found in follow(some, self.lines, self.head):
                    if isinstance(found, Broken):
                        if found.flaw is Flaw.EMPTY and (self.lines > begin or (piece.live and begin)):
                            # the end; or its writer died when it had begun it, and it is asked later if more was signed
                            return None
                        line = found.line and found.line - begin
                        broken = found if piece.live else Broken(line, found.flaw)
                        return Found(self.path if piece.live else piece.path, broken)
                    flaw = self._hold(self.holding, found) if self.holding else None
                    self.lines, self.head = self.lines + 1, found.hash
                    self._heed(found)
                    self.tally.add(found.entry)
                    if flaw is not None:
                        return flaw

    def _strides(self, file: BinaryIO) -> Found | None:
        """Take lines at once as far as that goes; the file is left at the first line that was not taken."""
        while True:
            data = file.read(STRIDE)
            end = data.rfind(b"\n") + 1
            taken, flaw = self._taken(BytesIO(data[:end]).readlines())
            if taken < len(data):
                file.seek(taken - len(data), os.SEEK_CUR)
            if flaw is not None or taken < end or not end:
                return flaw

    def _taken(self, lines: list[bytes]) -> tuple[int, Found | None]:
        """Take what can be taken of some lines; give how many bytes, and what is wrong with the log up to there."""
        size = place = 0
        while place < len(lines):
            room = self.holding.room() if self.holding else len(lines)
            found = stride(lines[place : place + room], self.lines, self.head, tree=self.holding is not None)
            if found is None:
                break
            self.lines, self.head = self.lines + found.lines, found.head
            self.tally.add_all(found)
            place, size = place + found.lines, size + found.size
            flaw = self.holding.add_all(found.leaves) if self.holding else None
            if flaw is not None:
                return size, flaw
        return size, None

    def _passing(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._line = line
            yield line

    def _heed(self, found: Linked) -> None:
        entry = found.entry
        if type(entry) is Acted and entry.act == RETIRED and entry.by == "audit":
            self._named[retired_digest(entry.note)] = found.seq

    def _unretired(self) -> Found | None:
        """Find a stub that no line names, or only one that nothing vouches for."""
        ranges = self.holding.ranges() if self.holding else NOTHING
        vouched = max(ranges.signed, ranges.anchored) if self.holding else self.lines
        for digest, piece in self._stubs.items():
            if self._named.get(digest, vouched) >= vouched:
                return Found(piece.path, Broken(0, Flaw.UNRETIRED))
        return None

    def _begin(self, holding: Holding, first: str) -> Found | None:
        """Let the first line name the chain."""
        if self.lines:
            return None
        flaw = holding.begin(first)
        self.seen.update(holding.origins)
        return flaw

    def _hold(self, holding: Holding, found: Linked) -> Found | None:
        """Hold a line against what vouches for it."""
        return self._begin(holding, found.hash) or holding.add(self._line, found)


def _lines(file: BinaryIO, pause: Callable[[float], None]) -> Iterator[bytes]:
    """Read lines, none longer than a line may be."""
    while line := _line(file, pause):
        yield line


def _line(file: BinaryIO, pause: Callable[[float], None]) -> bytes:
    """Read one line; one without an end is read again, for a living log is read while it is written."""
    line = file.readline(LINE_BOUND + 1)
    for _ in range(LOOKS):
        if not line or line.endswith(b"\n") or len(line) > LINE_BOUND:
            break
        pause(PAUSE)
        file.seek(-len(line), os.SEEK_CUR)
        line = file.readline(LINE_BOUND + 1)
    return line
