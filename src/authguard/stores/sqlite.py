"""Records in one SQLite file on a local disk: for one machine, any number of processes; survives kill and power cut.

Rules: what may wait (a write, a lock, an fsync, a listing) runs in a worker thread, one at a time; on the event loop
there are only reads by key, through a connection of their own, which write-ahead logging lets pass any writer; a
commit is on the disk when it returns (``synchronous=FULL``: without it a power cut could revive what was revoked).
A network file system is no local disk: SQLite's locks and shared memory do not work there. A store is opened in the
process that uses it, after any fork. A file that is moved, deleted or replaced under a running process is missed within
a second, and nothing is read or written until it is back: an operator who engages the rollback in another one would
not be heard.
"""

from __future__ import annotations

import math
import sqlite3
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import get_cancelled_exc_class

from authguard.core import record_codec
from authguard.errors import StoreError
from authguard.ports import FIRST
from authguard.stores.cancellation import CommitGuard, reraise_cancellation
from authguard.stores.sqlite_connection import file_identity, open_connections, store_error
from authguard.stores.sqlite_transaction_index import find_transactions, remove_from_index, update_index
from authguard.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.core.snapshot import Keys, Snapshot, TransactionRecord

Answer = TypeVar("Answer")

#: number of names -> one statement for all of them; a fifth quicker than ``IN (?, ?, ?)``
SELECT_RECORDS: Final = tuple(
    " UNION ALL ".join(["SELECT name, value FROM records WHERE name = ?"] * n) for n in range(11)
)
INSERT: Final = "INSERT INTO records (version, value, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
UPDATE: Final = "UPDATE records SET version = ?, value = ? WHERE name = ? AND version = ?"
SELECT_SWEEP: Final = "SELECT name, version, value FROM records WHERE name > ? ORDER BY name LIMIT ?"
DELETE: Final = "DELETE FROM records WHERE name = ? AND version = ?"
SELECT_DOCUMENT: Final = "SELECT value FROM documents WHERE shelf = ? AND name = ?"
UPSERT_DOCUMENT: Final = "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
DELETE_DOCUMENT: Final = "DELETE FROM documents WHERE shelf = ? AND name = ?"
SELECT_DOCUMENT_KEYS: Final = "SELECT name FROM documents WHERE shelf = ? ORDER BY name LIMIT ?"
#: records looked at, for each new one, to see whether their time is over; so that all are seen before it has doubled
SWEEP_COUNT: Final = 4
#: seconds between looks, by the machine's steady clock, at whether the file is still there; a write always looks
IDENTITY_CHECK_INTERVAL_S: Final = 1.0
DELETE_EXPIRED_CLAIMS: Final = (
    "DELETE FROM used WHERE name IN (SELECT name FROM used WHERE until <= ? ORDER BY until LIMIT 16)"
)
DELETE_EXPIRED_CLAIM: Final = "DELETE FROM used WHERE name = ? AND until <= ?"
INSERT_CLAIM: Final = "INSERT INTO used (name, until) VALUES (?, ?) ON CONFLICT DO NOTHING"


