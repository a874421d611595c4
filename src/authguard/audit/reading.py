"""Reading a log for people: the last lines of all its chains, and those that come after.

Nothing is verified here: lines are shown as they stand, also those that `authguard.audit.verify` would not pass.
"""

from __future__ import annotations

import os
from contextlib import suppress
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.audit.files import chains
from authguard.core.chain import LINE_BOUND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: most bytes that are read of one file at once, from its end or since the last look
READ_BOUND: Final = 16 * 1024 * 1024


def when(line: bytes) -> float:
    """Read a line's time, epoch seconds UTC; 0 where it has none."""
    at = parse(line).get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def parse(line: bytes) -> dict[str, Any]:
    """Decode a line; empty where it is no JSON object."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def by_time(runs: Iterable[list[bytes]]) -> list[bytes]:
    """Merge the lines of several chains by their times; each chain keeps its own order."""
    return list(merge(*runs, key=when))


def find(path: Path, record: str) -> dict[str, Any]:
    """Find the record of an id in all chains of a log, however long they are; empty where there is none.

    Args:
        path: of the log's first chain.
        record: the id, as a reply's ``instance`` and the log name it.
    """
    wanted = record.encode("utf-8", "surrogatepass")
    for file in chains(path):
        with suppress(OSError), file.open("rb") as stream:
            while line := stream.readline(LINE_BOUND + 1):
                if wanted in line and (found := parse(line)).get("id") == record:
                    return found
    return {}


class Reader:
    """Reads the chains of a log, and remembers how far it came in each.

    Args:
        path: of the log's first chain.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._come: dict[Path, tuple[int, int]] = {}

    def last(self, count: int) -> list[bytes]:
        """Give the last whole lines of all chains, merged by time."""
        lines = by_time(self._new(file)[-count - 1 :] for file in chains(self._path))
        return lines[len(lines) - min(count, len(lines)) :]

    def more(self) -> list[bytes]:
        """Give the whole lines that came since the last call, merged by time; also those of files that are new."""
        return by_time(self._new(file) for file in chains(self._path))

    def _new(self, file: Path) -> list[bytes]:
        """Read a file from where the reader came to, or from so many bytes before its end as are read at once."""
        with suppress(OSError), file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            inode, come = self._come.get(file, (status.st_ino, 0))
            if inode != status.st_ino or come > status.st_size:
                come = 0  # another file by this name, or cut: from its beginning
            begin = max(come, status.st_size - READ_BOUND)
            stream.seek(begin)
            data = stream.read(READ_BOUND)
            end = data.rfind(b"\n") + 1
            # a line that began before what was read is left out, and one longer than any of ours is not waited for
            start = data.find(b"\n") + 1 if begin > come else 0
            stuck = end == 0 and len(data) > LINE_BOUND
            self._come[file] = (status.st_ino, begin + (len(data) if stuck else end))
            return data[start:end].splitlines(keepends=True) if end else []
        return []
