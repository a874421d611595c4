"""The tables of a log's index, whose columns the classes of the entries declare, and the connection to it."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Final

from authguard.records.fields import COLUMNS, FIELDS, KINDS

if TYPE_CHECKING:
    from pathlib import Path

#: version of the tables below; an index of another version is rebuilt
SCHEMA_VERSION: Final = 8
#: seconds to wait for another command that updates the index
LOCK_TIMEOUT_S: Final = 30.0

#: field of a record -> its column; TRANSACTION is a keyword of SQL
COLUMN_NAMES: Final = {name: {"transaction": "transact"}.get(name, name) for name in COLUMNS}


def _declare_column(name: str) -> str:
    fields = [one for one in FIELDS if one.name == name]
    needed = len(fields) == len(KINDS) and all(one.required for one in fields)
    return f"{COLUMN_NAMES[name]} {'REAL' if fields[0].type is float else 'TEXT'}{' NOT NULL' if needed else ''}"


#: columns that a line may lack; a query for one of them reads the lines in the order of their times
_OPTIONAL: Final = [COLUMN_NAMES[name] for name in COLUMNS if "NOT NULL" not in _declare_column(name)]
TABLES: Final = f"""
CREATE TABLE file (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, indexed_bytes INTEGER NOT NULL,
  lines INTEGER NOT NULL, unparsed_lines INTEGER NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
  place INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE template (no INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE record (no INTEGER PRIMARY KEY, template INTEGER NOT NULL, void INTEGER NOT NULL, file INTEGER NOT NULL,
  place INTEGER NOT NULL, size INTEGER NOT NULL, {", ".join(map(_declare_column, COLUMNS))});
CREATE TABLE void (file INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (file, id)) WITHOUT ROWID;
"""
INDEXES: Final = f"""
CREATE INDEX by_id ON record (id);
CREATE INDEX by_at ON record (at);
CREATE INDEX by_template ON record (template, at, void);
{" ".join(f"CREATE INDEX by_{one} ON record ({one}, at) WHERE {one} IS NOT NULL;" for one in _OPTIONAL)}
"""
ADD_RECORD: Final = (
    f"INSERT INTO record (void, template, file, place, size, {', '.join(COLUMN_NAMES.values())})"  # noqa: S608 - names
    f" VALUES (0, ?, ?, ?, ?{', ?' * len(COLUMNS)})"
)
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