class SqliteStore:
    """Implements `authguard.ports.Store` on one SQLite file.

    A caller that is cancelled while it waits for a write has given it up: it does not happen. One whose write is being
    made durable that very moment is told what came of it, and cancelled at its next wait; only where the disk hangs
    for longer than `lock_timeout_s` does nobody know. The store stays usable, since the worker ends on its own.

    Args:
        path: the file; made with mode 0600, and its folder with 0700, where they are missing.
        lock_timeout_s: seconds to wait for another writer's lock before `StoreError`.
        retention: least seconds for which a record outlives its last change, as in `MemoryStore`; infinite for ever.
        response_retention: seconds for which first responses of transactions are stored; infinite for as long as those.
        final_states: states in which a transaction may be deleted, as in `authguard.core.record_codec.is_expired`.
    """

    __slots__ = (
        "_checked_at",
        "_final_states",
        "_identity",
        "_lock",
        "_lock_timeout_s",
        "_opened",
        "_path",
        "_reader",
        "_response_retention",
        "_retention",
        "_sweep_position",
        "_worker",
        "_writer",
    )

    #: `load` never suspends: a local read takes microseconds; `commit` runs in a worker thread
    nonblocking_reads = True
    nonblocking_writes = False

    def __init__(
        self,
        path: Path,
        lock_timeout_s: float = 1.0,
        retention: float = math.inf,
        *,
        response_retention: float = math.inf,
        final_states: frozenset[str] = record_codec.FINAL_TRANSACTION_STATES,
    ) -> None:
        self._path = path
        self._response_retention = response_retention
        self._final_states = final_states
        self._lock_timeout_s = lock_timeout_s
        self._retention = retention
        #: the last name that was looked at
        self._sweep_position = b""
        self._identity = (0, 0)
        self._checked_at = -math.inf
        self._lock = Lock()
        self._worker = Worker()
        self._opened = False
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Make the file and its tables where they are missing; safe to call again, and after `close`.

        Raises:
            StoreError: the file cannot be used, or a newer authguard or another program wrote it.
        """
        self._opened = True
        await self._in_worker("opened", self._connect)

    async def close(self) -> None:
        """Wait for the write that runs, and let go of the file.

        Raises:
            StoreError: that write does not come back.
        """
        if self._opened:
            await self._in_worker("closed", self._disconnect)
            self._worker.end()
            self._opened = False

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read every record that the keys name, in one statement; what is not stored is as in `blank`.

        Raises:
            StoreError: it cannot be read now.
        """
        places = self.record_keys(keys)
        return self.decode(places, self.peek_versions(places), blank)

    @staticmethod
    def record_keys(keys: Keys) -> tuple[bytes, ...]:
        """Name the places of the records that the keys name."""
        return tuple(record_codec.record_keys(keys))

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
        """Read the rows at some places, in one statement; equal answers are the same records.

        Raises:
            StoreError: they cannot be read now.
        """
        reader = self._reader_connection()
        try:
            return tuple(reader.execute(SELECT_RECORDS[len(places)], places).fetchall())
        except sqlite3.Error as error:
            raise store_error(self._path, "read", error) from error

    @staticmethod
    def decode(places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Put the rows that were seen into a snapshot.

        Raises:
            StoreError: a record is damaged.
        """
        del places  # the rows bear their names
        return record_codec.decode_snapshot([(row[0], row[1]) for row in seen if isinstance(row, tuple)], blank)

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Replace every record that differs, all or none; False where another was faster.

        Raises:
            StoreError: it cannot be written now; then nothing was.
        """
        changes = record_codec.list_changes(keys, before, after)

        def replace(writer: sqlite3.Connection) -> bool:
            for name, version, value in changes:
                row = (version + 1, value, name)
                done = writer.execute(UPDATE, (*row, version)) if version else writer.execute(INSERT, row)
                if done.rowcount != 1:
                    return False
                if name[:1] == record_codec.TRANSACTION:
                    update_index(writer, name, before.transaction, after.transaction)
            new = sum(not version for _, version, _ in changes)
            if new:
                self._sweep(writer, SWEEP_COUNT * new, record_codec.latest_change(after))
            return True

        return not changes or await self._write(replace)

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Keep a document, replacing what was there; empty bytes remove it.

        Raises:
            StoreError: it is too large, or cannot be written now.
        """
        record_codec.check_document(namespace, name, value)
        await self._write(lambda writer: _put(writer, namespace, name, value))

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Keep a document unless there is one; give back the one that is kept now.

        Raises:
            StoreError: it is too large, or cannot be written now.
        """
        record_codec.check_document(namespace, name, value)

        def add(writer: sqlite3.Connection) -> bytes:
            return _get(writer, namespace, name) or _put(writer, namespace, name, value)

        return await self._write(add)

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it is still `old`; empty bytes stand for none, on either side.

        Raises:
            StoreError: it is too large, or cannot be written now.
        """
        record_codec.check_document(namespace, name, new)

        def replace(writer: sqlite3.Connection) -> bool:
            if _get(writer, namespace, name) != old:
                return False
            _put(writer, namespace, name, new)
            return True

        return await self._write(replace)

    async def get(self, namespace: str, name: str) -> bytes:
        """Give a document; empty bytes where there is none.

        Raises:
            StoreError: it cannot be read now.
        """
        reader = self._reader_connection()
        try:
            return _get(reader, namespace, name)
        except sqlite3.Error as error:
            raise store_error(self._path, "read", error) from error

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Take a name that may be used once, in whichever process; false where it was taken before.

        Raises:
            StoreError: it cannot be written now.
        """

        def take(writer: sqlite3.Connection) -> bool:
            writer.execute(DELETE_EXPIRED_CLAIMS, (now,))
            writer.execute(DELETE_EXPIRED_CLAIM, (name, now))
            return writer.execute(INSERT_CLAIM, (name, until)).rowcount == 1

        return await self._write(take)

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """List the names on a shelf, sorted, at most `limit`.

        Raises:
            StoreError: it cannot be read now.
        """

        def listed() -> tuple[str, ...]:
            return tuple(
                name for (name,) in self._require_open(self._writer).execute(SELECT_DOCUMENT_KEYS, (namespace, limit))
            )

        return await self._in_worker("read", listed)

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
        """List transactions by their ids, the oldest first.

        Raises:
            StoreError: they cannot be read now, or one is damaged.
        """

        def found() -> list[tuple[bytes, bytes]]:
            return find_transactions(self._require_open(self._writer), state, (role, operation, subject), after, limit)

        return tuple(
            record_codec.decode_transaction(name, value) for name, value in await self._in_worker("read", found)
        )

    def _sweep(self, writer: sqlite3.Connection, count: int, now: float) -> None:
        """Look at the next few records, round and round, and forget those whose time is over, and answers before that.

        A little with each new record and in its transaction, so that the file stops growing without a task that must
        run, and no request ever pays for all of them. A damaged record is none of this request's business and stays.
        """
        before, answered = now - self._retention, now - self._response_retention
        if max(before, answered) == -math.inf:
            return
        rows: list[tuple[bytes, int, bytes]] = writer.execute(SELECT_SWEEP, (self._sweep_position, count)).fetchall()
        self._sweep_position = rows[-1][0] if len(rows) == count else b""
        for name, version, value in rows:
            with suppress(StoreError):
                lighter = record_codec.without_response(name, value, answered)
                if lighter:
                    writer.execute(UPDATE, (version + 1, lighter, name, version))
                elif record_codec.is_expired(name, value, before, self._final_states):
                    writer.execute(DELETE, (name, version))
                    if name[:1] == record_codec.TRANSACTION:
                        remove_from_index(writer, name, record_codec.decode_transaction(name, value)[1])

    async def _write(self, change: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Run one transaction; one that answers ``False``, or raises, changes nothing."""
        guard = CommitGuard[Answer]()

        def transaction() -> Answer:
            writer = self._require_open(self._writer)
            self._check_identity()
            writer.execute("BEGIN IMMEDIATE")
            try:
                answer = change(writer)
                commits = answer is not False and guard.decide()
                writer.execute("COMMIT" if commits else "ROLLBACK")
                if commits:
                    guard.result.append(answer)
            finally:
                guard.finished = True
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
            return answer

        try:
            return await self._in_worker("written", transaction)
        except get_cancelled_exc_class() as cancellation:
            if not guard.decide():
                await guard.wait_finished(self._lock_timeout_s)
                if guard.result:
                    reraise_cancellation(cancellation)
                    return guard.result[0]
            raise

    async def _in_worker(self, done: str, job: Callable[[], Answer]) -> Answer:
        """Run a job off the event loop, one at a time.

        A caller may leave at its deadline; the job goes on then, and the lock keeps the next one out until it is back.
        """

        def alone() -> Answer:
            if not self._lock.acquire(timeout=self._lock_timeout_s):
                raise StoreError(f"the store {self._path} still waits for an earlier write: look at the disk")
            try:
                return job()
            except sqlite3.Error as error:
                raise store_error(self._path, done, error) from error
            finally:
                self._lock.release()

        return await self._worker.run(alone)

    def _connect(self) -> None:
        if self._writer is None:
            self._writer, self._reader = open_connections(self._path, self._lock_timeout_s)
            self._identity = file_identity(self._path)

    def _disconnect(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def _reader_connection(self) -> sqlite3.Connection:
        """Give the connection for reads, and look from time to time whether it still leads to the file."""
        reader, now = self._require_open(self._reader), monotonic()
        if now - self._checked_at >= IDENTITY_CHECK_INTERVAL_S:
            self._check_identity()
            self._checked_at = now
        return reader

    def _check_identity(self) -> None:
        """See whether the file that was opened is still the one that has its name.

        Raises:
            StoreError: it is not.
        """
        if file_identity(self._path) != self._identity:
            raise StoreError(
                f"the store {self._path} was moved, deleted or replaced while it was used: put it back, or restart"
            )

    def _require_open(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise StoreError(f"the store {self._path} is not open: run the app with its lifespan, or call `open`")
        return connection


def _get(connection: sqlite3.Connection, namespace: str, name: str) -> bytes:
    rows: list[tuple[bytes]] = connection.execute(SELECT_DOCUMENT, (namespace, name)).fetchall()
    return rows[0][0] if rows else b""


def _put(writer: sqlite3.Connection, namespace: str, name: str, value: bytes) -> bytes:
    if value:
        writer.execute(UPSERT_DOCUMENT, (namespace, name, value))
    else:
        writer.execute(DELETE_DOCUMENT, (namespace, name))
    return value
