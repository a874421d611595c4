"""The header of the WAL index changes with each commit of any connection, and reading it releases no lock of SQLite."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from authguard.stores import sqlite_wal_index
from authguard.stores.sqlite import SqliteStore
from authguard.stores.sqlite_wal_index import FORMAT, HEADER_BYTES, NO_INDEX, WalIndex, close_deleted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: another process, which commits, or reports that the file is locked
WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute(sys.argv[2])
except sqlite3.OperationalError:
    print("locked")
else:
    print("done")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE t (n)")
        yield made
    close_deleted()


def elsewhere(path: Path, statement: str) -> str:
    command = [sys.executable, "-c", WRITE, path, statement]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - the program is above
    return done.stdout.strip()


def test_every_commit_of_any_process_changes_the_header_and_a_read_does_not(
    path: Path, connection: sqlite3.Connection
) -> None:
    index, seen = WalIndex(path), set[bytes]()
    for number in range(50):
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        seen.add(index.header[:])
    assert elsewhere(path, "INSERT INTO t VALUES (0)") == "done"
    seen.add(header := index.header[:])
    assert len(seen) == 51
    assert len(header) == HEADER_BYTES
    connection.execute("SELECT * FROM t").fetchall()
    assert index.header[:] == header


@pytest.mark.parametrize("mode", ["PASSIVE", "TRUNCATE"])
def test_the_first_commit_after_a_checkpoint_changes_the_header(
    path: Path, connection: sqlite3.Connection, mode: str
) -> None:
    index = WalIndex(path)
    connection.execute("INSERT INTO t VALUES (1)")
    before = index.header[:]
    connection.execute(f"PRAGMA wal_checkpoint({mode})")
    connection.execute("INSERT INTO t VALUES (1)")
    assert index.header[:] != before


def test_a_transaction_that_is_undone_changes_nothing(path: Path, connection: sqlite3.Connection) -> None:
    index = WalIndex(path)
    before = index.header[:]
    connection.executescript("BEGIN; INSERT INTO t VALUES (1); ROLLBACK")
    assert index.header[:] == before


def test_a_header_that_is_no_longer_used_releases_no_lock(path: Path, connection: sqlite3.Connection) -> None:
    first, second = WalIndex(path), WalIndex(path)
    connection.execute("BEGIN IMMEDIATE")
    del first
    close_deleted()
    assert elsewhere(path, "INSERT INTO t VALUES (1)") == "locked"
    connection.execute("COMMIT")
    assert second.header[:] == WalIndex(path).header[:]


async def test_a_store_that_closes_releases_no_lock_of_another_one(path: Path) -> None:
    stores = SqliteStore(path), SqliteStore(path)
    for store in stores:
        await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await stores[0].close()
        assert elsewhere(path, "DELETE FROM documents") == "locked"
        other.execute("COMMIT")
    await stores[1].close()


async def test_nothing_stays_open_after_the_last_store(path: Path) -> None:
    before = set(sqlite_wal_index._mapped)
    store = SqliteStore(path)
    await store.open()
    assert set(sqlite_wal_index._mapped) > before
    await store.close()
    assert set(sqlite_wal_index._mapped) <= before


def test_without_a_file_or_with_a_short_one_nothing_is_proved(path: Path) -> None:
    assert NO_INDEX.header[:] == WalIndex(path).header[:] == b""
    short = path.with_name(f"{path.name}-shm")
    short.write_bytes(b"x")
    before = set(sqlite_wal_index._mapped)
    assert WalIndex(path).header[:] == b""
    assert set(sqlite_wal_index._mapped) == before


@pytest.mark.usefixtures("connection")
def test_an_index_of_another_format_proves_nothing(path: Path) -> None:
    assert WalIndex(path).header[:].startswith(FORMAT)
    unknown = path.with_name("unknown.db-shm")
    unknown.write_bytes((3_008_000).to_bytes(4, sys.byteorder) + WalIndex(path).header[:][4:])
    assert WalIndex(path.with_name("unknown.db")).header[:] == b""
    unknown.unlink()
