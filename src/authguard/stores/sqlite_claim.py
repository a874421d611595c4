"""Statements for single-use names in the SQLite file; all of them run in the store's transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

DELETE_EXPIRED_CLAIMS: Final = (
    "DELETE FROM claims WHERE name IN (SELECT name FROM claims WHERE until <= ? ORDER BY until LIMIT 16)"
)
DELETE_EXPIRED_CLAIM: Final = "DELETE FROM claims WHERE name = ? AND until <= ?"
INSERT_CLAIM: Final = "INSERT INTO claims (name, until) VALUES (?, ?) ON CONFLICT DO NOTHING"


def insert_claim(writer: sqlite3.Connection, name: bytes, until: float, now: float) -> bool:
    """Claim a name; return False if it was claimed before. Delete some expired claims."""
    writer.execute(DELETE_EXPIRED_CLAIMS, (now,))
    writer.execute(DELETE_EXPIRED_CLAIM, (name, now))
    return writer.execute(INSERT_CLAIM, (name, until)).rowcount == 1
