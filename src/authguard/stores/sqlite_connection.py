"""Creation, validation and opening of the SQLite file of `authguard.stores.sqlite`, and its error messages.

Rules of this file:
- The file gets mode 0600 before SQLite opens it.
- A file that this code did not write is never changed.
- All functions may block, so they run in a worker thread.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from math import ceil
from operator import methodcaller
from time import sleep
from typing import TYPE_CHECKING, Final, TypeVar

from authguard.errors import StoreError
from authguard.file_access import Access, FileRole, describe_failure, find_obstacle
from authguard.paths import make_data_folder
from authguard.stores.sqlite_transaction_index import TRANSACTION_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Answer = TypeVar("Answer")

#: ``PRAGMA user_version`` of a file that this code created; 1 had other tables and is refused
SCHEMA_VERSION: Final = 2
SCHEMA: Final = (
    "CREATE TABLE records (name BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE documents (
        namespace TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (namespace, name)
    ) WITHOUT ROWID""",
    "CREATE TABLE claims (name BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX claims_until ON claims (until)",
    TRANSACTION_INDEX,
    f"PRAGMA user_version={SCHEMA_VERSION}",
)
WAL: Final = "PRAGMA journal_mode=WAL"
NEVER_WAIT: Final = "PRAGMA busy_timeout=0"
#: attempts to enable write-ahead logging, spread over the lock timeout
WAL_ATTEMPTS: Final = 20
#: prefix of SQLite's error name -> advice for the operator; the first match counts
ADVICE: Final = (
    ("SQLITE_BUSY", "another process holds its lock; try again"),
    ("SQLITE_FULL", "the disk is full; make room"),
    ("SQLITE_READONLY", "make the file and its folder writable"),
    ("SQLITE_CANTOPEN", "make the folder readable and writable"),
    ("SQLITE_CORRUPT", "restore the file from a copy"),
    ("SQLITE_NOTADB", "name another file, or restore it from a copy"),
    ("", "check the disk and the file's permissions"),
)
#: errors that another place for the file avoids
_PLACE_ERRORS: Final = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")


def open_connections(path: Path, lock_timeout_s: float) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open one connection for writes and one for reads, of which neither waits for a lock; create a missing file.

    Args:
        path: the file.
        lock_timeout_s: seconds to wait for another process's lock meanwhile.

    Raises:
        StoreError: the file cannot be created, or an older or newer authguard or another program wrote it.
        sqlite3.Error: the file cannot be used; `store_error` turns it into a message.
    """
    try:
        make_data_folder(path.parent)
        with suppress(FileExistsError):  # SQLite copies the mode to its -wal and -shm files
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(describe_failure(FileRole.STORE, path, "created", Access.DATABASE, error)) from error
    with ExitStack() as undo:
        writer = undo.enter_context(closing(_connection(path, lock_timeout_s)))
        _prepare(path, writer, lock_timeout_s)
        reader = undo.enter_context(closing(_connection(path, lock_timeout_s)))
        reader.execute("PRAGMA query_only=1")
        reader.execute("SELECT 1 FROM records LIMIT 1").fetchall()  # recovers the journal of a killed process
        for connection in (writer, reader):
            connection.execute(NEVER_WAIT)
        undo.pop_all()
    return writer, reader


#: begins a transaction that writes, on a connection
begin: Final[Callable[[sqlite3.Connection], object]] = methodcaller("execute", "BEGIN IMMEDIATE")


def wait_for_lock(
    connection: sqlite3.Connection, lock_timeout_s: float, statement: Callable[[sqlite3.Connection], Answer]
) -> Answer:
    """Run a statement; if another process holds a lock, run it again and wait for that.

    The connection never waits outside of this function, because the event loop uses it too.

    Args:
        connection: from `open_connections`.
        lock_timeout_s: seconds to wait.
        statement: runs it.

    Raises:
        sqlite3.Error: the lock is not free in time, or the statement failed.
    """
    try:
        return statement(connection)
    except sqlite3.OperationalError as error:
        if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise
    connection.execute(f"PRAGMA busy_timeout={ceil(lock_timeout_s * 1000)}")
    try:
        return statement(connection)
    finally:
        connection.execute(NEVER_WAIT)


def store_error(path: Path, done: str, error: sqlite3.Error) -> StoreError:
    """Convert an error of SQLite to a `StoreError` whose message holds no key and no value.

    Args:
        path: the file.
        done: the operation that failed: ``read``, ``written``, ``opened``, ``closed``.
        error: as SQLite raised it.
    """
    code = getattr(error, "sqlite_errorname", "")  # missing where the error comes from Python's wrapper
    advice = next(advice for prefix, advice in ADVICE if code.startswith(prefix))
    if code.startswith(_PLACE_ERRORS):
        obstacle = find_obstacle(path, Access.DATABASE)
        advice = f"{f'{obstacle}: ' if obstacle else ''}{advice}, or {FileRole.STORE.value[1]}"
    return StoreError(f"the store {path} cannot be {done} ({code or type(error).__name__}): {advice}")


def file_identity(path: Path) -> tuple[int, int]:
    """Return device and inode of the file at a path; zeros if there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a third faster, for each write
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def require_own_schema(path: Path, reader: sqlite3.Connection) -> None:
    """Check that this code created the file.

    Raises:
        StoreError: it is empty, or an older or newer authguard or another program wrote it.
    """
    if _is_new(path, reader):
        raise StoreError(f"the store {path} is empty: name the app's, or start the app")


def _connection(path: Path, lock_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)


def _prepare(path: Path, writer: sqlite3.Connection, lock_timeout_s: float) -> None:
    _is_new(path, writer)  # refuse a foreign file before changing it
    for _ in range(WAL_ATTEMPTS):  # SQLite's lock timeout does not cover a change of the journal mode
        with suppress(sqlite3.OperationalError):
            writer.execute(WAL)
            break
        sleep(lock_timeout_s / WAL_ATTEMPTS)
    if writer.execute(WAL).fetchone() != ("wal",):
        raise StoreError(f"the store {path} needs write-ahead logging: put it on a local disk")
    writer.execute("PRAGMA synchronous=FULL")
    writer.execute("BEGIN IMMEDIATE")
    if _is_new(path, writer):
        for statement in SCHEMA:
            writer.execute(statement)
    writer.execute("COMMIT")


def _is_new(path: Path, writer: sqlite3.Connection) -> bool:
    (tables,) = writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = writer.execute(
        "PRAGMA user_version"
    ).fetchone()  # read after the count: another process may create the schema in between
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store {path} has schema {version} and this authguard knows {SCHEMA_VERSION}: "
            "upgrade authguard, or name another file"
        )
    if 0 < version < SCHEMA_VERSION:
        raise StoreError(
            f"the store {path} has schema {version} of an older authguard, and this one reads schema {SCHEMA_VERSION}: "
            "name a new file, then repeat the locks and sign-outs that staff had set"
        )
    if not version and tables:
        raise StoreError(f"the store {path} holds another program's tables: name another file")
    return not version
