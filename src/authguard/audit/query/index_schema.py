"""The tables of a log's index, and the connection to it."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: version of the tables below; an index of another version is rebuilt
SCHEMA_VERSION: Final = 7
#: seconds to wait for another command that updates the index
LOCK_TIMEOUT_S: Final = 30.0

TABLES: Final = """
CREATE TABLE file (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, indexed_bytes INTEGER NOT NULL,
  lines INTEGER NOT NULL, unparsed_lines INTEGER NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
  place INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE template (no INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE record (no INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, template INTEGER NOT NULL,
  void INTEGER NOT NULL, file INTEGER NOT NULL, place INTEGER NOT NULL, size INTEGER NOT NULL, subject TEXT,
  actor TEXT, session TEXT, transact TEXT, decision TEXT);
CREATE TABLE void (file INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (file, id)) WITHOUT ROWID;
"""
INDEXES: Final = """
CREATE INDEX by_id ON record (id);
CREATE INDEX by_at ON record (at);
CREATE INDEX by_template ON record (template, at, void);
CREATE INDEX by_subject ON record (subject, at) WHERE subject IS NOT NULL;
CREATE INDEX by_actor ON record (actor, at) WHERE actor IS NOT NULL;
CREATE INDEX by_session ON record (session, at) WHERE session IS NOT NULL;
CREATE INDEX by_transaction ON record (transact, at) WHERE transact IS NOT NULL;
CREATE INDEX by_decision ON record (decision) WHERE decision IS NOT NULL;
"""
MARK_VOID: Final = """UPDATE record SET void = 1 WHERE no IN (
  SELECT record.no FROM void JOIN record ON record.id = void.id AND record.file = void.file WHERE record.void = 0)"""
#: names of the tables and indexes; a file that lacks one is no index
SCHEMA_OBJECTS: Final = frozenset(re.findall(r"CREATE (?:TABLE|INDEX) (\w+)", TABLES + INDEXES))


def connect(path: Path | str) -> sqlite3.Connection:
    """Open an index; an empty path is a temporary file without a name."""
    db = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    # a crash of the machine may damage the index; then it is rebuilt
    db.execute("PRAGMA synchronous = OFF")
    # what the log has lost is overwritten, not only unlinked
    db.execute("PRAGMA secure_delete = ON")
    return db
