"""Handing checkpoints on to their anchors: a thread for each, so that none waits for another and the chain for none.

Rules: of a chain the newest checkpoint alone waits, since it covers all before it, so what waits is bounded by the
number of chains; an anchor that fails is asked again ever more rarely, and never given up; checkpoints of writers that
ended before theirs were kept are found in the writers' memory and handed on by whoever lives.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoint_file
from authguard.core.signed_note import parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.audit.write.anchor import Anchor

#: seconds after which an anchor that failed is asked again: the first time, and at most
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
#: seconds after which the memory of a chain is taken for one whose writer has ended; one that lives and writes nothing
#: hands the same checkpoint on, which an anchor may hear twice
STALE_AFTER_S: Final = 180.0
#: seconds between looks for such
SCAN_INTERVAL_S: Final = 60.0
#: seconds that a stop waits for what was not handed on yet
SHUTDOWN_TIMEOUT_S: Final = 5.0
#: characters of a reason, and of all of them together
_MAX_REASON_CHARS: Final = 200
_MAX_ERROR_CHARS: Final = 450


class _AnchorQueue:
    """One anchor, and the checkpoints that wait for it."""

    def __init__(self, anchor: Anchor, memory: Path, first: float) -> None:
        self.anchor = anchor
        self.error = ""
        self._memory = memory
        self._first = first
        self._seen: dict[str, int] = {}
        self._scanned_at = -SCAN_INTERVAL_S
        self._reset()

    def _reset(self) -> None:
        """Know no thread: as made, and in a forked child, which the parent's locks and threads are lost to."""
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._pending: dict[str, str] = {}

    def put(self, origin: str, note: str) -> None:
        """Take the newest checkpoint of a chain."""
        if self._thread is None or not self._thread.is_alive():
            self._reset()
        with self._lock:
            self._pending[origin] = note
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="authguard-anchor", daemon=True)
            self._thread.start()
        self._woken.set()

    def close(self) -> None:
        """Hand on what waits, once more at most."""
        self._ended.set()
        self._woken.set()

    def join(self, seconds: float) -> None:
        """Wait for that."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:  # newer checkpoints wait with the others
                self._ended.wait(min(self._first * 2 ** min(failures - 1, 16), MAX_RETRY_S))
            else:
                self._woken.wait(SCAN_INTERVAL_S)
            closing = self._ended.is_set()
            self._woken.clear()
            self._add_orphans()
            failures = 0 if self._publish_pending() else failures + 1
            if closing:
                return

    def _add_orphans(self) -> None:
        """Take up what writers left behind that ended."""
        if time.monotonic() - self._scanned_at < SCAN_INTERVAL_S:
            return
        self._scanned_at = time.monotonic()
        for origin, note in self._read_orphans():
            with self._lock:
                self._pending.setdefault(origin, note)

    def _read_orphans(self) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self._memory) as found:
                files = [(one.path, one.stat().st_mtime_ns) for one in found if one.name.endswith(".json")]
        except OSError:
            return
        for path, changed in files[: checkpoint_file.MAX_HEADS]:
            if time.time() - changed / 1e9 < STALE_AFTER_S or self._seen.get(path) == changed:
                continue
            self._seen[path] = changed
            try:
                note = checkpoint_file.read_head(path).note
            except (OSError, ValueError):
                continue
            said = parse_checkpoint(note)
            if said is not None:
                yield said.origin, note

    def _publish_pending(self) -> bool:
        """Hand on all that waits; give whether that could be done."""
        with self._lock:
            pending = list(self._pending.items())
        for origin, note in pending:
            try:
                self.anchor.store(note)
            except Exception as error:  # noqa: BLE001 - a thread that dies would leave the log unanchored, and nobody told
                words = getattr(error, "strerror", None) or str(error) or type(error).__name__
                said = f"{self.anchor.name}: {words}"[:_MAX_REASON_CHARS]
                self.error = "".join(char if char.isprintable() else "?" for char in said)
                return False
            with self._lock:
                if self._pending.get(origin) is note:
                    del self._pending[origin]
        self.error = ""
        return True


class AnchorPublisher:
    """Hands checkpoints on to every anchor.

    Args:
        anchors: that keep them.
        memory: folder of the writers' newest checkpoints.
        first: seconds after which an anchor that failed is asked again the first time.
    """

    def __init__(self, anchors: Sequence[Anchor], memory: Path, *, first: float = FIRST_RETRY_S) -> None:
        self._queues: Final = tuple(_AnchorQueue(anchor, memory, first) for anchor in anchors)

    @property
    def error(self) -> str:
        """Which anchors could not be reached, and why; empty where all could."""
        return "; ".join(queue.error for queue in self._queues if queue.error)[:_MAX_ERROR_CHARS]

    def publish(self, origin: str, note: str) -> None:
        """Hand on the newest checkpoint of a chain, without waiting for anything.

        Args:
            origin: of the chain.
            note: signed.
        """
        for queue in self._queues:
            queue.put(origin, note)

    def stop(self) -> None:
        """Hand on what waits, once more at most, and wait for that, but not for long."""
        for queue in self._queues:
            queue.close()
        end = time.monotonic() + SHUTDOWN_TIMEOUT_S
        for queue in self._queues:
            queue.join(max(0.0, end - time.monotonic()))
