"""Detection of commits by the header of SQLite's WAL index, which is shared memory: without SQLite, without a call.

SQLite itself compares this header at the start of each read, to learn whether its cached pages are out of date
(https://sqlite.org/walformat.html#the_wal_index_header). Each commit of any process changes it: a counter, the number
of frames and their checksum. An equal header proves that nothing was committed; of another one, SQLite must be asked.

Rule: a descriptor is closed only after SQLite has deleted the file. POSIX releases all locks of a process on a file if
any of its descriptors is closed, and SQLite's locks on this file guard it against the other processes
(https://sqlite.org/howtocorrupt.html#posix_advisory_locks_canceled_by_a_separate_thread_doing_close).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: both copies of the header, which differ if a process was killed while it wrote them
HEADER_BYTES: Final = 96
#: format of the index that is known here, the first number of the header in the byte order of the machine
FORMAT: Final = (3_007_000).to_bytes(4, sys.byteorder)

_lock: Final = Lock()
#: device and inode -> mapping and descriptor; the next store of the same file uses them again
_mapped: Final[dict[tuple[int, int], tuple[mmap, int]]] = {}


class WalIndex:
    """The header of one file's WAL index.

    Attributes:
        header: a slice of it is a copy of the bytes as they are now; empty without an index, which proves nothing.
    """

    __slots__ = ("header",)

    def __init__(self, path: Path | None = None) -> None:
        """Map the header.

        Args:
            path: the database, with an open connection that has read; ``None`` for no header.
        """
        self.header: mmap | bytes = b""
        if path is not None:
            with _lock, suppress(OSError):
                header = _map_file(f"{path}-shm")
                self.header = header if header[: len(FORMAT)] == FORMAT else b""


NO_INDEX: Final = WalIndex()


def _map_file(name: str) -> mmap | bytes:
    status = os.stat(name)  # noqa: PTH116 - not by a descriptor, which could then not be closed
    if status.st_size < HEADER_BYTES:
        return b""
    key = status.st_dev, status.st_ino
    found = _mapped.get(key)
    if found is None:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        found = _mapped[key] = mmap(descriptor, HEADER_BYTES, access=ACCESS_READ), descriptor
    return found[0]


def close_deleted() -> None:
    """Close the headers whose files SQLite has deleted, as it does when the last connection of all processes closes."""
    with _lock:
        for key, (header, descriptor) in list(_mapped.items()):
            if not os.fstat(descriptor).st_nlink:
                del _mapped[key]
                header.close()
                os.close(descriptor)
