"""In-memory store for one process, tests and demos; a restart drops all records, so users sign in again.

Rules of this file:
- Nothing suspends, so every method is atomic on the event loop.
- Records are stored as bytes, so no caller can change one in the store.
- Records that still matter are never dropped to make room: a full store refuses new keys.
"""

from __future__ import annotations

from heapq import nsmallest
from math import inf
from typing import TYPE_CHECKING, Final

from authguard.core import record_codec
from authguard.core.snapshot import NOBODY
from authguard.errors import StoreError
from authguard.ports import FIRST
from authguard.stores.record_table import SHARDS, RecordTable, keys_of, rows_of, split

if TYPE_CHECKING:
    from authguard.core.snapshot import Keys, Record, Snapshot, TransactionRecord
    from authguard.ports import RecordKind

#: seconds: the default life of a credential (`authguard.core.policy.Issuer.max_lifetime`) and one day more
RETENTION_S: Final = 90_000.0
#: records checked for expiry per new record, so that all are checked before the store is full
SWEEP_COUNT: Final = 4
#: records checked for expiry per new record where the store has no room for it
SWEEP_COUNT_WHEN_FULL: Final = 64


class MemoryStore:
    """Implements `authguard.ports.Store` in memory, with a bounded number of entries.

    Args:
        capacity: records and documents together; `StoreError` refuses a new one beyond it.
        retention: least seconds between a record's last change and its deletion. Not less than the longest
            ``max_lifetime`` of an issuer and the longest window of a limit or of attempts: a request could still name a
            deleted record.
        response_retention: seconds for which first responses of transactions are stored; infinite for as long as those.
        final_states: states in which a transaction may be deleted, as in `authguard.core.record_codec.is_expired`.
    """

    __slots__ = (
        "_capacity",
        "_changes",
        "_claims",
        "_documents",
        "_final_states",
        "_records",
        "_response_retention",
        "_retention",
        "_size",
        "_sweep_position",
        "_sweep_queue",
        "_transactions",
    )

    nonblocking_reads = nonblocking_writes = True  # neither `load` nor `commit` suspends

    def __init__(
        self,
        capacity: int = 1_000_000,
        retention: float = RETENTION_S,
        *,
        response_retention: float = inf,
        final_states: frozenset[str] = record_codec.FINAL_TRANSACTION_STATES,
    ) -> None:
        self._response_retention = response_retention
        self._final_states = final_states
        self._capacity = capacity
        self._retention = retention
        self._records = RecordTable()
        self._documents: dict[str, dict[str, bytes]] = {}
        self._claims: dict[bytes, float] = {}
        #: name -> index fields of a transaction: state, roles, operation, subject, place
        self._transactions: dict[bytes, tuple[str, frozenset[str], str, str, float]] = {}
        self._size = 0
        self._changes = 0
        self._sweep_position = 0
        self._sweep_queue: list[bytes] = []

    async def open(self) -> None:
        """Do nothing: memory needs no preparation."""

    async def close(self) -> None:
        """Do nothing: records stay until the process ends."""

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read the records of all keys; a missing record is taken from `blank`.

        Raises:
            StoreError: a record is damaged.
        """
        places = self.record_keys(keys)
        return self.decode(places, self.peek_versions(places), blank)

    @staticmethod
    def record_keys(keys: Keys) -> tuple[bytes, ...]:
        """Return the table's keys of the records that the keys address."""
        return keys_of(record_codec.record_keys(keys))

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        """Return the stored entries of records; equal results mean unchanged records."""
        return self._records.find(places)

    def last_change(self, places: tuple[bytes, ...]) -> int:
        """Return the number of commits so far: any of them may concern these records."""
        del places
        return self._changes

    @staticmethod
    def decode(places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Decode the entries from `peek_versions` into a snapshot.

        Raises:
            StoreError: a record is damaged.
        """
        return record_codec.decode_snapshot(rows_of(places, seen), blank)

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Replace every record that differs, all or none; return False on a version conflict.

        Raises:
            StoreError: there is no room for a new record, or a stored one is damaged.
        """
        changes = record_codec.list_changes(keys, before, after)
        self._changes += 1
        created = sum([not version for _, version, _ in changes])
        if created:
            self._sweep(record_codec.latest_change(after), created)
        for name, version, _ in changes:
            value = self._records.get(name)
            if version != (record_codec.decode_record(name, value).version if value else 0):
                return False
        self._reserve_capacity(created)
        for name, _, value in changes:
            self._records.put(name, value)
            if name[:1] == record_codec.TRANSACTION:
                held = after.transaction
                self._transactions[name] = (
                    held.state,
                    held.roles if held.approvers or held.role else NOBODY,
                    held.operation,
                    held.subject,
                    held.place,
                )
        return True

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
        """Return transactions with their ids, in list order."""
        since = (after[0], record_codec.transaction_key(after[1]))
        found = (
            (place, name)
            for name, (held_state, held_roles, held_operation, held_subject, place) in self._transactions.items()
            if state in {"", held_state}
            and (not role or role in held_roles)
            and operation in {"", held_operation}
            and subject in {"", held_subject}
            if (place, name) > since
        )
        return tuple(
            record_codec.decode_transaction(name, self._records.get(name)) for _, name in nsmallest(limit, found)
        )

    async def records(
        self, kind: RecordKind, *, first: bytes = b"", end: bytes = b"", limit: int
    ) -> tuple[tuple[bytes, Record], ...]:
        """Return the records of a kind with their keys, in the order of the keys.

        Raises:
            StoreError: a record is damaged.
        """
        least, bound = record_codec.key_range(kind, first, end)
        found = nsmallest(limit, (name for name in self._records if least <= name < bound))
        return tuple((name[1:], record_codec.decode_record(name, self._records.get(name))) for name in found)

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Store a document under a name; empty bytes delete it.

        Raises:
            StoreError: the document is too large, or there is no room.
        """
        record_codec.check_document(namespace, name, value)
        documents = self._documents.setdefault(namespace, {})
        self._reserve_capacity(bool(value) - (name in documents))
        if value:
            documents[name] = value
        else:
            documents.pop(name, None)

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Store a document if the name is free; return the stored one.

        Raises:
            StoreError: the document is too large, or there is no room.
        """
        await self.replace(namespace, name, b"", value)
        return await self.get(namespace, name)

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it still equals `old`; empty bytes mean no document, on either side.

        Raises:
            StoreError: the document is too large, or there is no room.
        """
        if await self.get(namespace, name) != old:
            return False
        await self.put(namespace, name, new)
        return True

    async def get(self, namespace: str, name: str) -> bytes:
        """Return a document; empty bytes if there is none."""
        return self._documents.get(namespace, {}).get(name, b"")

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Claim a single-use name; return False if it was claimed before.

        Raises:
            StoreError: there is no room; an unrecorded name could be used twice.
        """
        used = self._claims
        for _ in range(SWEEP_COUNT):  # the oldest claims come first, so expired ones are found there
            oldest = next(iter(used), b"")
            if not oldest or used[oldest] > now:
                break
            del used[oldest]
        if used.get(name, now) > now:
            return False
        if len(used) >= self._capacity:
            raise StoreError("the memory store is full of single-use names: use a store on disk")
        used.pop(name, None)
        used[name] = until
        return True

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """Return the names in a namespace, sorted, at most `limit`."""
        return tuple(nsmallest(limit, self._documents.get(namespace, {})))

    def _sweep(self, now: float, created: int) -> None:
        """Check the next few records in turn; delete expired records and expired responses."""
        # a few with each new record, so that no request pays for all of them
        checked: dict[bytes, bytes] = {}
        for _ in range(SWEEP_COUNT_WHEN_FULL if self._size + created > self._capacity else SWEEP_COUNT):
            if not self._sweep_queue:
                self._sweep_position = (self._sweep_position + 1) % SHARDS
                self._sweep_queue = self._records.entries(self._sweep_position)
                continue
            name, value = split(self._sweep_queue.pop())
            checked[name] = value
        before, answered = now - self._retention, now - self._response_retention
        for name, _, lighter in record_codec.find_overdue(checked.items(), before, answered, self._final_states):
            if self._records.get(name) != checked[name]:
                continue  # changed since the entry was queued
            if lighter:
                self._records.put(name, lighter)
            else:
                self._records.delete(name)
                self._transactions.pop(name, None)
                self._size -= 1

    def _reserve_capacity(self, new: int) -> None:
        if new > 0 and self._size + new > self._capacity:
            raise StoreError(
                f"the memory store is full ({self._capacity} records and documents): "
                "give it more capacity, or use a store on disk"
            )
        self._size += new
