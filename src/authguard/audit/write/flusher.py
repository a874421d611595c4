"""Group commit: one fsync at a time, in a thread, for all waiting callers.

Rules: a caller can be cancelled without an effect on the others. At most one thread syncs, even if the disk hangs.
Data of a failed fsync never counts as durable, because the kernel may report the failure only once.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import checkpoint

from authguard.audit.chain_file import sync_folder
from authguard.audit.segment_file import GZIP_SUFFIX
from authguard.errors import AuditError
from authguard.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: seconds between checks of a sync whose first waiter was cancelled
POLL_INTERVAL_S: Final = 0.005


class _SyncRound:
    """One fsync, for the caller that started it and for all earlier lines."""

    __slots__ = ("closed", "done", "failed", "fd", "folder", "led", "released", "started", "target")

    def __init__(self) -> None:
        """Start, and let callers of the same turn of the event loop join."""
        self.fd = -1
        self.target = 0
        self.folder: Path | None = None
        self.closed: tuple[Path, ...] = ()
        self.started = threading.Lock()
        self.released = anyio.Event()
        self.led = True
        self.done = False
        self.failed = False

    def prepare(self, fd: int, target: int, folder: Path | None, closed: tuple[Path, ...]) -> None:
        """Store what to sync; copies the descriptor, so that closing the log cannot redirect the sync to another file.

        Raises:
            OSError: the descriptor cannot be copied.
        """
        self.fd = os.dup(fd)
        self.target = target
        self.folder = folder
        self.closed = closed

    def run(self) -> None:
        """Sync, in the thread; does nothing if the caller was cancelled before the thread started."""
        if not self.started.acquire(blocking=False):
            return
        try:
            for segment in self.closed:
                _sync_segment(segment)
            os.fsync(self.fd)
            if self.folder is not None:
                sync_folder(self.folder)
        except OSError:
            self.failed = True
        finally:
            os.close(self.fd)
            self.done = True


def _sync_segment(path: Path) -> None:
    """Sync a closed segment; if it was compressed in between, it is on the disk already."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if path.with_name(path.name + GZIP_SUFFIX).exists():
            return
        raise
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Flusher:
    """Waits until written positions are durable.

    Args:
        written: returns the descriptor and the last written position; called when a round starts.
    """

    def __init__(self, written: Callable[[], tuple[int, int]]) -> None:
        self._written = written
        self._worker = Worker()
        self._round: _SyncRound | None = None
        self._folder: Path | None = None
        self._closed: tuple[Path, ...] = ()
        self._durable = 0
        self._lost = 0
        #: durable position before the first loss; positions between it and the lost one count as lost
        self._durable_before_loss = 0

    def add_folder(self, folder: Path) -> None:
        """Sync this folder in the next round, because it may have a new file."""
        self._folder = folder

    def add_segment(self, segment: Path) -> None:
        """Sync this segment in the next round, because callers may wait for its lines."""
        self._closed = (*self._closed, segment)
        self._folder = segment.parent

    def mark_lost(self, position: int) -> None:
        """Mark the positions up to this one as lost, unless they are durable."""
        if position <= max(self._durable, self._lost):
            return
        if self._lost == 0:
            self._durable_before_loss = self._durable
        self._lost = position

    async def wait(self, position: int) -> None:
        """Return when a position is on the disk.

        Raises:
            AuditError: the position is lost.
        """
        while True:
            if self._round is not None:
                self._finish_round()
            if position <= (self._durable_before_loss if position <= self._lost else self._durable):
                return
            if position <= self._lost:
                raise AuditError("the audit log could not be made durable: check the disk")
            if self._round is None:
                await self._run_round(position)
            elif self._round.led:
                await self._round.released.wait()
            else:
                await anyio.sleep(POLL_INTERVAL_S)

    async def _run_round(self, position: int) -> None:
        """Start a round and wait for it; if the caller is cancelled, the round continues for the others."""
        current = self._round = _SyncRound()
        try:
            await checkpoint()  # callers that write in this turn of the event loop share the sync, instead of waiting
            # for the next
            fd, target = self._written()
            if position > target:
                raise AuditError(f"the audit log has no position {position}")
            try:
                current.prepare(fd, target, self._folder, self._closed)
            except OSError as error:
                raise AuditError(f"the audit log could not be made durable: {error.strerror}") from error
            # a separate worker, because the app's threads may all be busy
            await self._worker.run(current.run)
        finally:
            current.led = False
            current.released.set()
            if current.started.acquire(blocking=False):
                if current.fd >= 0:
                    os.close(current.fd)
                self._round = None

    def _finish_round(self) -> None:
        current = self._round
        if current is None or not current.done:
            return
        self._round = None
        self._closed = tuple([one for one in self._closed if one not in current.closed])
        if current.failed:
            self.mark_lost(current.target)
        else:
            self._durable = max(self._durable, current.target)
            if current.folder == self._folder:
                self._folder = None
