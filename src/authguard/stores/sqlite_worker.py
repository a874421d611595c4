"""Blocking jobs of a SQLite store, in its worker thread: one at a time, and each cancelled safely.

A write whose caller is cancelled before the commit is rolled back. If the commit has begun, the caller gets its result
and is cancelled at its next await.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import get_cancelled_exc_class

from authguard.errors import StoreError
from authguard.stores.cancellation import Write, reraise_cancellation
from authguard.stores.sqlite_connection import store_error
from authguard.stores.sqlite_write_queue import WriteQueue
from authguard.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Answer = TypeVar("Answer")


class SqliteWorker:
    """Runs the jobs of one store.

    Args:
        path: the file, for messages.
        lock_timeout_s: seconds to wait for an abandoned job before `StoreError`.
        begin: begins a transaction and returns its connection.

    Attributes:
        lock: held for every use of the writing connection.
        writes: the writes that wait.
        thread: the thread.
    """

    __slots__ = ("_begin", "_lock_timeout_s", "_path", "lock", "thread", "writes")

    def __init__(self, path: Path, lock_timeout_s: float, begin: Callable[[], sqlite3.Connection]) -> None:
        self._path: Final = path
        self._lock_timeout_s: Final = lock_timeout_s
        self._begin: Final = begin
        self.lock: Final = Lock()
        self.writes: Final = WriteQueue()
        self.thread: Final = Worker()

    async def write(self, change: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Commit a write, or nothing of it if it returns False or raises.

        Raises:
            StoreError: the file cannot be written now; nothing was changed.
        """
        write = Write(change)
        self.writes.add(write)
        try:
            return await self.thread.run(partial(self._run_alone, "written", self.writes.run, write, self._begin))
        except get_cancelled_exc_class() as cancellation:
            if not write.decide():
                await write.wait_finished(self._lock_timeout_s)
                if write.result:
                    reraise_cancellation(cancellation)
                    return write.result[0]
            else:
                self.writes.leave(write)
            raise
        except Exception:
            if write.decide():  # its turn never came, so it must not be committed with a later one
                self.writes.leave(write)
                raise
            await write.wait_finished(self._lock_timeout_s)
            if not write.result:
                raise
            return write.result[0]

    def run(self, done: str, job: Callable[[], Answer]) -> Awaitable[Answer]:
        """Run another job.

        Args:
            done: participle for the message of an error, such as ``read``.
            job: blocks.
        """
        return self.thread.run(partial(self._run_alone, done, job))

    def _run_alone(self, done: str, job: Callable[..., Answer], *arguments: object) -> Answer:
        """Run a job in the worker thread; the lock holds back the next job until an abandoned one has ended."""
        if not self.lock.acquire(timeout=self._lock_timeout_s):
            raise StoreError(f"the store {self._path} still waits for an earlier write: check the disk")
        try:
            return job(*arguments)
        except sqlite3.Error as error:
            raise store_error(self._path, done, error) from error
        finally:
            self.lock.release()
