"""Ingest the lines of a log into its index: in batches, in constant memory, and only whole lines."""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from authguard.audit.query.rows import parse_rows, parse_template
from authguard.core.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from authguard.audit.query.rows import Key

#: lines that go into the file at once
BATCH: Final = 8_192
#: bytes that are read at once
STRIDE: Final = 1 << 18
#: templates that are remembered while lines go by
MAX_TEMPLATES: Final = 65_536
_ADD: Final = (
    "INSERT INTO record (template, file, place, size, id, at, subject, actor, session, transact, decision, void)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)


def mark(line: bytes) -> bytes:
    """Give what a line is known again by."""
    return sha256(line).digest()


class Indexer:
    """Takes in one file of a log from where it was left.

    Args:
        db: the index.
        numbers: of the templates met so far, by their keys; empty at first.
        indexed_bytes: bytes taken in before, of whole lines.
        lines: as many.
        unparsed_lines: of them, lines that are no record.
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
        """Take in whole lines; give the mark and the place of the last."""
        began = place = begin = self.indexed_bytes
        last = b""
        batch: list[tuple[object, ...]] = []
        voids: list[tuple[int, str]] = []
        while data := stream.read(STRIDE):
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                # longer than any line of ours, or not finished: its writer may be at it
                end = self._skipped(stream) if len(data) > MAX_LINE_BYTES else b""
                if not end:
                    break
                self.lines, self.unparsed_lines = self.lines + 1, self.unparsed_lines + 1
                begin, place, last = stream.tell() - len(end), stream.tell(), end
                continue
            if len(whole) < len(data):
                stream.seek(len(whole) - len(data), os.SEEK_CUR)
            lines = BytesIO(whole).readlines()
            for line, row in zip(lines, parse_rows(whole, lines), strict=True):
                size = len(line)
                begin, place = place, place + size
                template = (
                    self._numbers.get(row[0]) or self._template_number(row[0]) if row and size <= MAX_LINE_BYTES else 0
                )
                if row is None or not template:
                    self.unparsed_lines += 1
                    continue
                _, own, withdrawn = row
                batch.append((template, no, begin, size, *own))
                if withdrawn:
                    voids += [(no, void) for void in withdrawn]
            self.lines, last = self.lines + len(lines), lines[-1]
            if len(batch) >= BATCH or len(voids) >= BATCH:
                self._insert(batch, voids)
                progress(place - began)
        self._insert(batch, voids)
        progress(place - began)
        self.indexed_bytes = place
        return mark(last), begin

    @staticmethod
    def _skipped(stream: BinaryIO) -> bytes:
        """Go on behind a line that is too long; give its end, or nothing where it has none."""
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if line.endswith(b"\n"):
                return line
        return b""

    def _insert(self, batch: list[tuple[object, ...]], voids: list[tuple[int, str]]) -> None:
        self._db.executemany(_ADD, batch)
        self._db.executemany("INSERT OR IGNORE INTO void (file, id) VALUES (?, ?)", voids)
        batch.clear()
        voids.clear()

    def _template_number(self, key: Key) -> int:
        """Give a template's number, a new one where it has none; 0 where it is none."""
        template = parse_template(key)
        if template is None:
            return 0
        said = msgspec.json.encode(template)
        self._db.execute("INSERT OR IGNORE INTO template (content) VALUES (?)", (said,))
        (number,) = self._db.execute("SELECT no FROM template WHERE content = ?", (said,)).fetchone()
        if len(self._numbers) >= MAX_TEMPLATES:
            self._numbers.clear()
        self._numbers[key] = number
        return int(number)
