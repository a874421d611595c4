"""One way through a chain, over all its files, in constant memory, to its end or its first flaw."""

from __future__ import annotations

import errno
import os
from hashlib import sha256
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import segment_file
from authguard.audit.chain_file import is_locked
from authguard.audit.verify.checkpoint_verifier import NOTHING, Found
from authguard.core.batch_verify import verify_batch
from authguard.core.chain import GENESIS, MAX_LINE_BYTES, ChainBreak, Flaw, iter_chain
from authguard.core.checkpoint_retention import THINNED, parse_retention_note
from authguard.core.entries import Acted
from authguard.core.handover import AUDIT_ACTOR, is_closed, is_opened, parse_accepted_note, parse_anomaly
from authguard.core.tombstone import RETIRED, parse_retired_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from authguard.audit.segment_file import Segment
    from authguard.audit.verify.checkpoint_verifier import Holding
    from authguard.audit.verify.result import Tally
    from authguard.core.chain import ChainedLine
    from authguard.core.checkpoint_retention import RetentionNote
    from authguard.core.handover import Anomaly

#: how often, and after how many seconds, a line without an end is read again: its writer may be at it
LOOKS: Final = 3
PAUSE: Final = 0.01
#: bytes that are read at once, and lines that are gone through one by one where they cannot be taken at once
STRIDE: Final = 1 << 18
#: of errors that say nothing about what is in a file
_PASSING: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EINTR}
)
STEPS: Final = 16


