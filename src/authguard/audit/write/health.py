"""What the writer of a log noticed of it, for its next records to report.

Rule: a report counts as written only after its record was written; until then it is repeated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authguard.audit.write.events import LogAct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.errors import AuditError


def describe_tampering(found: int, size: int) -> str:
    """Return how another program changed a file of `size` bytes that now has `found`; -1 if it is gone."""
    if found < 0:
        return "deleted or replaced"
    return "truncated" if found < size else "written to by another program"


class LogHealth:
    """Collects what the log must record about itself."""

    def __init__(self) -> None:
        #: records that were not written since the last success, with the time and the reason of the first
        self._failed = 0
        self._since = 0.0
        self._why = ""
        self._tampering = ""
        #: the recorded warning about the free space
        self._space = ""

    def reset(self) -> None:
        """Forget the reports of the last chain; unwritten records are still counted."""
        self._tampering = self._space = ""

    def add_failure(self, at: float, error: AuditError) -> None:
        """Count a record that the disk did not accept."""
        if isinstance(error.__cause__, OSError):
            if not self._failed:
                self._since, self._why = at, error.__cause__.strerror or type(error.__cause__).__name__
            self._failed += 1

    def set_tampering(self, words: str) -> None:
        """Store how the file was tampered with."""
        self._tampering = words

    def list_records(self, space: str) -> Iterator[LogAct]:
        """Yield the acts to record; requesting the next one confirms that the last one was written.

        Args:
            space: warning about the free space; empty if there is enough.
        """
        if space != self._space:
            yield LogAct("space_low" if space else "space_recovered", space)
            self._space = space
        if self._tampering:
            yield LogAct("tampering_detected", self._tampering)
            self._tampering = ""
        if self._failed:
            since = datetime.fromtimestamp(self._since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield LogAct("writing_recovered", f"{self._failed} records were not written since {since}: {self._why}")
            self._failed = 0
