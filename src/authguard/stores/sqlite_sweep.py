"""Deletion of expired records and responses in the SQLite file; runs in the store's transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import record_codec
from authguard.stores.sqlite_record import UPDATE
from authguard.stores.sqlite_transaction_index import remove_from_index

if TYPE_CHECKING:
    import sqlite3

SELECT_SWEEP: Final = "SELECT name, value FROM records WHERE name > ? ORDER BY name LIMIT ?"
DELETE: Final = "DELETE FROM records WHERE name = ?"


def sweep(
    writer: sqlite3.Connection,
    position: bytes,
    count: int,
    *,
    before: float,
    answered: float,
    final_states: frozenset[str],
) -> tuple[bytes, list[bytes]]:
    """Check the records after a position; delete expired records and expired responses.

    Args:
        writer: connection to the file.
        position: name of the last record that was checked.
        count: records to check.
        before: time of the last change before which a record is expired, epoch seconds UTC.
        answered: the same for a stored response.
        final_states: states in which a transaction may be deleted.

    Returns:
        The position for the next call, empty to start again; and the names of the changed records.
    """
    rows: list[tuple[bytes, bytes]] = writer.execute(SELECT_SWEEP, (position, count)).fetchall()
    overdue = record_codec.find_overdue(rows, before, answered, final_states)
    for name, version, lighter in overdue:
        if lighter:
            writer.execute(UPDATE, (version + 1, lighter, name, version))
            continue
        writer.execute(DELETE, (name,))
        if name[:1] == record_codec.TRANSACTION:
            remove_from_index(writer, name, record_codec.decode_transaction(name, dict(rows)[name])[1])
    return rows[-1][0] if len(rows) == count else b"", [change.name for change in overdue]
