"""Remembers which credentials are good, so that a warm request verifies nothing; bad ones leave nothing behind.

An entry counts only within its token's own times, only while the key that verified it is published, and only while that
issuer's keys are known to be fresh enough: `recall` looks at all of these each time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from authguard.core.facts import Proven
    from authguard.credentials.keyring import Keyring
    from authguard.credentials.keys import Key

#: credentials at the most
ENTRIES: Final = 65_536
#: bytes of their headers at the most, since what is kept of one grows with it
WEIGHT: Final = 64 * 1024 * 1024


class Entry(NamedTuple):
    """One good credential.

    Attributes:
        proven: the verdict.
        since: epoch seconds UTC from which it holds.
        until: epoch seconds UTC from which it no longer does.
        key: what verified it.
        keyring: where that key lives.
        weight: bytes of the header.
    """

    proven: Proven
    since: float
    until: float
    key: Key
    keyring: Keyring
    weight: int


class Cache:
    """Good credentials by the SHA-256 of their header; the oldest go first.

    Args:
        entries: at the most.
        weight: bytes of headers at the most.
    """

    __slots__ = ("_bound", "_entries", "_weight", "_weight_bound", "find")

    def __init__(self, entries: int = ENTRIES, weight: int = WEIGHT) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._bound = entries
        self._weight_bound = weight
        self._weight = 0
        #: digest -> entry or ``None``; the dictionary's own method, since every request goes through it
        self.find = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, digest: bytes, entry: Entry) -> None:
        """Remember a good credential, and forget the oldest where there is no room."""
        self.drop(digest)
        self._entries[digest] = entry
        self._weight += entry.weight
        while len(self._entries) > self._bound or self._weight > self._weight_bound:
            _, gone = self._entries.popitem(last=False)
            self._weight -= gone.weight

    def drop(self, digest: bytes) -> None:
        """Forget a credential, where it is remembered."""
        gone = self._entries.pop(digest, None)
        if gone is not None:
            self._weight -= gone.weight
