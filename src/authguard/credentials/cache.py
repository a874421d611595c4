"""Cache of verified credentials: a request with a cached credential verifies no signature.

Rejected credentials are not cached. An entry is valid only within the times of its token, while the key that verified
it is published, and while the issuer's keys are fresh enough. `get_cached` checks all three each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from authguard.core.request import Proven

#: default limit of cached credentials
MAX_ENTRIES: Final = 65_536
#: average size of a header per entry; the memory of an entry grows with its header
MEAN_ENTRY_BYTES: Final = 1_024
#: maximum number of interned times
MAX_TIMES: Final = 16_384
#: number of entries compared to choose one to evict
EVICTION_SAMPLES: Final = 4


class ValidityKey(Protocol):
    """What an entry depends on: the key that verified the token, or an introspection response.

    Attributes:
        retired: whether the key is no longer published; its entries are then invalid.
    """

    retired: bool


class Freshness(Protocol):
    """The interval in which an entry is used without another check of its issuer.

    Attributes:
        since: start in epoch seconds UTC.
        due: end in epoch seconds UTC, exclusive.
    """

    since: float
    due: float


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One verified credential.

    Attributes:
        proven: the result.
        since: epoch seconds UTC from which the token is valid.
        until: epoch seconds UTC from which it is expired.
        key: the key or introspection response that the entry depends on.
        freshness: the interval in which the issuer's keys or its response need no new check.
        weight: size of the header, or of the introspected claims if they are larger, in bytes.
    """

    proven: Proven
    since: float
    until: float
    key: ValidityKey
    freshness: Freshness
    weight: int


class Cache:
    """Verified credentials by the SHA-256 of their header.

    If the cache is full, it evicts the entry that expires first among a few that are chosen by the new entry's digest.
    That choice is as good as random: with more live credentials than entries, only the excess misses. Eviction by age
    would evict each credential just before its next use.

    Args:
        entries: maximum number of entries.
        weight: maximum size of all headers in bytes; 0 for one kilobyte per entry.
    """

    __slots__ = ("_bound", "_entries", "_order", "_positions", "_times", "_weight", "_weight_bound", "find")

    def __init__(self, entries: int = MAX_ENTRIES, weight: int = 0) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._order: list[bytes] = []
        self._positions: dict[bytes, int] = {}
        self._bound = entries
        self._weight_bound = weight or entries * MEAN_ENTRY_BYTES
        self._weight = 0
        #: tokens of one second share their time objects, which stay in the processor's caches
        self._times: dict[float, float] = {}
        #: digest -> entry or ``None``; the bound method of the dictionary, since every request calls it
        self.find = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def intern_time(self, at: float) -> float:
        """Return an equal time; all entries with that time share one object."""
        if len(self._times) >= MAX_TIMES:
            self._times.clear()
        return self._times.setdefault(at, at)

    def put(self, digest: bytes, entry: Entry) -> None:
        """Store a verified credential; evict others if the cache is full."""
        self.remove(digest)
        if entry.weight > self._weight_bound or self._bound < 1:
            return
        while len(self._order) >= self._bound or self._weight + entry.weight > self._weight_bound:
            self.remove(self._eviction_candidate(digest))
        self._entries[digest] = entry
        self._positions[digest] = len(self._order)
        self._order.append(digest)
        self._weight += entry.weight

    def remove(self, digest: bytes) -> None:
        """Remove a credential if it is cached."""
        removed = self._entries.pop(digest, None)
        if removed is None:
            return
        self._weight -= removed.weight
        position, last = self._positions.pop(digest), self._order.pop()
        if last != digest:
            self._order[position] = last
            self._positions[last] = position

    def _eviction_candidate(self, digest: bytes) -> bytes:
        # a digest is as good as random, and no caller can choose the digest of a token that an issuer signs
        number, size = int.from_bytes(digest), len(self._order)
        candidates = [self._order[(number >> 32 * sample) % size] for sample in range(EVICTION_SAMPLES)]
        return min(candidates, key=lambda one: self._entries[one].until)
