"""Leaves of written lines, on their way from the writer to the signer's Merkle tree, so that few lines are read again.

The writer's thread adds leaves and publishes them as slices, and the signer's thread takes these. Neither waits for
the other: a slice is immutable, and both operations of the queue are atomic.

Rules: the leaf of the last line is never published, so the signer always reads at least one line from the disk. The
first line after `restart` is in no slice, so the signer cannot pass it without reading the lines up to it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authguard.records.merkle import Tree

#: leaves of a slice: the signer hashes one in 0.2 ms, and then yields the interpreter
LINES_PER_SLICE: Final = 256
#: slices that wait for the signer; beyond, the oldest is dropped, and the signer reads the lines from the disk
MAX_SLICES: Final = 64


class LeafSlice(Struct, frozen=True):
    """Leaves of lines that follow each other in one file.

    Attributes:
        first: number of the first line in the chain.
        leaves: hash of each line (RFC 6962 2.1).
        base: number of the first line of the file.
        offset: bytes of the file up to the end of the last line.
        last: hash of the last line, 64 hex digits.
    """

    first: int
    leaves: list[bytes]
    base: int
    offset: int
    last: str


class LeafBuffer:
    """Leaves that the writer has not published yet, and slices that the signer has not taken yet.

    Args:
        every: lines after which the signer is woken.
        wake: wakes the signer.

    Attributes:
        leaves: leaves of the lines that are not published; the writer appends to it itself, to save a call per line.
        due: length of the chain beyond which the writer calls `publish`.
    """

    __slots__ = ("_every", "_first", "_slices", "_wake", "_wake_at", "due", "leaves")

    def __init__(self, every: int, wake: Callable[[], None]) -> None:
        self._every = every
        self._wake = wake
        self._wake_at = 0
        self._slices: deque[LeafSlice] = deque(maxlen=MAX_SLICES)
        self.restart()

    def restart(self) -> None:
        """Forget the leaves; the next line is in no slice, because the file may have changed before it."""
        self.leaves: list[bytes] = []
        self._first = -1
        self.due = 0

    def publish(self, leaf: bytes, length: int, last: str, base: int, offset: int) -> None:
        """Publish the leaves of the lines before the newest one, and wake the signer if it is time.

        Args:
            leaf: leaf of the newest line.
            length: lines of the chain, with the newest.
            last: hash of the line before the newest.
            base: number of the first line of the file.
            offset: bytes of the file before the newest line.
        """
        end = length - 1
        # also false after an exception of a signal between a line and its leaf
        if len(self.leaves) == end - self._first:
            self._slices.append(LeafSlice(self._first, self.leaves, base, offset, last))
            self.leaves, self._first = [leaf], end
        else:
            self.leaves, self._first = [], length
        is_wake_due = length >= self._wake_at
        if is_wake_due:
            self._wake_at = length + self._every
        self.due = min(self._first + LINES_PER_SLICE, self._wake_at - 1)
        if is_wake_due:
            self._wake()

    def take(self) -> list[LeafSlice]:
        """Return the published slices, the oldest first, and forget them."""
        taken = []
        while self._slices:
            taken.append(self._slices.popleft())
        return taken


def append_slices(slices: Iterable[LeafSlice], tree: Tree, base: int) -> LeafSlice | None:
    """Add the leaves of slices to the tree while each continues it; return the last added slice.

    Args:
        slices: as `LeafBuffer.take` returns them.
        tree: the tree to extend.
        base: number of the first line of the file with the tree's last line.
    """
    added = None
    for one in slices:
        known = tree.size - one.first
        if known >= len(one.leaves):
            continue
        if known < 0 or one.base != base:
            break
        tree.extend(one.leaves[known:])
        added = one
        # yield the interpreter to the requests
        time.sleep(0)
    return added
