"""Rotation, compression and retention of a log's files.

Rules: the signer's thread does the work, and only to lines that a checkpoint covers. A segment is removed only after
a signed record states it. The lines stay readable at every step, even if the process dies.
"""

from __future__ import annotations

import os
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

from authguard.audit import segment_file
from authguard.audit.bgzf import compress
from authguard.audit.chain_file import sync_folder
from authguard.audit.write.events import LogAct, RemovalRequested
from authguard.records.chain import MAX_LINE_BYTES
from authguard.records.tombstone import RETIRED, Tombstone, format_retired_note, make_tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authguard.audit.segment_file import Segment

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class RetentionPolicy(Struct, frozen=True, kw_only=True):
    """When to rotate a file, and how long to keep lines.

    Attributes:
        max_bytes: size in bytes at which a file is rotated.
        max_age_s: age in seconds at which a file is rotated; at most `retention_s`.
        retention_s: seconds for which lines are kept; infinite for ever.
    """

    max_bytes: float = inf
    max_age_s: float = inf
    retention_s: float = inf

    def is_due(self, size: int, age: float) -> bool:
        """Return whether to rotate a file of this size in bytes and age in seconds."""
        return size >= self.max_bytes or age >= min(self.max_age_s, self.retention_s)


class SegmentRetention:
    """Compresses and retires the closed segments of one chain.

    Args:
        chain: path of the chain.
        policy: how long to keep lines.
        now: returns the time, epoch seconds UTC.
    """

    def __init__(self, chain: Path, policy: RetentionPolicy, now: Callable[[], float]) -> None:
        self._chain = chain
        self._policy = policy
        self._now = now
        self._retiring: tuple[Segment, Tombstone] | None = None
        self._confirmed_at = -1
        #: number of the oldest segment -> time of its newest line, once computed
        self._newest: dict[int, float] = {}

    def _confirm(self, lines: int) -> None:
        self._confirmed_at = lines

    def run(self, signed: int) -> RemovalRequested | None:
        """Compress closed segments, and retire the one whose retirement is recorded and signed.

        Args:
            signed: lines of the chain that a checkpoint covers.

        Returns:
            The request to retire the oldest segment, once it has expired; another one only after it was confirmed.

        Raises:
            OSError: a file cannot be read or written; nothing was lost.
        """
        if self._retiring is not None and 0 <= self._confirmed_at <= signed:
            self._retire(*self._retiring)
            self._retiring, self._confirmed_at = None, -1
        found = segment_file.list_segments(self._chain)
        for segment, after in pairwise(found):
            if not segment.form and segment.base < after.base <= signed:
                self._compress(segment)
        if self._retiring is None and self._policy.retention_s < inf:
            return self._request_retirement(signed)
        return None

    def _compress(self, segment: Segment) -> None:
        """Compress a segment; its file is removed after the compressed file is on the disk."""
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

    def _request_retirement(self, signed: int) -> RemovalRequested | None:
        """Request to retire the oldest segment if it has expired."""
        found = segment_file.list_segments(self._chain)
        for segment, after in pairwise(found):
            if segment.is_tombstone:
                continue
            if after.base > signed or after.base <= segment.base:
                return None
            over = self._now() - self._policy.retention_s
            if self._newest.get(segment.base, segment_file.read_last_time(segment)) >= over:
                return None
            with segment_file.open_segment(segment) as file:
                tombstone = make_tombstone(_lines(file), segment.base, after.base - segment.base)
            if tombstone is not None:
                # a transition has the time at which it was due, so the last line need not be the newest
                self._newest = {segment.base: tombstone.until}
                if tombstone.until < over:
                    self._retiring = segment, tombstone
                    return RemovalRequested(LogAct(RETIRED, format_retired_note(tombstone)), self._confirm)
            return None
        return None

    def _retire(self, segment: Segment, tombstone: Tombstone) -> None:
        self._write_file(
            segment_file.segment_path(self._chain, segment.base, segment_file.TOMBSTONE_SUFFIX),
            lambda target: target.write(tombstone.encode()),
        )
        for form in ("", segment_file.GZIP_SUFFIX):
            segment_file.segment_path(self._chain, segment.base, form).unlink(missing_ok=True)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line
