"""Hash table of records in memory: one bytes object per record, without the cost of a dictionary's key and entry.

Rules of this file:
- A key is a record's name after its length, so that no key is the start of another.
- An entry is a key and the record's value. An entry that is found again is the same object until it is replaced.
- A shard is a list of slots with linear probing. It is at most two thirds full, so that a probe ends soon.
- One shard grows at a time: growing a table of a million entries would block for tens of milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: number of shards; at a million records, growing one takes less than a millisecond
SHARDS: Final = 1024
#: bytes for the length of a name
_LENGTH: Final = 3


def key_of(name: bytes) -> bytes:
    """Return the key of a name."""
    return len(name).to_bytes(_LENGTH, "big") + name


def keys_of(names: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the keys of names."""
    return tuple([len(name).to_bytes(_LENGTH, "big") + name for name in names])


def rows_of(keys: Iterable[bytes], entries: Iterable[object]) -> list[tuple[bytes, bytes]]:
    """Return the name and the value of each entry that is not missing.

    Args:
        keys: of the entries.
        entries: from `RecordTable.find`.
    """
    rows = zip(keys, entries, strict=True)
    return [(key[_LENGTH:], entry[len(key) :]) for key, entry in rows if isinstance(entry, bytes) and entry]


def split(entry: bytes) -> tuple[bytes, bytes]:
    """Return the name and the value in an entry."""
    end = _LENGTH + int.from_bytes(entry[:_LENGTH], "big")
    return entry[_LENGTH:end], entry[end:]


class RecordTable:
    """Maps keys to entries."""

    __slots__ = ("_counts", "_shards")

    def __init__(self) -> None:
        """Create an empty table."""
        self._shards = [[b""] for _ in range(SHARDS)]
        self._counts = [0] * SHARDS

    def find(self, keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return the entries of keys; empty bytes for a missing one."""
        shards = self._shards
        found = []
        for key in keys:  # hot path of every cached decision: a call for each key would double its cost
            slot = hash(key)
            slots = shards[slot & SHARDS - 1]
            slot %= len(slots)
            while (entry := slots[slot]) and not entry.startswith(key):
                slot -= 1  # a negative index continues at the end of the list
            found.append(entry)
        return tuple(found)

    def get(self, name: bytes) -> bytes:
        """Return the value of a name; empty bytes if it is missing."""
        key = key_of(name)
        return self.find((key,))[0][len(key) :]

    def put(self, name: bytes, value: bytes) -> None:
        """Insert or replace a record."""
        key = key_of(name)
        shard = hash(key) & SHARDS - 1
        slots = self._shards[shard]
        slot = _slot(slots, key)
        if not slots[slot]:
            self._counts[shard] += 1
            if self._counts[shard] * 3 > len(slots) * 2:
                slots = self._shards[shard] = _grow(slots)
                slot = _slot(slots, key)
        slots[slot] = key + value

    def delete(self, name: bytes) -> None:
        """Delete a record that exists."""
        key = key_of(name)
        shard = hash(key) & SHARDS - 1
        slots = self._shards[shard]
        size = len(slots)
        hole = probe = _slot(slots, key)
        while entry := slots[(probe := (probe - 1) % size)]:
            start = hash(_key_in(entry)) % size
            if (start - probe) % size >= (hole - probe) % size:  # its probe would end at the hole
                slots[hole], hole = entry, probe
        slots[hole] = b""
        self._counts[shard] -= 1

    def entries(self, shard: int) -> list[bytes]:
        """Return the entries in a shard."""
        return [entry for entry in self._shards[shard] if entry]

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over all names, without order."""
        for shard in range(SHARDS):
            for entry in self.entries(shard):
                yield split(entry)[0]


def _key_in(entry: bytes) -> bytes:
    return entry[: _LENGTH + int.from_bytes(entry[:_LENGTH], "big")]


def _slot(slots: list[bytes], key: bytes) -> int:
    """Return the slot that holds a key, or the empty one that it would take."""
    size = len(slots)
    slot = hash(key) % size
    while slots[slot] and not slots[slot].startswith(key):
        slot = (slot - 1) % size
    return slot


def _grow(slots: list[bytes]) -> list[bytes]:
    """Return twice the slots and one more, with the same entries; an odd size uses the bits that chose no shard."""
    larger = [b""] * (2 * len(slots) + 1)
    for entry in slots:
        if entry:
            larger[_slot(larger, _key_in(entry))] = entry
    return larger
