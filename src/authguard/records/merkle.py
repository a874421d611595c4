"""Merkle tree over a log's lines (RFC 6962 2.1, RFC 9162 2.1): incremental roots and inclusion proofs.

A leaf's data is one line without its newline. A tree grows only at its right edge, so its state is the roots of the
complete subtrees there: at most 64, however long the log.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: bytes of a hash
HASH_BYTES: Final = 32
#: most levels of a tree, so most hashes of a proof
MAX_LEVELS: Final = 63
EMPTY: Final = sha256(b"").digest()


def leaf(data: bytes) -> bytes:
    """Hash one leaf (RFC 6962 2.1: 0x00 before the data)."""
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees to one (RFC 6962 2.1: 0x01 before both)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing Merkle tree in constant memory.

    Attributes:
        size: number of leaves.
        edge: roots of its complete subtrees, the largest first.
    """

    __slots__ = ("edge", "size")

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Create an empty tree, or restore one.

        Raises:
            ValueError: the number of roots does not fit the number of leaves.
        """
        self.size = size
        self.edge = list(edge)
        if size < 0 or size.bit_count() != len(self.edge):
            raise ValueError("a tree has one root for each set bit of its size")

    def add(self, hashed: bytes) -> None:
        """Append one leaf by its hash."""
        edge, size = self.edge, self.size
        while size & 1:
            hashed = sha256(b"\x01" + edge.pop() + hashed).digest()
            size >>= 1
        edge.append(hashed)
        self.size += 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Append many leaves by their hashes, a level at a time; as `add` for each, in half the time."""
        level, size, ends = list(hashes), self.size, []
        self.size += len(level)
        while level:
            if size & 1:
                level.insert(0, self.edge.pop())
            if len(level) & 1:
                ends.append(level.pop())
            pairs = iter(level)
            level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            size >>= 1
        self.edge += reversed(ends)

    def append_subtree(self, hashed: bytes, level: int) -> None:
        """Append a complete subtree by its root.

        Args:
            hashed: the root.
            level: height over its leaves, which number 2 to that power.

        Raises:
            ValueError: the tree's size is not a multiple of the subtree's.
        """
        if self.size & ((1 << level) - 1):
            raise ValueError("a subtree must begin at a multiple of its size")
        edge, size = self.edge, self.size >> level
        while size & 1:
            hashed = node(edge.pop(), hashed)
            size >>= 1
        edge.append(hashed)
        self.size += 1 << level

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self.edge:
            return EMPTY
        found = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            found = node(left, found)
        return found


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Return the subtrees of an inclusion proof as ranges of leaves, the lowest level first (RFC 6962 2.1.1).

    Args:
        index: of the leaf, from 0.
        size: of the tree; more than the index.
    """
    found, low, high = [], 0, size
    while high - low > 1:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def prove(leaves: Iterable[bytes | tuple[bytes, int]], index: int, size: int) -> tuple[bytes, ...]:
    """Build the inclusion proof of a leaf from the hashes of all leaves, in one pass and constant memory.

    Args:
        leaves: their hashes; a pair of root and level replaces a complete subtree of which the leaves are gone.
        index: of the leaf.
        size: of the tree.

    Raises:
        ValueError: there are fewer leaves than `size`, or the leaf is not among them.
    """
    if not 0 <= index < size:
        raise ValueError("the leaf's index must be less than the tree's size")
    wanted = siblings(index, size)
    trees = {low: Tree() for low, _ in wanted}
    ends = dict(wanted)
    current, seen = -1, 0
    for item in leaves:
        if seen >= size:
            break
        if seen in ends:
            current = seen
        # no sibling lies inside such a subtree: its parent would lie there too, and with it the leaf to prove
        hashed, level = (item, 0) if isinstance(item, bytes) else item
        if current >= 0 and seen < ends[current]:
            trees[current].append_subtree(hashed, level) if level else trees[current].add(hashed)
        seen += 1 << level
    if seen < size:
        raise ValueError(f"there are {seen} leaves, not {size}")
    return tuple(trees[low].root() for low, _ in wanted)


def root_of(hashed: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a proof leads to; empty if the proof has the wrong length (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or size.bit_length() > MAX_LEVELS:
        return b""
    path = siblings(index, size)
    if len(path) != len(proof):
        return b""
    for (low, _), sibling in zip(path, proof, strict=True):
        hashed = node(sibling, hashed) if low < index else node(hashed, sibling)
    return hashed


def leaves(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Hash lines to leaves; the newline belongs to the file, not to the record."""
    return (leaf(line.removesuffix(b"\n")) for line in lines)
