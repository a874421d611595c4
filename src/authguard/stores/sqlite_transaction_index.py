"""What transactions are found by in the SQLite file: one tree beside their records, kept in step with them.

Rule: all of it runs in the store's own thread, inside its transactions.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from authguard.core import record_codec
from authguard.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

    from authguard.core.snapshot import TransactionRecord

#: made, and filled, in a file that was written before there was any
SCHEMA: Final = (
    "DROP TABLE IF EXISTS transactions",
    "DROP TABLE IF EXISTS filed",
    """CREATE TABLE IF NOT EXISTS queue (
        state, place, name, role, operation, subject, PRIMARY KEY (state, place, name)
    ) WITHOUT ROWID""",
)
UNINDEXED: Final = (
    "SELECT name, value FROM records WHERE name >= x'74' AND name < x'75' AND NOT EXISTS (SELECT 1 FROM queue)"
)
INSERT: Final = "INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?, ?)"
DELETE: Final = "DELETE FROM queue WHERE state = ? AND place = ? AND name = ?"
#: every filter may be left out by an empty text
SELECT: Final = (
    "SELECT name, value FROM (SELECT place, name FROM queue WHERE {} AND (place, name) > (?, ?)"
    " AND (? = '' OR role = ?) AND (? = '' OR operation = ?) AND (? = '' OR subject = ?)"
    " ORDER BY place, name LIMIT ?) JOIN records USING (name) ORDER BY place, name"
)


def create_index(writer: sqlite3.Connection) -> None:
    """Make the tree where it is missing, and file what was written before; what is damaged is not found."""
    for statement in SCHEMA:
        writer.execute(statement)
    for name, value in writer.execute(UNINDEXED).fetchall():
        with suppress(StoreError):
            add_to_index(writer, name, record_codec.decode_transaction(name, value)[1])


def add_to_index(writer: sqlite3.Connection, name: bytes, held: TransactionRecord) -> None:
    """Let a transaction be found."""
    writer.execute(INSERT, (held.state, held.place, name, held.role, held.operation, held.subject))


def remove_from_index(writer: sqlite3.Connection, name: bytes, held: TransactionRecord) -> None:
    """Let a transaction be found no more."""
    writer.execute(DELETE, (held.state, held.place, name))


def update_index(writer: sqlite3.Connection, name: bytes, before: TransactionRecord, after: TransactionRecord) -> None:
    """Keep what a transaction is found by in step with it."""
    if before.version and (before.state, before.place) != (after.state, after.place):
        remove_from_index(writer, name, before)
    add_to_index(writer, name, after)


def find_transactions(
    reader: sqlite3.Connection, state: str, wanted: tuple[str, str, str], after: tuple[float, str], limit: int
) -> list[tuple[bytes, bytes]]:
    """Give the names and bytes of transactions, in the order of their places.

    Args:
        reader: of the file.
        state: in which they are stored; empty for any.
        wanted: role, operation and subject; empty for any.
        after: the place of the last one of the page before, and its id.
        limit: how many at most.
    """
    since = (after[0], record_codec.transaction_key(after[1]))
    filters = [part for part in wanted for _ in range(2)]
    values = ((state,) if state else ()) + (*since, *filters, limit)
    return reader.execute(SELECT.format("state = ?" if state else "1"), values).fetchall()
