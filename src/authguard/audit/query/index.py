"""The index of a log: a SQLite file beside it that says where each record stands, so that queries are quick.

Rules of this file:
- The log is the evidence; the index is made from it, can be deleted at any time, and holds no text of a line's own.
- It follows the log line by line. Where the log is no longer what was indexed (cut, replaced, a chain gone) it is made
  anew and says so; where the file cannot be used it is made anew in silence.
- Memory does not grow with the log. A record withdrawn in its own chain is void; other chains cannot void it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from authguard.audit import segment_file
from authguard.audit.query.indexer import Indexer, mark
from authguard.audit.query.rows import RecordTemplate
from authguard.core.chain import MAX_LINE_BYTES
from authguard.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.audit.query.rows import Key
    from authguard.audit.segment_file import Segment

    Progress = Callable[[int, int], None]

#: of the tables below; another version is made anew
SCHEMA_VERSION: Final = 7
#: files of the log that are open at once
OPEN: Final = 128
#: seconds to wait for another command that follows the log at the same time
PATIENCE: Final = 30.0

_TABLES: Final = """
CREATE TABLE file (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, indexed_bytes INTEGER NOT NULL,
  lines INTEGER NOT NULL, unparsed_lines INTEGER NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
  place INTEGER NOT NULL, seen TEXT NOT NULL);
