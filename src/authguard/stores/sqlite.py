"""SQLite store in one file on a local disk, for one machine and any number of processes; survives kill and power cut.

Rules of this file:
- Everything that may wait (a write, a lock, an fsync, a listing) runs in a worker thread, one job at a time.
- Writes that wait meanwhile are committed together, with one fsync; each is compared and undone by itself.
- The event loop only reads by key, through a separate connection; write-ahead logging never blocks readers on writers.
- A commit is on the disk when it returns (``synchronous=FULL``): without it, a power cut could undo a revocation.
- A network file system is not supported: SQLite's locks and shared memory do not work there.
- A store is opened in the process that uses it, after any fork.
- A file that is moved, deleted or replaced under a running process is noticed within a second; reads and writes then
  fail until it is back. Otherwise an operator who engages the rollback in a new file would have no effect.
"""

from __future__ import annotations

import math
import sqlite3
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from authguard.core import record_codec
from authguard.errors import StoreError
from authguard.ports import FIRST
from authguard.stores.sqlite_change import ChangeLog
from authguard.stores.sqlite_claim import insert_claim
from authguard.stores.sqlite_connection import begin, file_identity, open_connections, store_error, wait_for_lock
from authguard.stores.sqlite_document import list_documents, read_document, write_document
from authguard.stores.sqlite_reader import ReadOnlyFile, open_read_only, require_unchanged
from authguard.stores.sqlite_record import list_records, read_records, replace_records
from authguard.stores.sqlite_sweep import sweep
from authguard.stores.sqlite_transaction_index import find_transactions
from authguard.stores.sqlite_wal_index import NO_INDEX, WalIndex, close_deleted
from authguard.stores.sqlite_worker import SqliteWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from authguard.core.snapshot import Keys, Record, Snapshot, TransactionRecord
    from authguard.ports import RecordKind

Answer = TypeVar("Answer")

#: records checked for expiry per new record, so that all are checked before the file has doubled
SWEEP_COUNT: Final = 4
#: seconds (monotonic clock) between checks that the file is still at its path; every write checks too
IDENTITY_CHECK_INTERVAL_S: Final = 1.0


