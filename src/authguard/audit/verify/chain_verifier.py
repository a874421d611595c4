"""Verification of one chain over all its files, in constant memory, up to its end or its first finding."""

from __future__ import annotations

import errno
import os
from hashlib import sha256
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import segment_file
from authguard.audit.chain_file import is_locked
from authguard.audit.verify.checkpoint_verifier import NO_RANGES, Finding
from authguard.records.batch_verify import verify_batch
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, ChainBreak, Violation, iter_chain
from authguard.records.checkpoint_retention import THINNED, parse_retention_note
from authguard.records.entries import ActEntry
from authguard.records.handover import AUDIT_ACTOR, is_closed, is_opened, parse_accepted_note, parse_anomaly
from authguard.records.tombstone import RETIRED, parse_retired_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from authguard.audit.segment_file import Segment
    from authguard.audit.verify.checkpoint_verifier import CheckpointVerifier
    from authguard.audit.verify.result import RecordCounter
    from authguard.records.chain import ChainedLine
    from authguard.records.checkpoint_retention import RetentionNote
    from authguard.records.handover import Anomaly

#: attempts to read an incomplete last line, which its writer may complete, and seconds between them
MAX_READ_ATTEMPTS: Final = 3
RETRY_INTERVAL_S: Final = 0.01
#: bytes of a read; and lines that are checked one by one before the next attempt to verify a batch
READ_BYTES: Final = 1 << 18
#: errors that tell nothing about the content of a file
_TRANSIENT_ERRNOS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EINTR}
)
SINGLE_STEP_LINES: Final = 16


