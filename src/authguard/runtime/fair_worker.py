"""Work that would hold the event loop too long, in a thread of its own: one piece at a time for each account.

Rule: the thread is the guard's. Whoever keeps it busy takes no thread from the app, and has one turn in the queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import anyio

from authguard.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


class FairWorker:
    """A thread, and whose turn it is in it."""

    __slots__ = ("_locks", "_worker")

    def __init__(self) -> None:
        """Begin without a thread; the first job starts it."""
        self._worker = Worker()
        #: account -> its turn in the thread
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """End the thread."""
        self._worker.end()

    async def run(self, account: bytes, job: Callable[[], Answer]) -> Answer:
        """Have a job done when it is the account's turn, and give its answer or raise what it raised."""
        turn = self._locks.get(account)
        if turn is None:
            turn = self._locks[account] = anyio.Lock()
        async with turn:
            return await self._worker.run(job)
