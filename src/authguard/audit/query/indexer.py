"""The indexer of log lines: in batches, in constant memory, and only complete lines."""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from authguard.audit.query.index_schema import ADD_RECORD
from authguard.audit.query.rows import parse_rows, parse_template
from authguard.records.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from authguard.audit.query.rows import Key

#: lines of one insert
BATCH_LINES: Final = 8_192
#: bytes of one read
CHUNK_BYTES: Final = 1 << 18
#: templates that are cached while lines are read
MAX_CACHED_TEMPLATES: Final = 65_536


def line_digest(line: bytes) -> bytes:
    """Return the digest that identifies a line."""
    return sha256(line).digest()


class Indexer:
    """Indexes one file of a log, from where the index ends.

    Args:
        db: the index.
        numbers: template numbers by key; empty at first.
        indexed_bytes: bytes of complete lines that are indexed already.
        lines: number of these lines.
        unparsed_lines: number of them that are not records.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        numbers: dict[Key, int],
        indexed_bytes: int,
        lines: int,
        unparsed_lines: int,
    ) -> None:
        self._db = db
        self._numbers = numbers
        self.indexed_bytes = indexed_bytes
        self.lines = lines
        self.unparsed_lines = unparsed_lines

    def read(self, stream: BinaryIO, no: int, progress: Callable[[int], None]) -> tuple[bytes, int]:
        """Index complete lines; return the digest and the position of the last one."""
        start = position = line_start = self.indexed_bytes
        last = b""
        batch: list[tuple[object, ...]] = []
        withdrawn_ids: list[tuple[int, str]] = []
        while data := stream.read(CHUNK_BYTES):
            complete = data[: data.rfind(b"\n") + 1]
            if not complete:
                # longer than any line of the log, or incomplete: its writer may still be writing it
                end = self._skip_long_line(stream) if len(data) > MAX_LINE_BYTES else b""
                if not end:
                    break
                self.lines, self.unparsed_lines = self.lines + 1, self.unparsed_lines + 1
                line_start, position, last = stream.tell() - len(end), stream.tell(), end
                continue
            if len(complete) < len(data):
                stream.seek(len(complete) - len(data), os.SEEK_CUR)
            lines = BytesIO(complete).readlines()
            for line, row in zip(lines, parse_rows(complete, lines), strict=True):
                size = len(line)
                line_start, position = position, position + size
                template = (
                    self._numbers.get(row[0]) or self._template_number(row[0]) if row and size <= MAX_LINE_BYTES else 0
                )
                if row is None or not template:
                    self.unparsed_lines += 1
                    continue
                _, own, withdrawn = row
                batch.append((template, no, line_start, size, *own))
                if withdrawn:
                    withdrawn_ids += [(no, void) for void in withdrawn]
            self.lines, last = self.lines + len(lines), lines[-1]
            if len(batch) >= BATCH_LINES or len(withdrawn_ids) >= BATCH_LINES:
                self._insert(batch, withdrawn_ids)
                progress(position - start)
        self._insert(batch, withdrawn_ids)
        progress(position - start)
        self.indexed_bytes = position
        return line_digest(last), line_start

    @staticmethod
    def _skip_long_line(stream: BinaryIO) -> bytes:
        """Skip a line that is too long; return its end, or empty bytes if it has none."""
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if line.endswith(b"\n"):
                return line
        return b""

    def _insert(self, batch: list[tuple[object, ...]], withdrawn_ids: list[tuple[int, str]]) -> None:
        self._db.executemany(ADD_RECORD, batch)
        self._db.executemany("INSERT OR IGNORE INTO void (file, id) VALUES (?, ?)", withdrawn_ids)
        batch.clear()
        withdrawn_ids.clear()

    def _template_number(self, key: Key) -> int:
        """Return the number of a template, a new one if needed; 0 if the key is no template."""
        template = parse_template(key)
        if template is None:
            return 0
        content = msgspec.json.encode(template)
        self._db.execute("INSERT OR IGNORE INTO template (content) VALUES (?)", (content,))
        (number,) = self._db.execute("SELECT no FROM template WHERE content = ?", (content,)).fetchone()
        if len(self._numbers) >= MAX_CACHED_TEMPLATES:
            self._numbers.clear()
        self._numbers[key] = number
        return int(number)
