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
#: average size of the claims per entry; the memory of an entry grows with its claims
MEAN_ENTRY_BYTES: Final = 1_024
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


class Entry(msgspec.Struct, gc=False, eq=False):
    """One verified credential; only its place in the cache changes.

    Attributes:
        proven: the result.
        since: epoch seconds UTC from which the token is valid.
        until: epoch seconds UTC from which it is expired.
        key: the key or introspection response that the entry depends on.
        freshness: the interval in which the issuer's keys or its response need no new check.
        digest: SHA-256 under which it is cached; empty before.
        place: in the order of the cache.
    """

    proven: Proven
    since: float
    until: float
    key: ValidityKey
    freshness: Freshness
    digest: bytes = b""
    place: int = 0

    @property
    def weight(self) -> int:
        """Return the size of the claims in bytes."""
        return len(self.proven.principal.content)


class Cache:
    """Verified credentials by the SHA-256 of their header.

    If the cache is full, it evicts the entry that expires first among a few that are chosen by the new entry's digest.
    That choice is as good as random: with more live credentials than entries, only the excess misses. Eviction by age
    would evict each credential just before its next use.

    Args:
        entries: maximum number of entries.
        weight: maximum size of all claims in bytes; 0 for one kilobyte per entry.
    """

    __slots__ = ("_bound", "_entries", "_order", "_weight", "_weight_bound", "find")

    def __init__(self, entries: int = MAX_ENTRIES, weight: int = 0) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._order: list[Entry] = []
        self._bound = entries
        self._weight_bound = weight or entries * MEAN_ENTRY_BYTES
        self._weight = 0
        #: digest -> entry or ``None``; the bound method of the dictionary, since every request calls it
        self.find = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, digest: bytes, entry: Entry) -> None:
        """Store a verified credential; evict others if the cache is full.

        Args:
            digest: SHA-256 of its header.
            entry: belongs to the cache from now on.
        """
        if digest in self._entries:
            self.remove(digest)
        weight = len(entry.proven.principal.content)
        if weight > self._weight_bound or self._bound < 1:
            return
        while len(self._order) >= self._bound or self._weight + weight > self._weight_bound:
            self.remove(self._eviction_candidate(digest).digest)
        entry.digest, entry.place = digest, len(self._order)
        self._entries[digest] = entry
        self._order.append(entry)
        self._weight += weight

    def remove(self, digest: bytes) -> None:
        """Remove a credential if it is cached."""
        removed = self._entries.pop(digest, None)
        if removed is None:
            return
        self._weight -= removed.weight
        last = self._order.pop()
        if last is not removed:
            self._order[removed.place] = last
            last.place = removed.place

    def _eviction_candidate(self, digest: bytes) -> Entry:
        # a digest is as good as random, and no caller can choose the digest of a token that an issuer signs
        number, size = int.from_bytes(digest), len(self._order)
        candidates = [self._order[(number >> 32 * sample) % size] for sample in range(EVICTION_SAMPLES)]
        return min(candidates, key=lambda one: one.until)
