"""Remembers which credentials are good, so that a warm request verifies nothing; bad ones leave nothing behind.

An entry counts only within its token's own times, only while the key that verified it is published, and only while that
issuer's keys are known to be fresh enough: `recall` looks at all of these each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from authguard.core.request import Proven

#: credentials at the most, unless told otherwise
MAX_ENTRIES: Final = 65_536
#: bytes of header for each of them, on average: what is kept of one grows with it
MEAN_ENTRY_BYTES: Final = 1_024
#: times that entries share, at the most
MAX_TIMES: Final = 16_384
#: entries that are looked at to find one to forget
EVICTION_SAMPLES: Final = 4


class ValidityKey(Protocol):
    """What a verdict stands on: the key that verified it, or an issuer's word.

    Attributes:
        retired: whether it is gone, and every verdict with it.
    """

    retired: bool


class Freshness(Protocol):
    """For how long no other look is needed.

    Attributes:
        since: epoch seconds UTC; from then, ...
        due: ... until then.
    """

    since: float
    due: float


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One good credential.

    Attributes:
        proven: the verdict.
        since: epoch seconds UTC from which it holds.
        until: epoch seconds UTC from which it no longer does.
        key: what it stands on.
        keyring: for how long that need not be looked at again: the keys of its issuer, or when it was asked.
        weight: bytes of the header, or of the claims where an issuer told them apart from it.
    """

    proven: Proven
    since: float
    until: float
    key: ValidityKey
    keyring: Freshness
    weight: int


class Cache:
    """Good credentials by the SHA-256 of their header.

    Where there is no room, of a few entries the one goes that ends first. Which few is as good as random, so that more
    live credentials than there is room for cost what is missing, and no more: an order of age would forget each of them
    just before it comes again.

    Args:
        entries: at the most.
        weight: bytes of headers at the most; a kilobyte for each entry unless told.
    """

    __slots__ = ("_bound", "_entries", "_moments", "_order", "_places", "_weight", "_weight_bound", "find")

    def __init__(self, entries: int = MAX_ENTRIES, weight: int = 0) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._order: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._bound = entries
        self._weight_bound = weight or entries * MEAN_ENTRY_BYTES
        self._weight = 0
        #: tokens of one second share their times, so that a warm request finds them in the processor's caches
        self._moments: dict[float, float] = {}
        #: digest -> entry or ``None``; the dictionary's own method, since every request goes through it
        self.find = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def intern_time(self, at: float) -> float:
        """Give a time that equals this one, the same object to all who ask, for the times of an entry."""
        if len(self._moments) >= MAX_TIMES:
            self._moments.clear()
        return self._moments.setdefault(at, at)

    def put(self, digest: bytes, entry: Entry) -> None:
        """Remember a good credential, and forget others where there is no room."""
        self.remove(digest)
        if entry.weight > self._weight_bound or self._bound < 1:
            return
        while len(self._order) >= self._bound or self._weight + entry.weight > self._weight_bound:
            self.remove(self._eviction_candidate(digest))
        self._entries[digest] = entry
        self._places[digest] = len(self._order)
        self._order.append(digest)
        self._weight += entry.weight

    def remove(self, digest: bytes) -> None:
        """Forget a credential, where it is remembered."""
        gone = self._entries.pop(digest, None)
        if gone is None:
            return
        self._weight -= gone.weight
        place, last = self._places.pop(digest), self._order.pop()
        if last != digest:
            self._order[place] = last
            self._places[last] = place

    def _eviction_candidate(self, digest: bytes) -> bytes:
        """Choose what to forget; a digest is as good as random, and nobody chooses one that an issuer signs."""
        number, size = int.from_bytes(digest), len(self._order)
        few = [self._order[(number >> 32 * look) % size] for look in range(EVICTION_SAMPLES)]
        return min(few, key=lambda one: self._entries[one].until)
