"""Keeping a log of several files: when one is closed, how closed ones are compressed, and what is left in the end.

Rules: the thread that signs does all of it, and only to lines that a checkpoint covers; a segment is gone only when the
log says so in a record that is signed itself; every step leaves the lines readable, whenever the process dies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.audit import segment_file
from authguard.audit.bgzf import compress
from authguard.audit.chain_file import sync_folder
from authguard.core.chain import MAX_LINE_BYTES
from authguard.core.tombstone import RETIRED, Tombstone, format_retired_note, make_tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authguard.audit.segment_file import Segment

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long a log's file grows and how long lines are kept.

    Attributes:
        max_bytes: bytes after which a file is closed.
        max_age_s: seconds after which it is; never longer than lines are kept.
        retention_s: seconds for which lines are kept; infinite for ever.
    """

    max_bytes: float = inf
    max_age_s: float = inf
    retention_s: float = inf

    def is_due(self, size: int, age: float) -> bool:
        """Whether a file of so many bytes and seconds is closed."""
        return size >= self.max_bytes or age >= min(self.max_age_s, self.retention_s)


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """What has to stand in the log before something is done.

    Attributes:
        act: of the record.
        note: of the record.
    """

    act: str
    note: str


class SegmentRetention:
    """Keeps the closed segments of one chain.

    Args:
        chain: the file that is written.
        policy: how.
        now: gives the time, epoch seconds UTC.

    Attributes:
        pending_record: what has to be recorded before a segment may go; ``None`` for nothing.
    """

    def __init__(self, chain: Path, policy: RetentionPolicy, now: Callable[[], float]) -> None:
        self._chain = chain
        self._policy = policy
        self._now = now
        self._retiring: tuple[Segment, Tombstone] | None = None
        self._confirmed_at = -1
        #: the oldest segment's number -> time of its newest line, where that was looked for
        self._newest: dict[int, float] = {}
        self.pending_record: PendingRecord | None = None

    def confirm(self, pending_record: PendingRecord, lines: int) -> None:
        """Hear that the record was written, and how many lines the chain has with it."""
        if pending_record is self.pending_record:
            self.pending_record, self._confirmed_at = None, lines

    def run(self, signed: int) -> None:
        """Compress what is closed, and retire what is over.

        Args:
            signed: lines of the chain that a checkpoint covers.

        Raises:
            OSError: a file cannot be read or written; all that was there is still there.
        """
        if self._retiring is not None and 0 <= self._confirmed_at <= signed:
            self._retire(*self._retiring)
            self._retiring, self._confirmed_at = None, -1
        found = segment_file.list_segments(self._chain)
        for segment, after in pairwise(found):
            if not segment.form and segment.base < after.base <= signed:
                self._compress(segment)
        if self._retiring is None and self._policy.retention_s < inf:
            self._request_retirement(signed)

    def _compress(self, segment: Segment) -> None:
        """Compress a segment: the old file goes when the new one is on the disk under its own name."""
        with segment_file.open_segment(segment) as source:
            self._write_file(
                segment_file.segment_path(self._chain, segment.base, segment_file.GZIP_SUFFIX),
                lambda target: compress(source, target),
            )
        segment.path.unlink()

    def _write_file(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        fd = os.open(new, _NEW, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        sync_folder(path.parent)

    def _request_retirement(self, signed: int) -> None:
        """Find the oldest segment that is not a stub, and ask for the record where its time is over."""
        found = segment_file.list_segments(self._chain)
        for segment, after in pairwise(found):
            if segment.is_tombstone:
                continue
            if after.base > signed or after.base <= segment.base:
                return
            over = self._now() - self._policy.retention_s
            if self._newest.get(segment.base, segment_file.read_last_time(segment)) >= over:
                return
            with segment_file.open_segment(segment) as file:
                stub = make_tombstone(_lines(file), segment.base, after.base - segment.base)
            if stub is not None:
                # a transition bears the time at which it fell due, so the last line need not be the newest
                self._newest = {segment.base: stub.until}
                if stub.until < over:
                    self._retiring, self.pending_record = (
                        (segment, stub),
                        PendingRecord(RETIRED, format_retired_note(stub)),
                    )
            return

    def _retire(self, segment: Segment, stub: Tombstone) -> None:
        """Put the stub beside the segment, then take the segment away."""
        self._write_file(
            segment_file.segment_path(self._chain, segment.base, segment_file.TOMBSTONE_SUFFIX),
            lambda target: target.write(stub.encode()),
        )
        for form in ("", segment_file.GZIP_SUFFIX):
            segment_file.segment_path(self._chain, segment.base, form).unlink(missing_ok=True)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
