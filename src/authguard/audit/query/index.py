"""The index of a log: a SQLite file in the user's cache with the position of every record, so that queries are fast.

Rules:
- The log is the evidence. The index is derived from it, can be deleted at any time, and holds no text of a single line.
- Nothing is written beside the log. Without a private cache (`index_place`), the index is temporary.
- The index follows the log line by line. If the log no longer matches the index (cut, replaced, a chain missing), the
  index is rebuilt with a note; if the index file is unusable, it is rebuilt without one.
- Memory does not grow with the log. A record withdrawn in the same chain is void; other chains cannot void it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from authguard.audit import segment_file
from authguard.audit.query.index_place import (
    UnusableCacheError,
    find_index,
    is_private,
    mark_used,
    prepare_folder,
    remove,
)
from authguard.audit.query.index_schema import INDEXES, MARK_VOID, SCHEMA_OBJECTS, SCHEMA_VERSION, TABLES, connect
from authguard.audit.query.indexer import Indexer, line_digest
from authguard.audit.query.rows import RecordTemplate
from authguard.errors import AuditError
from authguard.file_access import Access, explain_failure
from authguard.records.chain import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.audit.query.rows import Key
    from authguard.audit.segment_file import Segment

    Progress = Callable[[int, int], None]

#: files of the log that are open at the same time
MAX_OPEN_FILES: Final = 128
#: bytes of one read while lines are read in their order
READ_AHEAD_BYTES: Final = 1 << 16


class StaleError(Exception):
    """The log no longer matches the index; the message states how."""


class Index:
    """An open index that matches its log.

    Attributes:
        log: the log's first chain.
        db: the open database.
        rebuild_reason: why the index was rebuilt, if the log did not match it; else empty.
        unkept_reason: why the index is temporary; else empty.
        unreadable: files that cannot be read now, each with the reason; lines of them that are indexed are still found.
    """

    def __init__(self, log: Path, db: sqlite3.Connection, rebuild_reason: str, unkept_reason: str) -> None:
        """Store the parts; use `open_index` to create an index."""
        self.log = log
        self.db = db
        self.rebuild_reason = rebuild_reason
        self.unkept_reason = unkept_reason
        self.unreadable = segment_file.list_unreadable(log)
        self._files: dict[int, BinaryIO] = {}
        #: file -> position and bytes of the last read, which is longer while lines are read in their order
        self._reads: dict[int, tuple[int, bytes]] = {}
        self._templates: dict[int, RecordTemplate] = {}

    def templates(self) -> dict[int, RecordTemplate]:
        """Return all templates by number."""
        if not self._templates:
            decode = msgspec.json.Decoder(RecordTemplate).decode
            self._templates = {
                no: decode(content) for no, content in self.db.execute("SELECT no, content FROM template")
            }
        return self._templates

    def line(self, file: int, place: int, size: int) -> bytes:
        """Read a line at its indexed position; return empty bytes if the file is gone."""
        begin, data = self._reads.get(file, (-1, b""))
        end = begin + len(data)
        if begin <= place and place + size <= end:
            return data[place - begin : place - begin + size]
        data = self._read(file, place, max(size, READ_AHEAD_BYTES) if begin <= place <= end else size)
        self._reads[file] = place, data
        return data[:size]

    def _read(self, file: int, place: int, size: int) -> bytes:
        try:
            if file not in self._files:
                (name,) = self.db.execute("SELECT name FROM file WHERE no = ?", (file,)).fetchone()
                if len(self._files) >= MAX_OPEN_FILES:
                    oldest = next(iter(self._files))
                    self._files.pop(oldest).close()
                    self._reads.pop(oldest, None)
                self._files[file] = segment_file.open_segment(segment_file.index_by_key(self.log)[name])
            stream = self._files[file]
            if isinstance(getattr(stream, "raw", None), FileIO):
                return os.pread(stream.fileno(), size, place)
            stream.seek(place)
            return stream.read(size)
        except (OSError, KeyError):
            return b""

    def unparsed_lines(self) -> int:
        """Return the number of lines that are not records."""
        return int(self.db.execute("SELECT coalesce(sum(unparsed_lines), 0) FROM file").fetchone()[0])

    def close(self) -> None:
        """Close all files; a temporary index is gone then."""
        for file in self._files.values():
            file.close()
        self.db.close()


def _no_progress(_done: int, _whole: int) -> None:
    """Report no progress."""


@contextlib.contextmanager
def open_index(log: Path, *, fresh: bool = False, progress: Progress = _no_progress) -> Iterator[Index]:
    """Open the index of a log; build or update it first, and close it at the end.

    Without a private cache folder, the index is built in a temporary file that only this process can open.

    Args:
        log: the log's first chain.
        fresh: whether to rebuild the index in any case.
        progress: called with the bytes read so far and the total.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    if not any(segment_file.list_chains(log)):
        raise AuditError(f"there is no log at `{log}`: name one with --log, or set AUTHGUARD_AUDIT_LOG")
    try:
        index = _open(log, progress, fresh=fresh)
    except OSError as error:
        raise AuditError(
            f"the audit log `{log}` cannot be indexed: {explain_failure(log, Access.READ, error)}"
        ) from error
    except sqlite3.Error as error:
        raise AuditError(f"the index of `{log}` cannot be built: {error}") from error
    try:
        yield index
    except sqlite3.Error as error:
        # earlier results may be wrong too, so the query stops
        with contextlib.suppress(UnusableCacheError, OSError):
            remove(find_index(log))
        raise AuditError(
            f"the index of `{log}` was damaged and has been removed: repeat the query to rebuild it"
        ) from error
    finally:
        index.close()


