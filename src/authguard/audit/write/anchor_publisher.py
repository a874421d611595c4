"""Publisher of checkpoints to anchors, with a thread for each anchor.

Rules: only the newest checkpoint of a chain is pending, because it covers all earlier lines; so the number of chains
bounds the pending checkpoints. A failed anchor is retried at growing intervals, without end. If a writer ended
before its last checkpoint was published, another writer finds it among the heads and publishes it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from authguard.audit import checkpoint_file
from authguard.audit.write.events import Part, PartFailed, PartWorks
from authguard.records.signed_note import parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from authguard.audit.write.anchor import Anchor
    from authguard.audit.write.events import EventBox

#: seconds until a failed anchor is retried: the first interval, and the longest
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
#: age of a head in seconds after which its writer counts as ended; the checkpoint of an idle writer may be published
#: twice
STALE_AFTER_S: Final = 180.0
#: seconds between scans for heads of ended writers
SCAN_INTERVAL_S: Final = 60.0
#: seconds that `stop` waits for pending checkpoints
SHUTDOWN_TIMEOUT_S: Final = 5.0
#: characters of one reason, and of all reasons together
_MAX_REASON_CHARS: Final = 200
_MAX_ERROR_CHARS: Final = 450


class _AnchorQueue:
    """An anchor with its pending checkpoints."""

    def __init__(self, anchor: Anchor, memory: Path, first: float, changed: Callable[[], None]) -> None:
        self.anchor = anchor
        self.error = ""
        self._changed = changed
        self._memory = memory
        self._first = first
        self._seen: dict[str, int] = {}
        self._scanned_at = -SCAN_INTERVAL_S
        self._reset()

    def _reset(self) -> None:
        """Start without a thread; a forked child calls it, because it has no threads of its parent."""
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._pending: dict[str, str] = {}

    def put(self, origin: str, note: str) -> None:
        """Add the newest checkpoint of a chain."""
        if self._thread is None or not self._thread.is_alive():
            self._reset()
        with self._lock:
            self._pending[origin] = note
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="authguard-anchor", daemon=True)
            self._thread.start()
        self._woken.set()

    def close(self) -> None:
        """Request a last attempt to publish the pending checkpoints."""
        self._ended.set()
        self._woken.set()

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:  # retry the newer checkpoints together with the failed one
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
            checkpoint = parse_checkpoint(note)
            if checkpoint is not None:
                yield checkpoint.origin, note

    def _publish_pending(self) -> bool:
        with self._lock:
            pending = list(self._pending.items())
        for origin, note in pending:
            try:
                self.anchor.store(note)
            except Exception as error:  # noqa: BLE001 - the thread must survive, to report the error
                words = getattr(error, "strerror", None) or str(error) or type(error).__name__
                text = f"{self.anchor.name}: {words}"[:_MAX_REASON_CHARS]
                self._set_error("".join(char if char.isprintable() else "?" for char in text))
                return False
            with self._lock:
                if self._pending.get(origin) is note:
                    del self._pending[origin]
        self._set_error("")
        return True

    def _set_error(self, error: str) -> None:
        if error != self.error:
            self.error = error
            self._changed()


class AnchorPublisher:
    """Publisher of checkpoints to all anchors.

    Args:
        anchors: the anchors.
        memory: folder of the writers' heads.
        first: seconds until the first retry of a failed anchor.
    """

    def __init__(self, anchors: Sequence[Anchor], memory: Path, *, first: float = FIRST_RETRY_S) -> None:
        self._queues: Final = tuple(_AnchorQueue(anchor, memory, first, self._report) for anchor in anchors)
        self._events: EventBox | None = None
        self._lock = threading.Lock()

    @property
    def error(self) -> str:
        """Return the failed anchors with their reasons; empty if all work."""
        return "; ".join(queue.error for queue in self._queues if queue.error)[:_MAX_ERROR_CHARS]

    def connect(self, events: EventBox) -> None:
        """Put the state of the anchors into a box, now and at each change; a box connected earlier gets no more."""
        self._events = events
        # a forked child must not wait for a thread of its parent
        self._lock = threading.Lock()
        self._report()

    def _report(self) -> None:
        with self._lock:  # the state that is put last is the newest one
            if self._events is not None:
                error = self.error
                self._events.put(PartFailed(Part.ANCHORING, error) if error else PartWorks(Part.ANCHORING))

    def publish(self, origin: str, note: str) -> None:
        """Publish the newest checkpoint of a chain, without waiting.

        Args:
            origin: origin of the chain.
            note: the signed note.
        """
        for queue in self._queues:
            queue.put(origin, note)

    def stop(self) -> None:
        """Try to publish the pending checkpoints once more, and wait for it until a deadline."""
        for queue in self._queues:
            queue.close()
        end = time.monotonic() + SHUTDOWN_TIMEOUT_S
        for queue in self._queues:
            queue.join(max(0.0, end - time.monotonic()))
