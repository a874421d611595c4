"""The file under `authguard.stores.sqlite`: how it is made, recognised and opened, and what its errors mean.

Rules: it is made with mode 0600 before SQLite sees it; nothing is changed in a file that this code did not write; all
of it may wait, so it runs in a worker thread.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from time import sleep
from typing import TYPE_CHECKING, Final

from authguard.errors import StoreError
from authguard.paths import make_folder
from authguard.stores.sqlite_transaction_index import create_index

if TYPE_CHECKING:
    from pathlib import Path

#: what ``PRAGMA user_version`` says of a file that this code wrote
SCHEMA_VERSION: Final = 1
SCHEMA: Final = (
    "CREATE TABLE records (name BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE documents (shelf TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (shelf, name)) WITHOUT ROWID",
    f"PRAGMA user_version={SCHEMA_VERSION}",
)
#: beside the schema, also in a file that was made before there was any: an older authguard does not look at it
USED: Final = (
    "CREATE TABLE IF NOT EXISTS used (name BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS used_until ON used (until)",
)
WAL: Final = "PRAGMA journal_mode=WAL"
#: tries, within the patience, to turn write-ahead logging on
WAL_ATTEMPTS: Final = 20
#: what to do about SQLite's own codes; the first that a code's name begins with
ADVICE: Final = (
    ("SQLITE_BUSY", "another process holds its lock; try again"),
    ("SQLITE_FULL", "the disk is full; make room"),
    ("SQLITE_READONLY", "make the file and its folder writable"),
    ("SQLITE_CANTOPEN", "make the folder readable and writable"),
    ("SQLITE_CORRUPT", "restore the file from a copy"),
    ("SQLITE_NOTADB", "name another file, or restore it from a copy"),
    ("", "look at the disk and at the file's permissions"),
)


def open_connections(path: Path, lock_timeout_s: float) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open the file, made where it is missing, once to write and once to read without ever waiting.

    Args:
        path: the file.
        lock_timeout_s: seconds to wait for another process's lock.

    Raises:
        StoreError: the file cannot be made, or a newer authguard or another program wrote it.
        sqlite3.Error: the file cannot be used; `store_error` says what that means.
    """
    try:
        make_folder(path.parent)
        with suppress(FileExistsError):  # SQLite gives its -wal and -shm files the same mode
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"the store {path} cannot be made: make its folder writable") from error
    with ExitStack() as undo:
        writer = undo.enter_context(closing(_connection(path, lock_timeout_s)))
        _prepare(path, writer, lock_timeout_s)
        reader = undo.enter_context(closing(_connection(path, lock_timeout_s)))
        reader.execute("PRAGMA query_only=1")
        reader.execute("SELECT 1 FROM records LIMIT 1").fetchall()  # what a killed process left is recovered here
        reader.execute("PRAGMA busy_timeout=0")
        undo.pop_all()
    return writer, reader


def store_error(path: Path, done: str, error: sqlite3.Error) -> StoreError:
    """Say what an error of SQLite means, in a message that holds no key and no value.

    Args:
        path: the file.
        done: what could not be done: ``read``, ``written``, ``opened``, ``closed``.
        error: as SQLite raised it.
    """
    code = getattr(error, "sqlite_errorname", "")  # absent where Python's own wrapper complains
    advice = next(advice for prefix, advice in ADVICE if code.startswith(prefix))
    return StoreError(f"the store {path} cannot be {done} ({code or type(error).__name__}): {advice}")


def file_identity(path: Path) -> tuple[int, int]:
    """Give device and inode of the file that has this name now; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _connection(path: Path, lock_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)


def _prepare(path: Path, writer: sqlite3.Connection, lock_timeout_s: float) -> None:
    _is_new(path, writer)  # refuses another program's file while it is untouched
    for _ in range(WAL_ATTEMPTS):  # SQLite's own patience does not cover a change of the journal's mode
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
    for statement in USED:
        writer.execute(statement)
    create_index(writer)
    writer.execute("COMMIT")


def _is_new(path: Path, writer: sqlite3.Connection) -> bool:
    (tables,) = writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = writer.execute("PRAGMA user_version").fetchone()  # after the count: another process may be quicker
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store {path} has schema {version} and this authguard knows {SCHEMA_VERSION}: "
            "upgrade authguard, or name another file"
        )
    if version < SCHEMA_VERSION and tables:
        raise StoreError(f"the store {path} holds another program's tables: name another file")
    return bool(version < SCHEMA_VERSION)
