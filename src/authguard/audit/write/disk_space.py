"""Watch the free space of the log's file system, so that a record says that it ends before it has ended."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: free bytes below which space is low; a day of 20 refusals a second with their checkpoints is about 1 GiB
LOW_BYTES: Final = 268_435_456
#: free bytes above which it is low no more, so that a file that comes and goes is not recorded each time
ENOUGH_BYTES: Final = 2 * LOW_BYTES
#: seconds, by the records' own times, between two looks
CHECK_INTERVAL_S: Final = 10.0
MIB: Final = 1_048_576


class DiskSpaceMonitor:
    """Tells whether space is low, asking the file system now and then."""

    __slots__ = ("_checked_at", "_warning")

    def __init__(self) -> None:
        """Begin without a look."""
        self._checked_at = -inf
        self._warning = ""

    def check(self, folder: Path, now: float) -> str:
        """Return what to record about the free space; empty while there is enough.

        Args:
            folder: of the log.
            now: epoch seconds UTC.
        """
        if abs(now - self._checked_at) < CHECK_INTERVAL_S:
            return self._warning
        self._checked_at = now
        try:
            found = os.statvfs(folder)
        except OSError:
            return self._warning
        free = found.f_bavail * found.f_frsize
        if free < LOW_BYTES and not self._warning:
            self._warning = f"{free // MIB} MiB are free where the log is; make room, or move it"
        elif free >= ENOUGH_BYTES:
            self._warning = ""
        return self._warning
