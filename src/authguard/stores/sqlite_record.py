"""Statements for records in the SQLite file; all of them run in the store's transactions or reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import record_codec
from authguard.stores.sqlite_transaction_index import update_index

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from authguard.core.record_codec import Change
    from authguard.core.snapshot import TransactionRecord

#: number of names -> one statement that reads them all into one row, which takes less memory than a row for each
SELECT_RECORDS: Final = tuple(
    " ".join(["SELECT", ", ".join(["(SELECT value FROM records WHERE name = ?)"] * n)]) for n in range(11)
)
SELECT_RANGE: Final = "SELECT name, value FROM records WHERE name >= ? AND name < ? ORDER BY name LIMIT ?"
INSERT: Final = "INSERT INTO records (version, value, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
UPDATE: Final = "UPDATE records SET version = ?, value = ? WHERE name = ? AND version = ?"


def read_records(connection: sqlite3.Connection, names: tuple[bytes, ...]) -> tuple[bytes | None, ...]:
    """Return the values of records in the order of their names, at least one; ``None`` if one is missing."""
    values: tuple[bytes | None, ...] = connection.execute(SELECT_RECORDS[len(names)], names).fetchone()
    return values


def list_records(connection: sqlite3.Connection, least: bytes, bound: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """Return names and values of records from a name to another one, which is not included, in their order."""
    return connection.execute(SELECT_RANGE, (least, bound, limit)).fetchall()


def replace_records(
    writer: sqlite3.Connection, changes: Sequence[Change], before: TransactionRecord, after: TransactionRecord
) -> bool:
    """Insert or replace records; return False on a version conflict, after which the caller undoes the others.

    Args:
        writer: connection to the file.
        changes: records and their expected versions.
        before: the transaction's record, if it is among them, for the index.
        after: the same after the change.
    """
    for name, version, value in changes:
        row = (version + 1, value, name)
        done = writer.execute(UPDATE, (*row, version)) if version else writer.execute(INSERT, row)
        if done.rowcount != 1:
            return False
        if name[:1] == record_codec.TRANSACTION:
            update_index(writer, name, before, after)
    return True
