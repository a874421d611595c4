"""Statements for small documents in the SQLite file; all of them run in the store's transactions or reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

SELECT_DOCUMENT: Final = "SELECT value FROM documents WHERE namespace = ? AND name = ?"
SELECT_DOCUMENT_KEYS: Final = "SELECT name FROM documents WHERE namespace = ? ORDER BY name LIMIT ?"
UPSERT_DOCUMENT: Final = "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
DELETE_DOCUMENT: Final = "DELETE FROM documents WHERE namespace = ? AND name = ?"


def read_document(connection: sqlite3.Connection, namespace: str, name: str) -> bytes:
    """Return a document; empty bytes if there is none."""
    rows: list[tuple[bytes]] = connection.execute(SELECT_DOCUMENT, (namespace, name)).fetchall()
    return rows[0][0] if rows else b""


def list_documents(connection: sqlite3.Connection, namespace: str, limit: int) -> tuple[str, ...]:
    """Return the names of documents, sorted, at most `limit`."""
    return tuple(name for (name,) in connection.execute(SELECT_DOCUMENT_KEYS, (namespace, limit)))


def write_document(writer: sqlite3.Connection, namespace: str, name: str, value: bytes) -> bytes:
    """Insert, replace or, for empty bytes, delete a document; return the given bytes."""
    if value:
        writer.execute(UPSERT_DOCUMENT, (namespace, name, value))
    else:
        writer.execute(DELETE_DOCUMENT, (namespace, name))
    return value
