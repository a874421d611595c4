"""The lower limit: a recorded decision without parsing, table or checks.

A token's bytes, hashed for the first time, are looked up in a dictionary; the clock is read; a record with the same
fields is encoded, linked to its predecessor by SHA-256, and passed to the kernel in one write.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Line(msgspec.Struct, tag="decision", tag_field="kind", omit_defaults=True, gc=False):
    """The fields of a decision in the log, without `seq` and its hash."""

    id: str
    at: float
    policy: str
    operation: str
    cell: tuple[str, ...]
    rule: str
    outcome: str
    fallback: str
    events: tuple[str, ...] = ()
    subject: str = ""
    session: str = ""
    credential: str = ""
    prev: str = ""


class Limit:
    """Writes one line per known header value to a file."""

    def __init__(self, path: Path, example: bytes, headers: Sequence[bytes]) -> None:
        """Prepare a line like the example for every header value.

        Args:
            path: the file.
            example: a line that the guard wrote.
            headers: ``Authorization`` values.
        """
        line = msgspec.json.decode(example, type=Line)
        self._known: Final = {header: msgspec.structs.replace(line, prev="") for header in headers}
        self._fd: Final = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._head = "0" * 64

    def run(self, headers: Sequence[bytes]) -> None:
        """Write one line for each header value."""
        known, encode, write, fd, now, head = self._known, _encode, os.write, self._fd, time.time, self._head
        for header in headers:
            line = known[header]
            line.at = now()
            line.prev = head
            raw = encode(line)
            head = sha256(raw).hexdigest()
            write(fd, raw + b"\n")
        self._head = head

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


_encode: Final = msgspec.json.Encoder().encode
