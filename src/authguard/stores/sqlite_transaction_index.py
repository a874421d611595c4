"""Index of transactions in the SQLite file, by state, order, role, operation and subject.

Rules of this file:
- All functions run in the store's worker thread and inside its transactions.
- The roles of a transaction's approvers are one text, with a line feed between two of them. A row with one role is the
  same as in files from before a transaction could have several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import record_codec

if TYPE_CHECKING:
    import sqlite3

    from authguard.core.snapshot import TransactionRecord

#: one row per transaction, in list order
TRANSACTION_INDEX: Final = """CREATE TABLE transaction_index (
    state, place, name, role, operation, subject, PRIMARY KEY (state, place, name)
) WITHOUT ROWID"""
INSERT: Final = "INSERT OR REPLACE INTO transaction_index VALUES (?, ?, ?, ?, ?, ?)"
DELETE: Final = "DELETE FROM transaction_index WHERE state = ? AND place = ? AND name = ?"
#: an empty text disables its filter
SELECT: Final = (
    "SELECT name, value FROM (SELECT place, name FROM transaction_index WHERE {} AND (place, name) > (?, ?)"
    " AND (? = '' OR instr(char(10) || role || char(10), char(10) || ? || char(10)))"
    " AND (? = '' OR operation = ?) AND (? = '' OR subject = ?)"
    " ORDER BY place, name LIMIT ?) JOIN records USING (name) ORDER BY place, name"
)


def add_to_index(writer: sqlite3.Connection, name: bytes, held: TransactionRecord) -> None:
    """Insert or replace a transaction in the index."""
    roles = _join_roles(held) if held.approvers else held.role
    writer.execute(INSERT, (held.state, held.place, name, roles, held.operation, held.subject))


def remove_from_index(writer: sqlite3.Connection, name: bytes, held: TransactionRecord) -> None:
    """Delete a transaction from the index."""
    writer.execute(DELETE, (held.state, held.place, name))


def update_index(writer: sqlite3.Connection, name: bytes, before: TransactionRecord, after: TransactionRecord) -> None:
    """Update the index after a transaction changed."""
    place = after.place
    if before.version and (before.state != after.state or before.place != place):
        remove_from_index(writer, name, before)
    roles = _join_roles(after) if after.approvers else after.role
    writer.execute(INSERT, (after.state, place, name, roles, after.operation, after.subject))


def _join_roles(held: TransactionRecord) -> str:
    return "\n".join(sorted([one.role for one in held.approvers]))


def find_transactions(
    reader: sqlite3.Connection, state: str, wanted: tuple[str, str, str], after: tuple[float, str], limit: int
) -> list[tuple[bytes, bytes]]:
    """Return names and bytes of transactions, in list order (`TransactionRecord.place`).

    Args:
        reader: connection to the file.
        state: stored state; empty for any.
        wanted: role, operation and subject; empty for any.
        after: place and id of the last transaction of the previous page.
        limit: maximum number of transactions.
    """
    since = (after[0], record_codec.transaction_key(after[1]))
    filters = [part for part in wanted for _ in range(2)]
    values = ((state,) if state else ()) + (*since, *filters, limit)
    return reader.execute(SELECT.format("state = ?" if state else "1"), values).fetchall()
