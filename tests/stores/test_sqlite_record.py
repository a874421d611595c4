"""Statements for records, and a file that an earlier version filled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from authguard.core.record_codec import Change
from authguard.core.snapshot import AccountRecord, Keys, Report, SessionRecord, TransactionRecord
from authguard.stores.sqlite import SqliteStore
from authguard.stores.sqlite_connection import SCHEMA
from authguard.stores.sqlite_record import list_records, read_records, replace_records
from tests.stores.samples import BLANK, amended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE, AFTER = TransactionRecord("none"), TransactionRecord("held", created=5.0, role="boss", version=1)
#: rows as version 0.1 wrote them, with every time as a float; they hold the moment `EARLIER`
EARLIER = 1_796_024_138.0
ROWS = {
    b"a"
    * 17: "9ba66e6f726d616ccb41dac349d2c00000cb41dac349d2800000cb0000000000000000cb000000000000000081b4636c61696d3a"
    "6163636f756e745f73746174757393a66e6f726d616ccb41dac349d280000090c0900190cb41dac349d2800000",
    b"s" * 17: "9ea6616374697665cb41dac349d2c00000cb41dac349d2800000cb41dac349d2c00000a87665726966696564cb41dac349d2c0"
    "0000a09001c0c410155b3616766d535cf7122416feab949bcb0000000000000000cb0000000000000000c3",
}


@pytest.fixture
def writer() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for statement in SCHEMA:
            made.execute(statement)
        yield made


def test_records_are_inserted_replaced_and_read_by_name_and_by_range(writer: sqlite3.Connection) -> None:
    assert replace_records(writer, [Change(b"a1", 0, b"x"), Change(b"s1", 0, b"y")], BEFORE, BEFORE)
    assert replace_records(writer, [Change(b"a1", 1, b"z")], BEFORE, BEFORE)
    assert read_records(writer, (b"a1", b"none", b"s1")) == (b"z", None, b"y")
    assert list_records(writer, b"a", b"t", 9) == [(b"a1", b"z"), (b"s1", b"y")]
    assert list_records(writer, b"a", b"s1", 9) == list_records(writer, b"a", b"t", 1) == [(b"a1", b"z")]


@pytest.mark.parametrize("conflict", [Change(b"a1", 0, b"z"), Change(b"a1", 2, b"z"), Change(b"a2", 1, b"z")])
def test_another_version_is_a_conflict(writer: sqlite3.Connection, conflict: Change) -> None:
    assert replace_records(writer, [Change(b"a1", 0, b"x")], BEFORE, BEFORE)
    assert not replace_records(writer, [conflict], BEFORE, BEFORE)
    assert read_records(writer, (b"a1", b"a2")) == (b"x", None)


def test_a_transaction_is_also_in_the_index(writer: sqlite3.Connection) -> None:
    assert replace_records(writer, [Change(b"tone", 0, b"x")], BEFORE, AFTER)
    assert writer.execute("SELECT state, place, name, role FROM transaction_index").fetchall() == [
        ("held", 5.0, b"tone", "boss")
    ]


async def test_a_file_of_an_earlier_version_is_read_and_its_records_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as earlier:
        for statement in SCHEMA:
            earlier.execute(statement)
        earlier.executemany(
            "INSERT INTO records (name, version, value) VALUES (?, 1, ?)",
            [(name, bytes.fromhex(value)) for name, value in ROWS.items()],
        )
    store = SqliteStore(path)
    await store.open()
    try:
        keys = Keys(b"a" * 16, b"s" * 16)
        found = await store.load(keys, BLANK)
        reports = {"claim:account_status": Report("normal", EARLIER)}
        assert found.account == AccountRecord(
            "normal", EARLIER + 1, EARLIER, reports=reports, version=1, roles_at=EARLIER
        )
        assert found.session == SessionRecord(
            "active",
            EARLIER + 1,
            EARLIER,
            EARLIER + 1,
            "verified",
            EARLIER + 1,
            version=1,
            account=bytes.fromhex("155b3616766d535cf7122416feab949b"),
            permanent=True,
        )
        assert await store.commit(keys, found, amended(found, "session", state="revoked", ended=EARLIER + 2))
        after = (await store.load(keys, BLANK)).session
        assert (after.version, after.state, after.ended, after.signed_in) == (2, "revoked", EARLIER + 2, EARLIER)
    finally:
        await store.close()
