"""The port of the audit log, for writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from authguard.records.chain import LineTemplate
    from authguard.records.entries import Entry


class AuditSink(Protocol):
    """The audit log, write-only. Without a record, no request is admitted."""

    def open(self) -> None:
        """Open the log, repair a torn last line and continue the chain; safe to call again.

        Raises:
            AuditError: the log cannot be opened for writing.
        """
        ...

    def close(self) -> None:
        """Close the file; every appended line is on its way to the disk."""
        ...

    def append(self, entry: Entry) -> int:
        """Write one line to the operating system before returning.

        Returns:
            Position of the line, for `flush`.

        Raises:
            AuditError: the line could not be written completely.
        """
        ...

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Write a decision that equals an earlier one but for its id, time and trace, as `append` does.

        Raises:
            AuditError: the line could not be written completely.
        """
        ...

    async def flush(self, position: int) -> None:
        """Wait until a line is on the disk; callers that wait share one fsync.

        Raises:
            AuditError: the line could not be made durable.
        """
        ...
