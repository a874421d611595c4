"""Creation and validation of the SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread

import pytest

from authguard.errors import StoreError
from authguard.stores import sqlite_connection
from authguard.stores.sqlite import SqliteStore
from authguard.stores.sqlite_connection import SCHEMA_VERSION, begin, open_connections, store_error, wait_for_lock


def opened(path: Path, lock_timeout_s: float = 1.0) -> None:
    for connection in open_connections(path, lock_timeout_s):
        connection.close()


def test_the_file_and_its_companions_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "records.db"
    writer, reader = open_connections(path, 1.0)
    with closing(writer), closing(reader):
        found = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("r*")}
    assert found == {"records.db": 0o600, "records.db-wal": 0o600, "records.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_reader_cannot_write_and_never_waits(tmp_path: Path) -> None:
    writer, reader = open_connections(tmp_path / "records.db", 1.0)
    with closing(writer), closing(reader):
        assert reader.execute("PRAGMA busy_timeout").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM records")


def test_the_schema_says_its_version(tmp_path: Path) -> None:
    opened(tmp_path / "records.db")
    with closing(sqlite3.connect(tmp_path / "records.db")) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    opened(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match=f"has schema {SCHEMA_VERSION + 1} .*upgrade authguard"):
        open_connections(path, 1.0)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)


def test_a_file_of_the_first_schema_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path)) as old:
        for statement in (
            "CREATE TABLE records (name BLOB PRIMARY KEY, version INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE documents (shelf TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (shelf, name))",
            "PRAGMA user_version=1",
        ):
            old.execute(statement)
    content = path.read_bytes()
    with pytest.raises(StoreError, match=r"records\.db has schema 1 of an older authguard.*name a new file"):
        open_connections(path, 1.0)
    assert path.read_bytes() == content


async def test_an_app_does_not_start_on_a_file_of_the_first_schema(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA user_version=1")
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="schema 1 of an older authguard"):
        await store.open()


def test_another_programs_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    content = path.read_bytes()
    with pytest.raises(StoreError, match="another program's tables"):
        open_connections(path, 1.0)
    assert path.read_bytes() == content


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"nothing of the kind\n" * 100)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        open_connections(path, 1.0)
    assert "restore it from a copy" in str(store_error(path, "opened", raised.value))
    assert path.read_bytes() == b"nothing of the kind\n" * 100


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is not a folder; change that, or set AUTHGUARD_STORE"):
        open_connections(tmp_path / "file" / "records.db", 1.0)


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        open_connections(tmp_path, 1.0)
    assert "SQLITE_CANTOPEN" in str(store_error(tmp_path, "opened", raised.value))


def test_a_lock_on_a_new_file_is_waited_for_until_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waited: list[float] = []

        def let_go_the_third_time(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr(sqlite_connection, "sleep", let_go_the_third_time)
        opened(path, 0.02)
    assert len(waited) == 3


def test_a_lock_on_a_new_file_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.db"
    waited: list[float] = []
    monkeypatch.setattr(sqlite_connection, "sleep", waited.append)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as raised:
            open_connections(path, 0.02)
    assert "another process holds its lock" in str(store_error(path, "opened", raised.value))
    assert sum(waited) == pytest.approx(0.02)


def test_what_cannot_log_ahead_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="needs write-ahead logging"):
        open_connections(Path(":memory:"), 1.0)


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    for attempt in range(10):
        path = tmp_path / f"{attempt}.db"
        barrier = Barrier(4)
        failed: list[Exception] = []

        def make(path: Path = path, barrier: Barrier = barrier, failed: list[Exception] = failed) -> None:
            barrier.wait()
            try:
                opened(path, 30.0)
            except (StoreError, sqlite3.Error) as error:
                failed.append(error)

        threads = [Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []


def test_an_error_without_a_code_still_gets_advice(tmp_path: Path) -> None:
    message = str(store_error(tmp_path, "read", sqlite3.ProgrammingError("closed")))
    assert "cannot be read (ProgrammingError): check the disk" in message


def test_a_held_lock_is_waited_for_and_the_connection_never_waits_otherwise(tmp_path: Path) -> None:
    writer, reader = open_connections(tmp_path / "records.db", 1.0)
    timeouts: list[int] = []

    def statement(connection: sqlite3.Connection) -> None:
        timeouts.extend(connection.execute("PRAGMA busy_timeout").fetchone())
        begin(connection)

    with closing(writer), closing(reader), closing(sqlite3.connect(tmp_path / "records.db")) as other:
        wait_for_lock(writer, 0.02, statement)
        writer.execute("ROLLBACK")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            wait_for_lock(writer, 0.02, statement)
        assert timeouts == [0, 0, 20]
        assert writer.execute("PRAGMA busy_timeout").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            wait_for_lock(writer, 0.02, lambda connection: connection.execute("SELECT 1 FROM missing"))
