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
from typing import TYPE_CHECKING, Any, Final, TypeVar

from authguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.stores.cancellation import Write

Answer = TypeVar("Answer")

#: most writes in one transaction, so that it takes a few milliseconds
MAX_GROUP: Final = 64


class WriteQueue:
    """Writes in the order of their callers."""

    __slots__ = ("_waiting", "add")

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: deque[Write[Any]] = deque()
        #: appends a write, for `run`
        self.add: Final[Callable[[Write[Any]], None]] = self._waiting.append

    def run(self, write: Write[Answer], begin: Callable[[], sqlite3.Connection]) -> Answer:
        """Commit a write together with those that wait; return its answer.

        Args:
            write: that was added.
            begin: begins a transaction and returns its connection, or raises.

        Raises:
            sqlite3.Error: the file cannot be written now; nothing was changed.
            Exception: of the write or of `begin`; nothing was changed.
        """
        waiting = self._waiting
        while not write.finished:
            group: list[Write[Any]] = []
            with suppress(IndexError):  # a caller may leave meanwhile
                while len(group) < MAX_GROUP:
                    group.append(waiting.popleft())
            if not group:
                break
            _commit(group, begin)
        if write.error is not None:
            raise write.error
        return write.answer[0]

    def leave(self, write: Write[Any]) -> None:
        """Take out a write whose caller has decided to leave, unless its turn has come. May be called in any thread."""
        with suppress(ValueError):
            self._waiting.remove(write)
            write.error = StoreError("the caller has left")
            write.finished = True


def _commit(group: Sequence[Write[Any]], begin: Callable[[], sqlite3.Connection]) -> None:
    """Commit or undo some writes in one transaction; each is finished afterwards."""
    kept: list[Write[Any]] = []
    error: Exception | None = None
    try:
        writer = begin()
        try:
            kept = _apply(writer, group)
            writer.execute("COMMIT" if kept else "ROLLBACK")
        except Exception as raised:  # noqa: BLE001 - every exception belongs to a caller
            kept, error = [], raised
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
    except Exception as raised:  # noqa: BLE001 - of `begin`, or of an undo that failed: nothing was committed
        for write in group:
            write.error, write.finished = raised, True
        return
    if error is not None and len(group) > 1:
        for write in group:
            _commit([write], begin)
        return
    for write in group:
        write.error = error or write.error
        if write in kept:
            write.result.extend(write.answer)
        write.finished = True


def _apply(writer: sqlite3.Connection, group: Sequence[Write[Any]]) -> list[Write[Any]]:
    """Run the statements of some writes; return the writes that are to be committed.

    Raises:
        sqlite3.Error: the transaction is to be undone.
    """
    kept = []
    together = len(group) > 1
    for write in group:
        if together:
            writer.execute("SAVEPOINT write")
        write.answer, write.error, is_kept = [], None, False
        try:
            answer = write.change(writer)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - every exception belongs to the caller
            write.error = error
        else:
            write.answer.append(answer)
            write.is_claimed = is_kept = answer is not False and (write.is_claimed or write.decide())
        if is_kept:
            kept.append(write)
        elif together:
            writer.execute("ROLLBACK TO write")
        if together:
            writer.execute("RELEASE write")
    return kept