class ChainVerifier:
    """Verifier of one chain.

    Args:
        path: path of the chain.
        checkpoints: verifier of its checkpoints; ``None`` to verify the hash chain only.
        tally: counter of the verified records.
        seen: receives the origins of verified chains.
        pause: waits the given seconds before an incomplete line is read again.
    """

    def __init__(
        self,
        path: Path,
        checkpoints: CheckpointVerifier | None,
        tally: RecordCounter,
        seen: set[str],
        pause: Callable[[float], None],
    ) -> None:
        self.path = path
        self.checkpoints = checkpoints
        self.tally = tally
        self.seen = seen
        self.lines = 0
        self.head = GENESIS
        self.retired = (0, 0.0, 0.0)
        self._pause = pause
        self._line = b""
        #: digest of a tombstone -> its file; and digest that a record names -> the number of that record
        self._tombstones: dict[str, Segment] = {}
        self._retired_by: dict[str, int] = {}
        self.marks: list[Anomaly] = []
        self._accepted: dict[str, int] = {}
        #: the last two records of kept checkpoints, with their numbers
        self._thinned: list[tuple[int, RetentionNote]] = []
        #: bytes of an incomplete last line
        self.unfinished = 0
        #: whether the previous line is the last of its writer; and whether the first line is of a writer with the key
        self._closed = self._begun = False

    def run(self, segments: Sequence[Segment]) -> Finding | None:
        """Verify the chain up to its end or its first finding."""
        left, attempts = list(segments), 0
        while left:
            begin = self.lines
            try:
                finding = self._verify_tombstone(left[0]) if left[0].is_tombstone else self._verify_file(left[0])
            except FileNotFoundError:
                finding = Finding(left[0].path, ChainBreak(0, Violation.MISSING))
            except OSError as error:
                finding = Finding(left[0].path, ChainBreak(0, classify_error(error)))
            if finding is None:
                del left[0]
                attempts = 0
                continue
            relisted = self._relist(left[0]) if self.lines == begin and attempts < MAX_READ_ATTEMPTS else []
            if not relisted:
                return self._locate(finding, segments)
            left, attempts = relisted, attempts + 1
        if not segments or not segments[-1].live:
            return Finding(self.path, ChainBreak(0, Violation.MISSING))
        finding = self.checkpoints.finish() if self.checkpoints else None
        if (
            finding is not None
            and finding.broken.violation is Violation.UNSIGNED
            and self._begun
            and is_locked(self.path)
        ):
            finding = None  # the writer has just started, and has not signed yet
        return (
            self._check_retirements() or self._check_thinning() if finding is None else self._locate(finding, segments)
        )

    def _relist(self, segment: Segment) -> list[Segment]:
        """List the remaining files if the writer renamed one; empty if it did not."""
        try:
            listed = segment_file.list_segments(self.path)
        except OSError:
            return []
        left = [one for one in listed if one.base >= self.lines]
        return left if segment not in listed and left and left[0].base == self.lines else []

    def _locate(self, finding: Finding, segments: Sequence[Segment]) -> Finding:
        """Convert a line number of the chain to the file and the line number in it."""
        line = finding.broken.line
        if finding.path != self.path or not line:
            return finding
        segment = max((one for one in segments if 0 <= one.base < line), key=lambda one: one.base, default=None)
        if segment is None:
            return finding
        return Finding(
            segment.path, ChainBreak(0 if segment.is_tombstone else line - segment.base, finding.broken.violation)
        )

    def _verify_tombstone(self, segment: Segment) -> Finding | None:
        tombstone, raw = segment_file.read_tombstone(segment)
        if (tombstone.base, tombstone.prev) != (self.lines, self.head):
            return Finding(
                segment.path,
                ChainBreak(
                    0, Violation.TOMBSTONE_MISMATCH if tombstone.base <= self.lines else Violation.SEGMENT_MISSING
                ),
            )
        finding = None
        if self.checkpoints is not None:
            finding = self._start(self.checkpoints, tombstone.first) or self.checkpoints.add_tombstone(tombstone)
        self._closed = False
        self._tombstones[sha256(raw).hexdigest()] = segment
        # the record of an older tombstone may be in retired lines; the newer tombstone then names the older one
        self._retired_by.update(dict.fromkeys(tombstone.retired, tombstone.base))
        count, since, _ = self.retired
        self.retired = (count + tombstone.count, since if count else tombstone.since, tombstone.until)
        self.lines, self.head = tombstone.base + tombstone.count, tombstone.last
        return finding

    def _verify_file(self, segment: Segment) -> Finding | None:
        if not segment.live and segment.base > self.lines:
            return Finding(segment.path, ChainBreak(0, Violation.SEGMENT_MISSING))
        begin = self.lines
        with segment_file.open_segment(segment) as file:
            while True:
                # the first line names the chain, so it is checked alone
                finding = self._verify_batches(file) if self.lines else None
                if finding is not None:
                    return finding
                some = self._track_line(islice(_lines(file, self._pause), SINGLE_STEP_LINES))
                for found in iter_chain(some, self.lines, self.head):
                    if isinstance(found, ChainBreak):
                        if found.violation is Violation.EMPTY and (self.lines > begin or (segment.live and begin)):
                            # the end of the file; if more lines were signed, `finish` reports it
                            return None
                        if found.violation is Violation.TORN and self._is_unfinished(segment):
                            return None
                        line = found.line and found.line - begin
                        broken = found if segment.live else ChainBreak(line, found.violation)
                        return Finding(self.path if segment.live else segment.path, broken)
                    finding = self._check_writer(found, segment, begin)
                    if finding is None and self.checkpoints:
                        finding = self._check_line(self.checkpoints, found)
                    self.lines, self.head = self.lines + 1, found.hash
                    self._on_record(found)
                    self.tally.add(found.entry)
                    if finding is not None:
                        return finding

    def _verify_batches(self, file: BinaryIO) -> Finding | None:
        """Verify as many batches as possible; leave the file at the first line that no batch covered."""
        while not self._closed:
            data = file.read(READ_BYTES)
            end = data.rfind(b"\n") + 1
            size_read, finding = self._verify_batch(BytesIO(data[:end]).readlines())
            if size_read < len(data):
                file.seek(size_read - len(data), os.SEEK_CUR)
            if finding is not None or size_read < end or not end:
                return finding
        return None

    def _verify_batch(self, lines: list[bytes]) -> tuple[int, Finding | None]:
        """Verify a prefix of some lines; return its bytes and the first finding."""
        size = place = 0
        while place < len(lines):
            limit = self.checkpoints.lines_until_checkpoint() if self.checkpoints else len(lines)
            found = verify_batch(lines[place : place + limit], self.lines, self.head, tree=self.checkpoints is not None)
            if found is None:
                break
            self.lines, self.head = self.lines + found.lines, found.head
            self.tally.add_batch(found)
            place, size = place + found.lines, size + found.size
            finding = self.checkpoints.add_leaves(found.leaves) if self.checkpoints else None
            if finding is not None:
                return size, finding
        return size, None

    def _track_line(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._line = line
            yield line

    def _is_unfinished(self, segment: Segment) -> bool:
        """Return whether a crash or a full disk may have left this line."""
        # if the line was signed, `finish` reports that the chain is truncated
        if not segment.live or self._closed or not (self.checkpoints or is_locked(self.path)):
            return False
        self.unfinished = len(self._line)
        return True

    def _check_writer(self, found: ChainedLine, segment: Segment, begin: int) -> Finding | None:
        """Find a line after a writer's last line that is not the first line of another writer."""
        if not self._closed:
            return None
        keys, check = (self.checkpoints.keys, self.checkpoints.check) if self.checkpoints else (None, None)
        if is_opened(found, keys, check):
            return None
        line = found.seq + 1
        path = self.path if segment.live else segment.path
        return Finding(path, ChainBreak(line if segment.live else line - begin, Violation.UNAUTHORIZED_WRITER))

    def _on_record(self, found: ChainedLine) -> None:
        self._closed = is_closed(found)
        entry = found.entry
        if type(entry) is not ActEntry:
            return
        if entry.act == RETIRED and entry.by == AUDIT_ACTOR:
            self._retired_by[parse_retired_note(entry.note)] = found.seq
        elif (
            entry.act == THINNED and entry.by == AUDIT_ACTOR and (kept := parse_retention_note(entry.note)) is not None
        ):
            self._thinned = [*self._thinned[-1:], (found.seq, kept)]
        elif (mark := parse_anomaly(found, self.path.name)) is not None:
            self.marks.append(mark)
        elif record := parse_accepted_note(entry):
            self._accepted[record] = found.seq

    def accepted(self) -> frozenset[str]:
        """Return the ids of the records that a person accepted, from signed lines with a known writer."""
        return frozenset(record for record, seq in self._accepted.items() if self._is_signed(seq))

    def _is_signed(self, seq: int) -> bool:
        ranges = self.checkpoints.ranges() if self.checkpoints else NO_RANGES
        upto = max(ranges.signed, ranges.anchored) if self.checkpoints else self.lines
        return seq < upto and not any(mark.first <= seq + 1 <= mark.last for mark in self.marks)

    def _check_retirements(self) -> Finding | None:
        """Find a tombstone that no signed record names."""
        ranges = self.checkpoints.ranges() if self.checkpoints else NO_RANGES
        vouched = max(ranges.signed, ranges.anchored) if self.checkpoints else self.lines
        for digest, segment in self._tombstones.items():
            if self._retired_by.get(digest, vouched) >= vouched:
                return Finding(segment.path, ChainBreak(0, Violation.RETIREMENT_UNRECORDED))
        return None

    def _check_thinning(self) -> Finding | None:
        """Find that checkpoints are missing which the newest signed record lists as kept."""
        notes = [one for seq, one in self._thinned if self._is_signed(seq)]
        return self.checkpoints.check_thinning(notes[-1]) if self.checkpoints and notes else None

    def _start(self, checkpoints: CheckpointVerifier, first: str) -> Finding | None:
        if self.lines:
            return None
        finding = checkpoints.start(first)
        self.seen.update(checkpoints.origins)
        return finding

    def _check_line(self, checkpoints: CheckpointVerifier, found: ChainedLine) -> Finding | None:
        if not self.lines:
            self._begun = is_opened(found, checkpoints.keys, checkpoints.check)
        return self._start(checkpoints, found.hash) or checkpoints.add_line(self._line, found)


def classify_error(error: OSError) -> Violation:
    """Return the violation for a file that cannot be read: of access, of version or of content."""
    if error.errno == errno.EPROTONOSUPPORT:
        return Violation.OLDER_VERSION
    return Violation.INACCESSIBLE if error.errno in _TRANSIENT_ERRNOS else Violation.UNREADABLE


def _lines(file: BinaryIO, pause: Callable[[float], None]) -> Iterator[bytes]:
    while line := _line(file, pause):
        yield line


def _line(file: BinaryIO, pause: Callable[[float], None]) -> bytes:
    """Read a line; an incomplete line is read again, because its writer may be at work."""
    line = file.readline(MAX_LINE_BYTES + 1)
    for _ in range(MAX_READ_ATTEMPTS):
        if not line or line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
            break
        pause(RETRY_INTERVAL_S)
        place = file.tell() - len(line)
        file.seek(0, os.SEEK_END)  # discard the read buffer, because the writer may have truncated these bytes since
        file.seek(place)
        line = file.readline(MAX_LINE_BYTES + 1)
    return line
