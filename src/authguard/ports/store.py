"""The port of the store: records with compare-and-set, small documents and single-use names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from authguard.core.snapshot import Keys, Record, Snapshot, TransactionRecord


#: position before the first transaction of a list
FIRST: Final = (-1.0, "")


#: kinds of records that have keys of their own
RecordKind = Literal["account", "session", "transaction"]


class Store(Protocol):
    """Record store with compare-and-set, and storage for small documents.

    Attributes:
        nonblocking_reads: whether `load` never suspends: no deadline is needed, and `peek_versions` and
            `last_change` may be called.
        nonblocking_writes: whether `commit` never suspends either.
    """

    nonblocking_reads: bool
    nonblocking_writes: bool

    async def open(self) -> None:
        """Open the store; called before any other method, and safe to call again."""
        ...

    async def close(self) -> None:
        """Close files and connections."""
        ...

    async def load(self, keys: Keys, blank: Snapshot) -> Snapshot:
        """Read the records of all keys in one operation; a missing record is taken from `blank`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def record_keys(self, keys: Keys) -> tuple[bytes, ...]:
        """Return the names of the records that the keys address, for `peek_versions`."""
        ...

    def peek_versions(self, places: tuple[bytes, ...]) -> tuple[object, ...]:
        """Return the stored versions of records without waiting; equal results mean unchanged records.

        Call it only if the store has `nonblocking_reads`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def last_change(self, places: tuple[bytes, ...]) -> int:
        """Return the number of the last change that may concern any of these records, without waiting.

        If two calls return the same number, not below zero, then none of the records was changed in between, by any
        process: a commit that has returned anywhere changes the number, also if this store was closed meanwhile. A
        different number proves nothing. The number is negative if the store cannot tell. Call it only if the store has
        `nonblocking_reads`.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    def decode(self, places: tuple[bytes, ...], seen: tuple[object, ...], blank: Snapshot) -> Snapshot:
        """Decode the result of `peek_versions` into a snapshot, as `load` does.

        Raises:
            StoreError: a record is damaged.
        """
        ...

    async def commit(self, keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        """Replace every record that differs between the two snapshots, all or none.

        Each is replaced only if its stored version is that of `before`; the new version is one more.

        Returns:
            False on a version conflict: nothing was changed, and the caller must load and step again.

        Raises:
            StoreError: the store cannot be written now.
        """
        ...

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
        """Return transactions with their ids, in list order (`TransactionRecord.place`).

        Args:
            state: state of the transactions; empty for any.
            role: role of their approvers; empty for any.
            operation: name of their operation; empty for any.
            subject: pseudonym of their subject; empty for any.
            after: place (epoch seconds UTC) and id of the last transaction of the previous page; pages stay consistent
                while transactions change.
            limit: maximum number.

        Raises:
            StoreError: the store cannot be read now.
        """
        ...

    async def records(
        self, kind: RecordKind, *, first: bytes = b"", end: bytes = b"", limit: int
    ) -> tuple[tuple[bytes, Record], ...]:
        """Return the records of a kind with their keys, in the order of the keys; for operators' commands.

        Args:
            kind: of the records.
            first: smallest key; the next page begins after the last key of this one, with a zero byte appended.
            end: key before which the range ends; empty for no end.
            limit: maximum number.

        Raises:
            StoreError: the store cannot be read now, or a record is damaged.
        """
        ...

    async def put(self, namespace: str, name: str, value: bytes) -> None:
        """Store a small document (a ticket, a key) under a name, replacing any; empty bytes delete it."""
        ...

    async def add(self, namespace: str, name: str, value: bytes) -> bytes:
        """Store a document if the name is free; return the stored one."""
        ...

    async def replace(self, namespace: str, name: str, old: bytes, new: bytes) -> bool:
        """Replace a document only if it still equals `old`; empty bytes mean no document, on either side."""
        ...

    async def get(self, namespace: str, name: str) -> bytes:
        """Return a document; empty bytes if there is none."""
        ...

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Claim a single-use name; exactly one caller in all processes succeeds.

        Args:
            name: 32 bytes without meaning to others, such as a hash.
            until: end of the claim, epoch seconds UTC; it may be deleted after that.
            now: epoch seconds UTC.

        Returns:
            False if the name was claimed before.

        Raises:
            StoreError: the claim cannot be stored now, so the caller must treat the name as used.
        """
        ...

    async def list_keys(self, namespace: str, limit: int) -> tuple[str, ...]:
        """Return the names in a namespace, sorted, at most `limit`."""
        ...