class SqliteStore:
    """Implements `authguard.ports.Store` on one SQLite file.

    A write whose caller is cancelled before the commit is rolled back. If the commit has begun, the caller gets its
    result and is cancelled at its next await. The result is unknown only if the disk hangs for longer than
    `lock_timeout_s`. The store stays usable, since the worker finishes the job.

    Args:
        path: the file; a missing file is created with mode 0600, a missing folder with mode 0700.
        lock_timeout_s: seconds to wait for another writer's lock before `StoreError`.
        retention: least seconds between a record's last change and its deletion, as in `MemoryStore`; infinite for
            none.
        response_retention: seconds for which first responses of transactions are stored; infinite for as long as those.
        read_only: whether nothing on the disk changes, so that every write raises `StoreError`.
        final_states: states in which a transaction may be deleted, as in `authguard.core.record_codec.is_expired`.
    """

    __slots__ = (
        "_changes",
        "_checked_at",
        "_final_states",
        "_identity",
        "_is_read_only",
        "_jobs",
        "_lock_timeout_s",
        "_opened",
        "_path",
        "_read_only",
        "_reader",
        "_response_retention",
        "_retention",
        "_sweep_position",
        "_writer",
    )

    #: a local read takes microseconds; `commit` runs in a worker thread
    nonblocking_reads = True
    nonblocking_writes = False
    record_keys = staticmethod(record_codec.record_keys)

    def __init__(
        self,
        path: Path,
        lock_timeout_s: float = 1.0,
        retention: float = math.inf,
        *,
        response_retention: float = math.inf,
        read_only: bool = False,
        final_states: frozenset[str] = record_codec.FINAL_TRANSACTION_STATES,
    ) -> None:
        self._path = path
        self._is_read_only = read_only
        self._read_only: ReadOnlyFile | None = None
        self._response_retention = response_retention
        self._final_states = final_states
        self._lock_timeout_s = lock_timeout_s
        self._retention = retention
        #: name of the last record that was checked for expiry
        self._sweep_position = b""
        self._identity = (0, 0)
        self._checked_at = -math.inf
        self._changes = ChangeLog()
        self._jobs = SqliteWorker(path, lock_timeout_s, self._begin)
        self._opened = False
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file; create it and its tables if they are missing. Safe to call again, and after `close`.

        Raises:
            StoreError: the file cannot be used, or an older or newer authguard or another program wrote it.
        """
        self._opened = True
        await self._jobs.run("opened", self._connect)

    async def close(self) -> None:
        """Wait for the running write, then close the file.

        Raises:
            StoreError: that write does not return.
        """
        if self._opened:
            await self._jobs.run("closed", self._disconnect)
            self._jobs.thread.end()
            self._opened = False

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read the records of all keys in one statement; a missing record is taken from `blank`.

        Raises:
            StoreError: the file cannot be read now.
        """
        places = self.record_keys(keys)
        return self.decode(places, self.peek_versions(places), blank)

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[bytes | None, ...]:
        """Read the values of records in one statement; equal results mean unchanged records.

        Raises:
            StoreError: the file cannot be read now.
        """
        reader = self._reader_connection()
        try:
            return read_records(reader, places)
        except sqlite3.Error as error:
            raise store_error(self._path, "read", error) from error

    def last_change(self, places: tuple[bytes, ...]) -> int:
        """Return the number of the last change that may concern any of these records; negative during a write.

        Raises:
            StoreError: the file cannot be read now.
        """
        if not self._jobs.lock.acquire(blocking=False):
            return -1
        try:
            writer, now = self._writer, monotonic()
            if writer is None or now - self._checked_at >= IDENTITY_CHECK_INTERVAL_S:
                writer = self._require_open(writer)
                self._check_identity()
                self._checked_at = now
            return self._changes.find_last(writer, places)
        except sqlite3.Error as error:
            raise store_error(self._path, "read", error) from error
        finally:
            self._jobs.lock.release()

    @staticmethod
    def decode(places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Decode the values from `peek_versions` into a snapshot.

        Raises:
            StoreError: a record is damaged.
        """
        rows = zip(places, seen, strict=True)
        return record_codec.decode_snapshot([(name, value) for name, value in rows if isinstance(value, bytes)], blank)

    def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> Coroutine[Any, Any, bool]:
        """Replace every record that differs, all or none; return False on a version conflict.

        Raises:
            StoreError: the file cannot be written now; nothing was changed.
        """
        changes = record_codec.list_changes(keys, before, after)

        def replace(writer: sqlite3.Connection) -> bool:
            self._changes.note([name for name, _, _ in changes])
            if not replace_records(writer, changes, before.transaction, after.transaction):
                return False
            new = [version for _, version, _ in changes].count(0)
            if new:
                self._sweep(writer, SWEEP_COUNT * new, record_codec.latest_change(after))
            return True

        return self._jobs.write(replace) if changes else _change_nothing()

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Store a document under a name; empty bytes delete it.

        Raises:
            StoreError: the document is too large, or the file cannot be written now.
        """
        record_codec.check_document(namespace, name, value)
        await self._jobs.write(lambda writer: write_document(writer, namespace, name, value))

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Store a document if the name is free; return the stored one.

        Raises:
            StoreError: the document is too large, or the file cannot be written now.
        """
        record_codec.check_document(namespace, name, value)

        def add(writer: sqlite3.Connection) -> bytes:
            return read_document(writer, namespace, name) or write_document(writer, namespace, name, value)

        return await self._jobs.write(add)

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it still equals `old`; empty bytes mean no document, on either side.

        Raises:
            StoreError: the document is too large, or the file cannot be written now.
        """
        record_codec.check_document(namespace, name, new)

        def replace(writer: sqlite3.Connection) -> bool:
            if read_document(writer, namespace, name) != old:
                return False
            write_document(writer, namespace, name, new)
            return True

        return await self._jobs.write(replace)

    async def get(self, namespace: str, name: str) -> bytes:
        """Return a document; empty bytes if there is none.

        Raises:
            StoreError: the file cannot be read now.
        """
        reader = self._reader_connection()
        try:
            return read_document(reader, namespace, name)
        except sqlite3.Error as error:
            raise store_error(self._path, "read", error) from error

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Claim a single-use name across all processes; return False if it was claimed before.

        Raises:
            StoreError: the file cannot be written now.
        """
        return await self._jobs.write(lambda writer: insert_claim(writer, name, until, now))

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """Return the names in a namespace, sorted, at most `limit`.

        Raises:
            StoreError: the file cannot be read now.
        """
        return await self._list(lambda connection: list_documents(connection, namespace, limit))

    async def transactions(
        self,
        *,
        state: str = "",
        role: str = "",
        operation: str = "",
        subject: str = "",
        after: tuple[float, str] = FIRST,
        limit: int,
    ) -> tuple[tuple[str, TransactionRecord], ...]:
        """Return transactions with their ids, the oldest first.

        Raises:
            StoreError: the file cannot be read now, or a transaction is damaged.
        """
        wanted = (role, operation, subject)
        rows = await self._list(lambda connection: find_transactions(connection, state, wanted, after, limit))
        return tuple(record_codec.decode_transaction(name, value) for name, value in rows)

    async def records(
        self, kind: RecordKind, *, first: bytes = b"", end: bytes = b"", limit: int
    ) -> tuple[tuple[bytes, Record], ...]:
        """Return the records of a kind with their keys, in the order of the keys.

        Raises:
            StoreError: the file cannot be read now, or a record is damaged.
        """
        least, bound = record_codec.key_range(kind, first, end)
        rows = await self._list(lambda connection: list_records(connection, least, bound, limit))
        return tuple((name[1:], record_codec.decode_record(name, value)) for name, value in rows)

    def _sweep(self, writer: sqlite3.Connection, count: int, now: float) -> None:
        """Check the next `count` records in turn; delete expired records and expired responses."""
        # a little with each new record and inside its transaction: no background task, and no request pays for all
        before, answered = now - self._retention, now - self._response_retention
        if max(before, answered) > -math.inf:
            self._sweep_position, changed = sweep(
                writer, self._sweep_position, count, before=before, answered=answered, final_states=self._final_states
            )
            if changed:
                self._changes.note(changed)

    async def _list(self, statement: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Read with a statement that may take long."""
        return await self._jobs.run(
            "read", lambda: wait_for_lock(self._require_open(self._writer), self._lock_timeout_s, statement)
        )

    def _connect(self) -> None:
        if self._writer is not None:
            return
        if self._is_read_only:
            self._read_only = open_read_only(self._path, self._lock_timeout_s)
            self._writer, self._reader = self._read_only.connections
        else:
            self._writer, self._reader = open_connections(self._path, self._lock_timeout_s)
        self._identity = file_identity(self._path)
        self._changes.connect(NO_INDEX if self._is_read_only else WalIndex(self._path))

    def _disconnect(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        self._changes.connect(NO_INDEX)
        close_deleted()
        file, self._read_only = self._read_only, None
        if file is not None:
            require_unchanged(self._path, file)

    def _begin(self) -> sqlite3.Connection:
        """Begin a transaction; return its connection."""
        writer = self._writer or self._require_open(None)
        if file_identity(self._path) != self._identity:
            self._check_identity()
        wait_for_lock(writer, self._lock_timeout_s, begin)
        return writer

    def _reader_connection(self) -> sqlite3.Connection:
        """Return the connection for reads; check the file's identity from time to time."""
        reader, now = self._reader or self._require_open(self._reader), monotonic()
        if now - self._checked_at >= IDENTITY_CHECK_INTERVAL_S:
            self._check_identity()
            self._checked_at = now
        return reader

    def _check_identity(self) -> None:
        """Raise `StoreError` unless the file at the path is the one that was opened."""
        if file_identity(self._path) != self._identity:
            raise StoreError(
                f"the store {self._path} was moved, deleted or replaced while it was used: put it back, or restart"
            )

    def _require_open(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise StoreError(f"the store {self._path} is not open: run the app with its lifespan, or call `open`")
        return connection


async def _change_nothing() -> bool:
    return True