CREATE TABLE template (no INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE record (no INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, template INTEGER NOT NULL,
  void INTEGER NOT NULL, file INTEGER NOT NULL, place INTEGER NOT NULL, size INTEGER NOT NULL, subject TEXT,
  actor TEXT, session TEXT, transact TEXT, decision TEXT);
CREATE TABLE void (file INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (file, id)) WITHOUT ROWID;
"""
_INDEXES: Final = """
CREATE INDEX by_id ON record (id);
CREATE INDEX by_at ON record (at);
CREATE INDEX by_template ON record (template, at, void);
CREATE INDEX by_subject ON record (subject, at) WHERE subject IS NOT NULL;
CREATE INDEX by_actor ON record (actor, at) WHERE actor IS NOT NULL;
CREATE INDEX by_session ON record (session, at) WHERE session IS NOT NULL;
CREATE INDEX by_transaction ON record (transact, at) WHERE transact IS NOT NULL;
CREATE INDEX by_decision ON record (decision) WHERE decision IS NOT NULL;
"""
_VOID: Final = """UPDATE record SET void = 1 WHERE no IN (
  SELECT record.no FROM void JOIN record ON record.id = void.id AND record.file = void.file WHERE record.void = 0)"""


#: what an index consists of
_PARTS: Final = frozenset(re.findall(r"CREATE (?:TABLE|INDEX) (\w+)", _TABLES + _INDEXES))


class StaleError(Exception):
    """The log is not what was indexed; the text says how."""


class Index:
    """An open index that is in step with its log.

    Attributes:
        log: the log's first chain.
        db: the open file.
        renewed: why it had to be made anew, where the log was not what had been indexed; empty else.
        unread: files that cannot be read now, each with the reason; what was indexed of them before is still found.
    """

    def __init__(self, log: Path, db: sqlite3.Connection, renewed: str, folder: str) -> None:
        """Keep the parts; `open_index` is how one is made."""
        self.log = log
        self.db = db
        self.rebuild_reason = renewed
        self.unreadable = segment_file.list_unreadable(log)
        self._folder = folder
        self._files: dict[int, BinaryIO] = {}
        self._templates: dict[int, RecordTemplate] = {}

    def templates(self) -> dict[int, RecordTemplate]:
        """Give every template by its number."""
        if not self._templates:
            decode = msgspec.json.Decoder(RecordTemplate).decode
            self._templates = {no: decode(said) for no, said in self.db.execute("SELECT no, content FROM template")}
        return self._templates

    def line(self, file: int, place: int, size: int) -> bytes:
        """Read a line where the index says that it stands; empty where the file is gone."""
        try:
            if file not in self._files:
                (name,) = self.db.execute("SELECT name FROM file WHERE no = ?", (file,)).fetchone()
                if len(self._files) >= OPEN:
                    self._files.pop(next(iter(self._files))).close()
                self._files[file] = segment_file.open_segment(segment_file.index_by_key(self.log)[name])
            stream = self._files[file]
            if isinstance(getattr(stream, "raw", None), FileIO):
                return os.pread(stream.fileno(), size, place)
            stream.seek(place)
            return stream.read(size)
        except (OSError, KeyError):
            return b""

    def unparsed_lines(self) -> int:
        """Count the lines that are no record."""
        return int(self.db.execute("SELECT coalesce(sum(unparsed_lines), 0) FROM file").fetchone()[0])

    def close(self) -> None:
        """Let go of everything; what was made for this once is removed."""
        for file in self._files.values():
            file.close()
        self.db.close()
        if self._folder:
            for name in Path(self._folder).iterdir():
                name.unlink()
            Path(self._folder).rmdir()


def index_path(log: Path) -> Path:
    """Name the index of a log."""
    return log.with_name(log.name + ".index")


def _silent(_done: int, _whole: int) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def open_index(log: Path, *, fresh: bool = False, progress: Progress = _silent) -> Iterator[Index]:
    """Open the index of a log, make it or bring it into step with the log, and close it at the end.

    Where nobody may write beside the log, the index is made in a private folder, and removed with it.

    Args:
        log: the log's first chain.
        fresh: whether it is made anew in any case.
        progress: told how many bytes of how many were read.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    if not any(segment_file.list_chains(log)):
        raise AuditError(f"there is no log at `{log}`: name one, or set AUTHGUARD_AUDIT_LOG")
    try:
        made = _open(log, progress, fresh=fresh)
    except OSError as error:
        raise AuditError(f"the audit log `{log}` cannot be indexed: {error.strerror}") from error
    except sqlite3.Error as error:
        raise AuditError(f"the index of `{log}` cannot be made: {error}") from error
    try:
        yield made
    except sqlite3.Error as error:
        # what was found so far may be wrong, so that it is not gone on with
        index_path(log).unlink(missing_ok=True)
        raise AuditError(f"the index of `{log}` was damaged, and is removed: ask again, and it is made anew") from error
    finally:
        made.close()


def _open(log: Path, progress: Progress, *, fresh: bool) -> Index:
    path, renewed = index_path(log), ""
    if path.exists() and not fresh:
        try:
            return Index(log, _follow(log, path, progress), "", "")
        except StaleError as stale:
            renewed = str(stale)
        except sqlite3.Error:
            renewed = ""  # not ours, of another version, or damaged: it is only an index
    folder = ""
    if not os.access(log.parent, os.W_OK):
        folder = tempfile.mkdtemp(prefix="authguard-index-")
        path = Path(folder) / "index"
    _build(log, path, progress)
    return Index(log, _connect(path), renewed, folder)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    # a crash of the machine may damage the index, and then it is made anew
    db.execute("PRAGMA synchronous = OFF")
    return db


def _build(log: Path, path: Path, progress: Progress) -> None:
    """Make the index in a file of another name, and put it in its place when it is whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        db = _connect(Path(name))
        try:
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA cache_size = -65536")
            db.executescript(_TABLES)
            db.execute("BEGIN")
            _take_in(log, db, progress)
            db.execute("COMMIT")
            db.executescript(_INDEXES)
            db.execute(_VOID)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        finally:
            db.close()
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _follow(log: Path, path: Path, progress: Progress) -> sqlite3.Connection:
    """Bring an index into step.

    Raises:
        StaleError: the log is not what was indexed.
        sqlite3.Error: the file is no index of this version, or damaged.
    """
    db = _connect(path)
    try:
        if db.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
            raise sqlite3.DatabaseError("another version")  # noqa: TRY301 - the file is let go of in one place
        if not {name for (name,) in db.execute("SELECT name FROM sqlite_schema")} >= _PARTS:
            raise sqlite3.DatabaseError("a part is missing")  # noqa: TRY301 - as above
        retired = _demand_same(log, db)
        if retired or _has_news(log, db):
            db.execute("BEGIN IMMEDIATE")
            _forget(db, retired)
            if _take_in(log, db, progress):
                db.execute(_VOID)
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _demand_same(log: Path, db: sqlite3.Connection) -> list[str]:
    """Demand that each file begins as it did, and has its last indexed line where it had it.

    Returns:
        The files whose lines gave way to stubs since, as the policy says.

    Raises:
        StaleError: one is not what was indexed.
    """
    pieces, stubs, retired = segment_file.index_by_key(log), segment_file.list_retired_keys(log), []
    sql = "SELECT name, indexed_bytes, first, last, place, seen FROM file WHERE indexed_bytes > 0"
    for name, indexed_bytes, first, last, place, seen in db.execute(sql).fetchall():
        piece = pieces.get(name)
        if piece is None:
            if name in stubs:
                retired.append(name)
            elif not _is_kept(log, name):
                raise StaleError(f"`{name}` is gone, and was indexed")
            continue
        try:
            # a closed file that the system has not seen changed is not read again
            if not piece.live and _seen(piece) == seen:
                continue
            with segment_file.open_segment(piece) as file:
                if segment_file.get_length(file) < indexed_bytes:
                    raise StaleError(f"`{name}` was cut since it was indexed")
                begins = file.readline(MAX_LINE_BYTES + 1)
                file.seek(place)
                if mark(begins) != first or mark(file.read(indexed_bytes - place)) != last:
                    raise StaleError(f"`{name}` was replaced or edited since it was indexed")
        except PermissionError:
            continue  # what was indexed is still known, and what came since is left out, in words
        except OSError:
            raise StaleError(f"`{name}` changed while it was looked at") from None
    return retired


def _is_kept(log: Path, name: str) -> bool:
    """Whether a file of lines is there, but cannot be read now."""
    chain = log.with_name(name.partition(":")[0])
    return any(
        one.live and one.base < 0 and not os.access(one.path, os.R_OK) for one in segment_file.list_segments(chain)
    )


def _forget(db: sqlite3.Connection, retired: list[str]) -> None:
    """Take out the records of lines that gave way to stubs."""
    for name in retired:
        (number,) = db.execute("SELECT no FROM file WHERE name = ?", (name,)).fetchone()
        for table, column in (("record", "file"), ("void", "file"), ("file", "no")):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608 - names of ours


def _seen(piece: Segment) -> str:
    """Say what the system sees of a file; empty where it is gone."""
    try:
        status = piece.path.lstat()
    except FileNotFoundError:
        return ""
    return f"{piece.form} {status.st_ino} {status.st_size} {status.st_ctime_ns}"


def _size(piece: Segment) -> int:
    try:
        return piece.path.stat().st_size
    except FileNotFoundError:
        return 0


def _has_news(log: Path, db: sqlite3.Connection) -> bool:
    known = {
        name: (indexed_bytes, seen)
        for name, indexed_bytes, seen in db.execute("SELECT name, indexed_bytes, seen FROM file")
    }
    return any(
        known.get(key, (0, ""))[1] != _seen(piece) if not piece.live else _size(piece) > known.get(key, (0, ""))[0]
        for key, piece in segment_file.index_by_key(log).items()
    )


def _take_in(log: Path, db: sqlite3.Connection, progress: Progress) -> bool:
    """Take in what came; tell whether a record was withdrawn or came that may have been."""
    files = segment_file.index_by_key(log)
    known = {name: row for name, *row in db.execute("SELECT name, no, indexed_bytes, lines, unparsed_lines FROM file")}
    whole = sum(max(0, _size(piece) - known.get(key, (0, 0))[1]) for key, piece in files.items())
    numbers: dict[Key, int] = {}
    before = 0
    for key, piece in files.items():
        no, indexed_bytes, lines, unparsed_lines = known.get(key, (0, 0, 0, 0))
        reader = Indexer(db, numbers, indexed_bytes, lines, unparsed_lines)
        try:
            opened = segment_file.reopen(log, key, piece)
        except PermissionError:
            continue
        if opened is None:
            continue
        stream, now = opened
        with stream:
            first = stream.readline(MAX_LINE_BYTES + 1)
            if not no:
                added = db.execute(
                    "INSERT INTO file (name, indexed_bytes, lines, unparsed_lines, first, last, place, seen)"
                    " VALUES (?, 0, 0, 0, ?, ?, 0, '')",
                    (key, mark(b""), mark(b"")),
                )
                no = int(added.lastrowid or 0)
            stream.seek(indexed_bytes)
            last = reader.read(stream, no, lambda done, before=before: progress(before + done, whole))  # type: ignore[misc]  # a lambda's default
        before += reader.indexed_bytes - indexed_bytes
        db.execute("UPDATE file SET seen = ? WHERE no = ?", ("" if now.live else _seen(now), no))
        if reader.indexed_bytes > indexed_bytes:
            db.execute(
                "UPDATE file SET indexed_bytes = ?, lines = ?, unparsed_lines = ?, first = ?, last = ?, place = ?"
                " WHERE no = ?",
                (reader.indexed_bytes, reader.lines, reader.unparsed_lines, mark(first), *last, no),
            )
    return before > 0
