"""Group commit: writes that wait for the file share one transaction and one fsync, and each stays all or nothing.

Rules of this file:
- A write sees the changes of those before it. One that returns False or raises is undone alone.
- An error of SQLite undoes the transaction. The writes are then repeated one by one, so that none fails for another.
- A write whose caller has left is not committed, and a write that failed is never committed later.
- A write whose caller has left is taken out of the queue, so that the queue does not grow while a disk hangs.
- `WriteQueue.run` is called in the worker thread, with the lock of the writing connection.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from authguard.errors import StoreError
from authguard.stores.cancellation import CommitGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")

#: most writes in one transaction, so that it takes a few milliseconds
MAX_GROUP: Final = 64


class Write(Generic[Answer]):
    """One caller's write.

    Attributes:
        change: runs its statements; a return value of False undoes them.
        guard: decides between the worker and a caller that leaves.
        answer: the return values of its statements; empty before.
        error: what they raised.
    """

    __slots__ = ("_is_claimed", "answer", "change", "error", "guard")

    def __init__(self, change: Callable[[sqlite3.Connection], Answer]) -> None:
        """Create a write that waits."""
        self.change = change
        self.guard = CommitGuard[Answer]()
        self.answer: list[Answer] = []
        self.error: Exception | None = None
        self._is_claimed = False

    def apply(self, writer: sqlite3.Connection) -> bool:
        """Run the statements; return whether they are to be committed.

        Raises:
            sqlite3.Error: the transaction is to be undone.
        """
        self.answer, self.error = [], None
        try:
            answer = self.change(writer)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - every exception belongs to the caller
            self.error = error
            return False
        self.answer.append(answer)
        self._is_claimed = answer is not False and (self._is_claimed or self.guard.decide())
        return self._is_claimed

    def finish(self, *, is_committed: bool) -> None:
        """Publish the result to a caller that leaves."""
        if is_committed:
            self.guard.result.extend(self.answer)
        self.guard.finished = True


class WriteQueue:
    """Writes in the order of their callers."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: deque[Write[Any]] = deque()

    def add(self, change: Callable[[sqlite3.Connection], Answer]) -> Write[Answer]:
        """Append a write, for `run`."""
        write = Write(change)
        self._waiting.append(write)
        return write

    def run(self, write: Write[Answer], begin: Callable[[], sqlite3.Connection]) -> Answer:
        """Commit a write together with those that wait; return its answer.

        Args:
            write: from `add`.
            begin: begins a transaction and returns its connection, or raises.

        Raises:
            sqlite3.Error: the file cannot be written now; nothing was changed.
            Exception: of the write or of `begin`; nothing was changed.
        """
        while not write.guard.finished and (group := self._take_group()):
            _commit(group, begin)
        if write.error is not None:
            raise write.error
        return write.answer[0]

    def leave(self, write: Write[Any]) -> None:
        """Take out a write whose caller has decided to leave, unless its turn has come. May be called in any thread."""
        with suppress(ValueError):
            self._waiting.remove(write)
            write.error = StoreError("the caller has left")
            write.finish(is_committed=False)

    def _take_group(self) -> list[Write[Any]]:
        group: list[Write[Any]] = []
        with suppress(IndexError):  # a caller may leave meanwhile
            while len(group) < MAX_GROUP:
                group.append(self._waiting.popleft())
        return group


def _commit(group: Sequence[Write[Any]], begin: Callable[[], sqlite3.Connection]) -> None:
    """Run the transaction of some writes; each is finished afterwards."""
    try:
        writer = begin()
    except Exception as error:  # noqa: BLE001 - every exception belongs to the callers
        for write in group:
            write.error = error
            write.finish(is_committed=False)
        return
    try:
        committed = _transact(writer, group)
    except Exception as error:  # noqa: BLE001 - every exception belongs to a caller
        if len(group) > 1:
            for write in group:
                _commit([write], begin)
            return
        group[0].error, committed = error, []
    kept = frozenset(committed)
    for write in group:
        write.finish(is_committed=write in kept)


def _transact(writer: sqlite3.Connection, group: Sequence[Write[Any]]) -> list[Write[Any]]:
    """Commit or undo the transaction that has begun; return the committed writes."""
    try:
        kept = _apply(writer, group)
        writer.execute("COMMIT" if kept else "ROLLBACK")
    finally:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
    return kept


def _apply(writer: sqlite3.Connection, group: Sequence[Write[Any]]) -> list[Write[Any]]:
    """Run the statements of some writes; return the writes that are to be committed."""
    if len(group) == 1:
        return [write for write in group if write.apply(writer)]
    kept = []
    for write in group:
        writer.execute("SAVEPOINT write")
        if write.apply(writer):
            kept.append(write)
        else:
            writer.execute("ROLLBACK TO write")
        writer.execute("RELEASE write")
    return kept
