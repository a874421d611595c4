"""Sink of a log in memory, chained like the log on disk; for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from authguard.errors import AuditError
from authguard.records.chain import GENESIS, format_line, render_line

if TYPE_CHECKING:
    from authguard.records.chain import LineTemplate
    from authguard.records.entries import Entry


class MemorySink:
    """Implementation of `authguard.ports.AuditSink` on a list.

    Attributes:
        lines: the log, the oldest line first.
        full: set it to make every write fail, like a full disk.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.full = False
        self._head = GENESIS

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing; the lines stay."""

    def append(self, entry: Entry) -> int:
        """Append a record.

        Raises:
            AuditError: the sink is `full`.
        """
        if self.full:
            raise AuditError("the audit log cannot be written: the sink is full")
        line, self._head = format_line(entry, len(self.lines), self._head)
        self.lines.append(line)
        return len(self.lines)

    def append_cached(self, template: LineTemplate, record: str, at: float, trace: str) -> int:
        """Append a decision that differs from an earlier one only by id, time and trace.

        Raises:
            AuditError: the sink is `full`.
        """
        if self.full:
            raise AuditError("the audit log cannot be written: the sink is full")
        line, self._head = render_line(template, record, at, trace, len(self.lines), self._head)
        self.lines.append(line)
        return len(self.lines)

    async def flush(self, position: int) -> None:
        """Return at once; memory needs no sync.

        Raises:
            AuditError: the sink is `full`, or has no such line.
        """
        if self.full or position > len(self.lines):
            raise AuditError("the audit log could not be made durable")

    def entries(self) -> list[dict[str, Any]]:
        """Decode every line, with ``kind``, ``seq``, ``prev`` and ``hash``."""
        return [msgspec.json.decode(line) for line in self.lines]
