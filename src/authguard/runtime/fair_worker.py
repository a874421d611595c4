"""A worker thread for jobs that would block the event loop, with one job at a time for each account.

The thread belongs to the guard. An account that keeps it busy takes no thread from the app and has one place in the
queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import anyio

from authguard.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class FairWorker:
    """A worker thread, with a lock for each account."""

    __slots__ = ("_locks", "_worker")

    def __init__(self) -> None:
        """Start with no thread; the first job starts it."""
        self._worker = Worker()
        #: account -> lock for its jobs
        self._locks: WeakValueDictionary[bytes, anyio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """End the thread."""
        self._worker.end()

    async def run(self, account: bytes, job: Callable[[], Result]) -> Result:
        """Run a job when the account's earlier jobs have ended; return its result or raise its exception."""
        lock = self._locks.get(account)
        if lock is None:
            lock = self._locks[account] = anyio.Lock()
        async with lock:
            return await self._worker.run(job)
