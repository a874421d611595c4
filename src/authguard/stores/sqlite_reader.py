"""Opening of the SQLite file of `authguard.stores.sqlite` by a command that only reads; nothing on the disk changes.

Rules of this file:
- An app that runs, or was killed, leaves the ``-wal`` and ``-shm`` files. They are read as they are: a reader would
  otherwise write to ``-shm``.
- They are next to the file itself, so a symbolic link to the file is followed first, as SQLite does.
- An app that was stopped leaves neither. The file is then read as one that nobody changes, because SQLite would create
  both. Whether nobody changed it is known only afterwards: see `require_unchanged`.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct

from authguard.errors import StoreError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle
from authguard.stores.sqlite_connection import require_own_schema

if TYPE_CHECKING:
    from pathlib import Path

#: https://sqlite.org/wal.html, "Read-Only Databases"
_RUNNING: Final = "mode=ro&readonly_shm=1"
_STOPPED: Final = "mode=ro&immutable=1"


class ReadOnlyFile(Struct, frozen=True):
    """A file that was opened for reading.

    Attributes:
        connections: two connections that cannot write.
        state: size and time of the last change of a file that no app had open; ``None`` if one may have it open.
    """

    connections: tuple[sqlite3.Connection, sqlite3.Connection]
    state: tuple[int, int] | None


def open_read_only(path: Path, lock_timeout_s: float) -> ReadOnlyFile:
    """Open the file with two connections, in place of those of `open_connections`.

    Args:
        path: the file.
        lock_timeout_s: seconds to wait for another process's lock.

    Raises:
        StoreError: the file or a companion cannot be read, or another program or version wrote it.
        sqlite3.Error: the file cannot be read; `store_error` turns it into a message.
    """
    path = path.resolve() if path.exists() else path
    log, index = _companions(path)
    for file in (path, *(one for one in (log, index) if one.exists())):
        if find_obstacle(file, Access.READ):
            raise StoreError(describe_failure(FileRole.STORE, file, "read", Access.READ))
    state = None
    if not log.exists() or (not log.stat().st_size and not index.exists()):
        state = _state(path)
    elif not index.exists():
        raise StoreError(
            f"the store {path} is a copy without its `-shm` file: copy it with SQLite's `.backup`, or open it once with"
            " a command that changes state"
        )
    with ExitStack() as undo:
        uri = f"file:{quote(str(path))}?{_RUNNING if state is None else _STOPPED}"
        first, second = (undo.enter_context(closing(_connect(uri, lock_timeout_s))) for _ in range(2))
        require_own_schema(path, first)
        undo.pop_all()
    return ReadOnlyFile((first, second), state)


def require_unchanged(path: Path, file: ReadOnlyFile) -> None:
    """Check that no app opened and changed the file while it was read.

    Raises:
        StoreError: one did, so that what was read may be wrong.
    """
    if file.state is not None and file.state != _state(path):
        raise StoreError(f"the store {path} was changed while it was read: run the command again")


def _companions(path: Path) -> tuple[Path, Path]:
    """Return the paths of the write-ahead log and of its index."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _connect(uri: str, lock_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False, uri=True)
