"""Group commit: one fsync at a time, in a thread, shared by everyone who waits for it.

Rules: every waiter can be cancelled and no waiter's end touches another's; at most one thread syncs, however long the
disk hangs; what a failed fsync covered is never called durable, for the kernel may report that failure only once.
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

#: seconds between looks at a sync whose first waiter has left
POLL_INTERVAL_S: Final = 0.005


class _SyncRound:
    """One fsync, begun for one waiter and good for all whose line came before it."""

    __slots__ = ("closed", "done", "failed", "fd", "folder", "led", "left", "started", "target")

    def __init__(self) -> None:
        """Begin, and wait for those who write in the same turn of the loop."""
        self.fd = -1
        self.target = 0
        self.folder: Path | None = None
        self.closed: tuple[Path, ...] = ()
        self.started = threading.Lock()
        self.left = anyio.Event()
        self.led = True
        self.done = False
        self.failed = False

    def prepare(self, fd: int, target: int, folder: Path | None, closed: tuple[Path, ...]) -> None:
        """Take what is to be synced; a copy of the descriptor, so that closing the log cannot turn it to another file.

        Raises:
            OSError: the descriptor cannot be copied.
        """
        self.fd = os.dup(fd)
        self.target = target
        self.folder = folder
        self.closed = closed

    def run(self) -> None:
        """Sync, in the thread; nothing where the waiter left before the thread got to it."""
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
    """Bring a closed segment to the disk; one that was compressed meanwhile is there already."""
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
    """Waits for positions to be on the disk.

    Args:
        written: gives the descriptor and the last position written to it; called when a round begins.
    """

    def __init__(self, written: Callable[[], tuple[int, int]]) -> None:
        self._written = written
        self._worker = Worker()
        self._round: _SyncRound | None = None
        self._folder: Path | None = None
        self._closed: tuple[Path, ...] = ()
        self._durable = 0
        self._lost = 0
        #: durable before anything was given up; in doubt, what came between is called lost and not durable
        self._durable_before_loss = 0

    def add_folder(self, folder: Path) -> None:
        """Sync this folder too in the next round: the log has a file that may be new."""
        self._folder = folder

    def add_segment(self, segment: Path) -> None:
        """Sync this file too in the next round: it was written until now, and holds what is waited for."""
        self._closed = (*self._closed, segment)
        self._folder = segment.parent

    def mark_lost(self, position: int) -> None:
        """Never call anything up to a position durable that is not so already."""
        if position <= max(self._durable, self._lost):
            return
        if self._lost == 0:
            self._durable_before_loss = self._durable
        self._lost = position

    async def wait(self, position: int) -> None:
        """Return when a position is on the disk.

        Raises:
            AuditError: it is not, and will not be.
        """
        while True:
            self._finish_round()
            if position <= (self._durable_before_loss if position <= self._lost else self._durable):
                return
            if position <= self._lost:
                raise AuditError("the audit log could not be made durable: look at the disk")
            if self._round is None:
                await self._run_round(position)
            elif self._round.led:
                await self._round.left.wait()
            else:
                await anyio.sleep(POLL_INTERVAL_S)

    async def _run_round(self, position: int) -> None:
        """Begin a round and wait for it; who is cancelled meanwhile leaves it to the others."""
        self._get_written(position)
        current = self._round = _SyncRound()
        try:
            await checkpoint()  # who writes in this turn of the loop shares the sync, instead of waiting for the next
            fd, target = self._get_written(position)
            try:
                current.prepare(fd, target, self._folder, self._closed)
            except OSError as error:
                raise AuditError(f"the audit log could not be made durable: {error.strerror}") from error
            # a thread of its own: the app's threads being busy must not keep the log from the disk
            await self._worker.run(current.run)
        finally:
            current.led = False
            current.left.set()
            if current.started.acquire(blocking=False):
                if current.fd >= 0:
                    os.close(current.fd)
                self._round = None

    def _get_written(self, position: int) -> tuple[int, int]:
        """Give what is written now.

        Raises:
            AuditError: the position is not in it.
        """
        fd, target = self._written()
        if position > target:
            raise AuditError(f"the audit log has no position {position}: it never gave that out")
        return fd, target

    def _finish_round(self) -> None:
        """Take over what a finished round found."""
        current = self._round
        if current is None or not current.done:
            return
        self._round = None
        self._closed = tuple(one for one in self._closed if one not in current.closed)
        if current.failed:
            self.mark_lost(current.target)
        else:
            self._durable = max(self._durable, current.target)
            if current.folder == self._folder:
                self._folder = None
