"""A sweep deletes expired records and expired responses a few at a time, and leaves what it cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from authguard.core import record_codec
from authguard.core.snapshot import SessionRecord, TransactionRecord
from authguard.ports import FIRST
from authguard.stores.sqlite_connection import open_connections
from authguard.stores.sqlite_sweep import sweep
from authguard.stores.sqlite_transaction_index import add_to_index, find_transactions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000.0
DONE = TransactionRecord(
    "done", NOW, created=NOW, status=200, content_type="text/plain", answer=b"sealed", kept=True, version=3
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    writer, reader = open_connections(tmp_path / "store.db", 1.0)
    yield writer
    reader.close()
    writer.close()


def add_session(file: sqlite3.Connection, key: bytes, at: float = NOW) -> None:
    record = SessionRecord("active", at, at, at, "unverified", at)
    file.execute("INSERT INTO records VALUES (?, 1, ?)", (b"s" + key, msgspec.msgpack.encode(record)))


def add_transaction(file: sqlite3.Connection, name: str, record: TransactionRecord = DONE) -> bytes:
    key = record_codec.transaction_key(name)
    file.execute("INSERT INTO records VALUES (?, ?, ?)", (key, record.version, msgspec.msgpack.encode(record)))
    add_to_index(file, key, record)
    return key


def names(file: sqlite3.Connection) -> list[bytes]:
    return [name for (name,) in file.execute("SELECT name FROM records ORDER BY name")]


def swept(
    file: sqlite3.Connection, position: bytes = b"", count: int = 9, *, at: float, answered: float = 0.0
) -> tuple[bytes, list[bytes]]:
    ended = record_codec.FINAL_TRANSACTION_STATES
    return sweep(file, position, count, before=at, answered=answered, final_states=ended)


def test_records_that_are_expired_are_deleted_and_others_stay(file: sqlite3.Connection) -> None:
    add_session(file, b"old", NOW)
    add_session(file, b"new", NOW + 10)

    swept(file, at=NOW + 5)

    assert names(file) == [b"snew"]


def test_a_sweep_goes_on_where_the_last_one_ended_and_begins_again(file: sqlite3.Connection) -> None:
    for key in (b"1", b"2", b"3"):
        add_session(file, key)

    first, unchanged = swept(file, count=2, at=NOW - 1)
    second, changed = swept(file, first, count=2, at=NOW + 1)

    assert (first, second) == (b"s2", b"")
    assert (unchanged, changed) == ([], [b"s3"])
    assert names(file) == [b"s1", b"s2"], "only the third was checked with the later time"


def test_a_transaction_is_deleted_with_its_row_in_the_index(file: sqlite3.Connection) -> None:
    add_transaction(file, "t1", msgspec.structs.replace(DONE, kept=False, answer=b""))

    swept(file, at=NOW + 5)

    assert names(file) == []
    assert file.execute("SELECT count(*) FROM transaction_index").fetchone() == (0,)
    assert find_transactions(file, "", ("", "", ""), FIRST, 9) == []


def test_a_transaction_that_is_not_over_is_never_deleted(file: sqlite3.Connection) -> None:
    key = add_transaction(file, "t1", msgspec.structs.replace(DONE, state="in_doubt", kept=False))

    swept(file, at=NOW + 1e9)

    assert names(file) == [key]


def test_an_expired_response_goes_before_its_transaction(file: sqlite3.Connection) -> None:
    key = add_transaction(file, "t1")

    swept(file, at=NOW - 1, answered=NOW + 5)

    ((version, value),) = file.execute("SELECT version, value FROM records").fetchall()
    _, record = record_codec.decode_transaction(key, value)
    assert (record.state, record.status, record.answer, record.kept) == ("done", 200, b"", False)
    assert version == record.version == DONE.version + 1, "a reader of the old version notices"


def test_a_damaged_record_stays_and_the_others_are_still_swept(file: sqlite3.Connection) -> None:
    file.execute("INSERT INTO records VALUES (?, 1, ?)", (b"s1", b"\xc1 no record"))
    add_session(file, b"2")

    swept(file, at=NOW + 5)

    assert names(file) == [b"s1"]