class Walk:
    """One way through a chain, over all its files."""

    def __init__(
        self, path: Path, holding: Holding | None, tally: Tally, seen: set[str], pause: Callable[[float], None]
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
        self._stubs: dict[str, Segment] = {}
        self._named: dict[str, int] = {}
        self.marks: list[Anomaly] = []
        self._accepted: dict[str, int] = {}
        #: what the log says was kept of its checkpoints, the last two times, with the numbers of the lines
        self._thinned: list[tuple[int, RetentionNote]] = []
        #: bytes of a last line without its end
        self.unfinished = 0
        #: the line before is the last of its writer; the first is the first of one that has the key
        self._closed = self._begun = False

    def run(self, segments: Sequence[Segment]) -> Found | None:
        """Follow the chain to its end or its first flaw."""
        left, tries = list(segments), 0
        while left:
            begin = self.lines
            try:
                flaw = self._stub(left[0]) if left[0].is_tombstone else self._file(left[0])
            except FileNotFoundError:
                flaw = Found(left[0].path, ChainBreak(0, Flaw.MISSING))
            except OSError as error:
                flaw = Found(left[0].path, ChainBreak(0, unreadable(error)))
            if flaw is None:
                del left[0]
                tries = 0
                continue
            anew = self._listed_anew(left[0]) if self.lines == begin and tries < LOOKS else []
            if not anew:
                return self._placed(flaw, segments)
            left, tries = anew, tries + 1
        if not segments or not segments[-1].live:
            return Found(self.path, ChainBreak(0, Flaw.MISSING))
        flaw = self.holding.end() if self.holding else None
        if flaw is not None and flaw.broken.flaw is Flaw.UNSIGNED and self._begun and is_locked(self.path):
            flaw = None  # its writer has just begun, and signs in a moment
        return self._unretired() or self._plucked() if flaw is None else self._placed(flaw, segments)

    def _listed_anew(self, segment: Segment) -> list[Segment]:
        """List what is left where the writer changed a file's name or form meanwhile; nothing where it did not."""
        try:
            listed = segment_file.list_segments(self.path)
        except OSError:
            return []
        left = [one for one in listed if one.base >= self.lines]
        return left if segment not in listed and left and left[0].base == self.lines else []

    def _placed(self, flaw: Found, segments: Sequence[Segment]) -> Found:
        """Say in which of the chain's files a line of the chain is, and which of that file's it is."""
        line = flaw.broken.line
        if flaw.path != self.path or not line:
            return flaw
        segment = max((one for one in segments if 0 <= one.base < line), key=lambda one: one.base, default=None)
        if segment is None:
            return flaw
        return Found(segment.path, ChainBreak(0 if segment.is_tombstone else line - segment.base, flaw.broken.flaw))

    def _stub(self, segment: Segment) -> Found | None:
        """Take a stub in the place of its lines."""
        stub, raw = segment_file.read_tombstone(segment)
        if (stub.base, stub.prev) != (self.lines, self.head):
            return Found(segment.path, ChainBreak(0, Flaw.UNTRUE if stub.base <= self.lines else Flaw.SKIPPED))
        flaw = None
        if self.holding is not None:
            flaw = self._begin(self.holding, stub.first) or self.holding.skip(stub)
        self._closed = False
        self._stubs[sha256(raw).hexdigest()] = segment
        # the line that named an older stub may be gone itself: the stub that took its place names that stub in turn
        self._named.update(dict.fromkeys(stub.retired, stub.base))
        count, since, _ = self.retired
        self.retired = (count + stub.count, since if count else stub.since, stub.until)
        self.lines, self.head = stub.base + stub.count, stub.last
        return flaw

    def _file(self, segment: Segment) -> Found | None:
        """Follow the lines of one file."""
        if not segment.live and segment.base > self.lines:
            return Found(segment.path, ChainBreak(0, Flaw.SKIPPED))
        begin = self.lines
        with segment_file.open_segment(segment) as file:
            while True:
                # the first line names the chain, so it is never part of a stride
                flaw = self._strides(file) if self.lines else None
                if flaw is not None:
                    return flaw
                some = self._passing(islice(_lines(file, self._pause), STEPS))
                for found in iter_chain(some, self.lines, self.head):
                    if isinstance(found, ChainBreak):
                        if found.flaw is Flaw.EMPTY and (self.lines > begin or (segment.live and begin)):
                            # the end; or its writer died when it had begun it, and it is asked later if more was signed
                            return None
                        if found.flaw is Flaw.TORN and self._may_end_so(segment):
                            return None
                        line = found.line and found.line - begin
                        broken = found if segment.live else ChainBreak(line, found.flaw)
                        return Found(self.path if segment.live else segment.path, broken)
                    flaw = self._unopened(found, segment, begin)
                    if flaw is None and self.holding:
                        flaw = self._hold(self.holding, found)
                    self.lines, self.head = self.lines + 1, found.hash
                    self._heed(found)
                    self.tally.add(found.entry)
                    if flaw is not None:
                        return flaw

    def _strides(self, file: BinaryIO) -> Found | None:
        """Take lines at once as far as that goes; the file is left at the first line that was not taken."""
        while not self._closed:
            data = file.read(STRIDE)
            end = data.rfind(b"\n") + 1
            taken, flaw = self._taken(BytesIO(data[:end]).readlines())
            if taken < len(data):
                file.seek(taken - len(data), os.SEEK_CUR)
            if flaw is not None or taken < end or not end:
                return flaw
        return None

    def _taken(self, lines: list[bytes]) -> tuple[int, Found | None]:
        """Take what can be taken of some lines; give how many bytes, and what is wrong with the log up to there."""
        size = place = 0
        while place < len(lines):
            room = self.holding.room() if self.holding else len(lines)
            found = verify_batch(lines[place : place + room], self.lines, self.head, tree=self.holding is not None)
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

    def _may_end_so(self, segment: Segment) -> bool:
        """Whether a line without its end may be what a crash or a full disk leaves; what was signed is missed later."""
        if not segment.live or self._closed or not (self.holding or is_locked(self.path)):
            return False
        self.unfinished = len(self._line)
        return True

    def _unopened(self, found: ChainedLine, segment: Segment, begin: int) -> Found | None:
        """Find a line behind a writer's last one that is not another writer's first."""
        if not self._closed:
            return None
        keys, check = (self.holding.keys, self.holding.check) if self.holding else (None, None)
        if is_opened(found, keys, check):
            return None
        line = found.seq + 1
        path = self.path if segment.live else segment.path
        return Found(path, ChainBreak(line if segment.live else line - begin, Flaw.UNOPENED))

    def _heed(self, found: ChainedLine) -> None:
        """Keep what a line says of other lines."""
        self._closed = is_closed(found)
        entry = found.entry
        if type(entry) is not Acted:
            return
        if entry.act == RETIRED and entry.by == AUDIT_ACTOR:
            self._named[parse_retired_note(entry.note)] = found.seq
        elif (
            entry.act == THINNED and entry.by == AUDIT_ACTOR and (said := parse_retention_note(entry.note)) is not None
        ):
            self._thinned = [*self._thinned[-1:], (found.seq, said)]
        elif (mark := parse_anomaly(found, self.path.name)) is not None:
            self.marks.append(mark)
        elif record := parse_accepted_note(entry):
            self._accepted[record] = found.seq

    def accepted(self) -> frozenset[str]:
        """Give the records that a person accepted: in lines that are signed, and that their writer vouched for."""
        return frozenset(record for record, seq in self._accepted.items() if self._stands(seq))

    def _stands(self, seq: int) -> bool:
        """Whether a line is signed, and its writer vouched for it when it was written."""
        ranges = self.holding.ranges() if self.holding else NOTHING
        upto = max(ranges.signed, ranges.anchored) if self.holding else self.lines
        return seq < upto and not any(mark.first <= seq + 1 <= mark.last for mark in self.marks)

    def _unretired(self) -> Found | None:
        """Find a stub that no line names, or only one that nothing vouches for."""
        ranges = self.holding.ranges() if self.holding else NOTHING
        vouched = max(ranges.signed, ranges.anchored) if self.holding else self.lines
        for digest, segment in self._stubs.items():
            if self._named.get(digest, vouched) >= vouched:
                return Found(segment.path, ChainBreak(0, Flaw.UNRETIRED))
        return None

    def _plucked(self) -> Found | None:
        """Find that checkpoints were taken away which the newest signed record says were kept."""
        said = [one for seq, one in self._thinned if self._stands(seq)]
        return self.holding.thinned(said[-1]) if self.holding and said else None

    def _begin(self, holding: Holding, first: str) -> Found | None:
        """Let the first line name the chain."""
        if self.lines:
            return None
        flaw = holding.begin(first)
        self.seen.update(holding.origins)
        return flaw

    def _hold(self, holding: Holding, found: ChainedLine) -> Found | None:
        """Hold a line against what vouches for it."""
        if not self.lines:
            self._begun = is_opened(found, holding.keys, holding.check)
        return self._begin(holding, found.hash) or holding.add(self._line, found)


def unreadable(error: OSError) -> Flaw:
    """Tell a file that cannot be read now from one that is not what it should be."""
    return Flaw.UNREAD if error.errno in _PASSING else Flaw.UNREADABLE


def _lines(file: BinaryIO, pause: Callable[[float], None]) -> Iterator[bytes]:
    """Read lines, none longer than a line may be."""
    while line := _line(file, pause):
        yield line


def _line(file: BinaryIO, pause: Callable[[float], None]) -> bytes:
    """Read one line; one without an end is read again, for a living log is read while it is written."""
    line = file.readline(MAX_LINE_BYTES + 1)
    for _ in range(LOOKS):
        if not line or line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
            break
        pause(PAUSE)
        place = file.tell() - len(line)
        file.seek(0, os.SEEK_END)  # forgets what was read ahead, which the writer may have cut off since
        file.seek(place)
        line = file.readline(MAX_LINE_BYTES + 1)
    return line