def _open(log: Path, progress: Progress, *, fresh: bool) -> Index:
    rebuild_reason = ""
    try:
        path = find_index(log)
        prepare_folder(path)
        if is_private(path) and not fresh:
            try:
                db = _update(log, path, progress)
            except StaleError as stale:
                rebuild_reason = str(stale)
            except sqlite3.Error:
                rebuild_reason = ""  # another file, another version, or damaged: rebuild it
            else:
                mark_used(path)
                return Index(log, db, "", "")
        _build_file(log, path, progress)
    except UnusableCacheError as error:
        return Index(log, _build_temporary(log, progress), "", str(error))
    except _CacheWriteError as error:
        return Index(log, _build_temporary(log, progress), rebuild_reason, str(error))
    mark_used(path)
    return Index(log, connect(path), rebuild_reason, "")


class _CacheWriteError(Exception):
    """The index cannot be stored in the cache; the message states why."""


def _build_file(log: Path, path: Path, progress: Progress) -> None:
    """Build the index in a temporary file and move it into place when it is complete."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _CacheWriteError(f"`{path.parent}` cannot be written ({error.strerror})") from error
    os.close(handle)
    try:
        with contextlib.closing(connect(name)) as db:
            db.execute("PRAGMA journal_mode = OFF")
            _build(log, db, progress)
        try:
            Path(name).replace(path)
        except OSError as error:
            raise _CacheWriteError(f"`{path}` cannot be replaced ({error.strerror})") from error
    except sqlite3.OperationalError as error:
        raise _CacheWriteError(f"`{path.parent}` cannot be written ({error})") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _build_temporary(log: Path, progress: Progress) -> sqlite3.Connection:
    """Build an index that is gone with its connection: a file without a name, or in memory where there is no folder."""
    for place in ("", ":memory:"):
        db = connect(place)
        try:
            _build(log, db, progress)
        except sqlite3.OperationalError:
            db.close()
            if place:
                raise
        except BaseException:
            db.close()
            raise
        else:
            break
    return db


def _build(log: Path, db: sqlite3.Connection, progress: Progress) -> None:
    db.execute("PRAGMA cache_size = -65536")
    db.executescript(TABLES)
    db.execute("BEGIN")
    _ingest(log, db, progress)
    db.execute("COMMIT")
    db.executescript(INDEXES)
    db.execute(MARK_VOID)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _update(log: Path, path: Path, progress: Progress) -> sqlite3.Connection:
    """Update an index to the current log; raise `StaleError` or `sqlite3.Error` if it has to be rebuilt."""
    db = connect(path)
    try:
        if db.execute("PRAGMA user_version").fetchone() != (SCHEMA_VERSION,):
            raise sqlite3.DatabaseError("another version")  # noqa: TRY301 - the database is closed in one place
        if not {name for (name,) in db.execute("SELECT name FROM sqlite_schema")} >= SCHEMA_OBJECTS:
            raise sqlite3.DatabaseError("a part is missing")  # noqa: TRY301 - same reason
        retired = _check_unchanged(log, db)
        if retired or _has_new_lines(log, db):
            db.execute("BEGIN IMMEDIATE")
            _delete_retired(db, retired)
            if _ingest(log, db, progress):
                db.execute(MARK_VOID)
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _check_unchanged(log: Path, db: sqlite3.Connection) -> list[str]:
    """Return the files that were replaced by tombstones; raise `StaleError` if another file no longer matches."""
    files, tombstones, retired = segment_file.index_by_key(log), segment_file.list_retired_keys(log), []
    sql = "SELECT name, indexed_bytes, first, last, place, state FROM file WHERE indexed_bytes > 0"
    for name, indexed_bytes, first, last, place, state in db.execute(sql).fetchall():
        segment = files.get(name)
        if segment is None:
            if name in tombstones:
                retired.append(name)
            elif not _is_unreadable(log, name):
                raise StaleError(f"`{name}` was indexed and is gone")
            continue
        try:
            # a closed file with the same inode, size and change time is not read again
            if not segment.live and _file_state(segment) == state:
                continue
            with segment_file.open_segment(segment) as file:
                if segment_file.get_length(file) < indexed_bytes:
                    raise StaleError(f"`{name}` was cut since it was indexed")
                first_line = file.readline(MAX_LINE_BYTES + 1)
                file.seek(place)
                if line_digest(first_line) != first or line_digest(file.read(indexed_bytes - place)) != last:
                    raise StaleError(f"`{name}` was replaced or edited since it was indexed")
        except PermissionError:
            continue  # indexed lines are still found; a note reports that newer ones are missing
        except OSError:
            raise StaleError(f"`{name}` changed while it was checked") from None
    return retired


def _is_unreadable(log: Path, name: str) -> bool:
    """Return whether a file of lines exists but cannot be read now."""
    chain = log.with_name(name.partition(":")[0])
    return any(
        one.live and one.base < 0 and not os.access(one.path, os.R_OK) for one in segment_file.list_segments(chain)
    )


def _delete_retired(db: sqlite3.Connection, retired: list[str]) -> None:
    """Delete the records of files that were replaced by tombstones."""
    for name in retired:
        (number,) = db.execute("SELECT no FROM file WHERE name = ?", (name,)).fetchone()
        for table, column in (("record", "file"), ("void", "file"), ("file", "no")):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608 - constant names


def _file_state(segment: Segment) -> str:
    """Return the format, inode, size and change time of a file; empty if it is gone."""
    try:
        status = segment.path.lstat()
    except FileNotFoundError:
        return ""
    return f"{segment.form} {status.st_ino} {status.st_size} {status.st_ctime_ns}"


def _size(segment: Segment) -> int:
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


def _has_new_lines(log: Path, db: sqlite3.Connection) -> bool:
    known = {
        name: (indexed_bytes, state)
        for name, indexed_bytes, state in db.execute("SELECT name, indexed_bytes, state FROM file")
    }
    return any(
        known.get(key, (0, ""))[1] != _file_state(segment)
        if not segment.live
        else _size(segment) > known.get(key, (0, ""))[0]
        for key, segment in segment_file.index_by_key(log).items()
    )


def _ingest(log: Path, db: sqlite3.Connection, progress: Progress) -> bool:
    """Index the new lines; return whether there were any."""
    files = segment_file.index_by_key(log)
    known = {name: row for name, *row in db.execute("SELECT name, no, indexed_bytes, lines, unparsed_lines FROM file")}
    total = sum(max(0, _size(segment) - known.get(key, (0, 0))[1]) for key, segment in files.items())
    numbers: dict[Key, int] = {}
    before = 0
    for key, segment in files.items():
        no, indexed_bytes, lines, unparsed_lines = known.get(key, (0, 0, 0, 0))
        reader = Indexer(db, numbers, indexed_bytes, lines, unparsed_lines)
        try:
            opened = segment_file.reopen(log, key, segment)
        except PermissionError:
            continue
        if opened is None:
            continue
        stream, now = opened
        with stream:
            first = stream.readline(MAX_LINE_BYTES + 1)
            if not no:
                added = db.execute(
                    "INSERT INTO file (name, indexed_bytes, lines, unparsed_lines, first, last, place, state)"
                    " VALUES (?, 0, 0, 0, ?, ?, 0, '')",
                    (key, line_digest(b""), line_digest(b"")),
                )
                no = int(added.lastrowid or 0)
            stream.seek(indexed_bytes)
            last = reader.read(stream, no, lambda done, before=before: progress(before + done, total))  # type: ignore[misc]  # a lambda's default
        before += reader.indexed_bytes - indexed_bytes
        db.execute("UPDATE file SET state = ? WHERE no = ?", ("" if now.live else _file_state(now), no))
        if reader.indexed_bytes > indexed_bytes:
            db.execute(
                "UPDATE file SET indexed_bytes = ?, lines = ?, unparsed_lines = ?, first = ?, last = ?, place = ?"
                " WHERE no = ?",
                (reader.indexed_bytes, reader.lines, reader.unparsed_lines, line_digest(first), *last, no),
            )
    return before > 0
