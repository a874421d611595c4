"""Monitor of the free disk space, to record a shortage before the log can no longer be written."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: free bytes below which space is low; a day of 20 refusals a second with their checkpoints needs about 1 GiB
LOW_BYTES: Final = 268_435_456
#: free bytes above which space is sufficient again; the difference avoids a record for each temporary file
ENOUGH_BYTES: Final = 2 * LOW_BYTES
#: seconds between two checks, by the times of the records
CHECK_INTERVAL_S: Final = 10.0
MIB: Final = 1_048_576


class DiskSpaceMonitor:
    """Monitor of a file system's free space."""

    __slots__ = ("_checked_at", "_warning")

    def __init__(self) -> None:
        """Start without a check."""
        self._checked_at = -inf
        self._warning = ""

    def check(self, folder: Path, now: float) -> str:
        """Return the warning to record; empty if there is enough space.

        Args:
            folder: folder of the log.
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
            self._warning = f"{free // MIB} MiB are free on the log's disk: free space, or move the log"
        elif free >= ENOUGH_BYTES:
            self._warning = ""
        return self._warning
