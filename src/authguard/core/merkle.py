"""The Merkle tree over a log's lines (RFC 6962 2.1, RFC 9162 2.1): roots as lines come, and proofs that one is in it.

A leaf's data is one line without its newline. Rule: a tree grows by its right edge alone, so its state is the roots of
the whole subtrees there, at most 64 of them, however long the log is.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: bytes of a hash
HASH: Final = 32
#: most levels of a tree, so most hashes of a proof
LEVELS: Final = 63
EMPTY: Final = sha256(b"").digest()


def leaf(data: bytes) -> bytes:
    """Hash one leaf (RFC 6962 2.1: 0x00 before the data)."""
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees to one (RFC 6962 2.1: 0x01 before both)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows, in constant memory.

    Attributes:
        size: leaves.
        edge: the roots of its whole subtrees, the largest first.
    """

    __slots__ = ("edge", "size")

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Begin empty, or where another left off.

        Raises:
            ValueError: so many leaves have another number of whole subtrees.
        """
        self.size = size
        self.edge = list(edge)
        if size < 0 or size.bit_count() != len(self.edge):
            raise ValueError("the edge of a tree has one hash for each bit of its size")

    def add(self, hashed: bytes) -> None:
        """Add one leaf by its hash."""
        edge, size = self.edge, self.size
        while size & 1:
            hashed = sha256(b"\x01" + edge.pop() + hashed).digest()
            size >>= 1
        edge.append(hashed)
        self.size += 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add many leaves by their hashes, a level at a time: what `add` would make of them, in half of its time."""
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
        """Add a whole subtree by its root.

        Args:
            hashed: the root.
            level: so many levels over its leaves, which are 2 to the power of that.

        Raises:
            ValueError: the tree does not end where such a subtree may begin.
        """
        if self.size & ((1 << level) - 1):
            raise ValueError("a subtree begins at a multiple of its size")
        edge, size = self.edge, self.size >> level
        while size & 1:
            hashed = node(edge.pop(), hashed)
            size >>= 1
        edge.append(hashed)
        self.size += 1 << level

    def root(self) -> bytes:
        """Give the root of all leaves so far."""
        if not self.edge:
            return EMPTY
        found = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            found = node(left, found)
        return found


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Name the subtrees whose roots prove a leaf, as ranges of leaves, the lowest level first (RFC 6962 2.1.1).

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
    """Make the inclusion proof of a leaf from the hashes of all leaves, in one pass and constant memory.

    Args:
        leaves: their hashes; a root with its level stands for a whole subtree whose leaves are not at hand.
        index: of the leaf.
        size: of the tree.

    Raises:
        ValueError: there are fewer leaves than that, or the leaf is none of them.
    """
    if not 0 <= index < size:
        raise ValueError("a leaf can be proved in a tree that holds it")
    wanted = siblings(index, size)
    trees = {low: Tree() for low, _ in wanted}
    ends = dict(wanted)
    current, seen = -1, 0
    for item in leaves:
        if seen >= size:
            break
        if seen in ends:
            current = seen
        # no sibling is a part of such a subtree: its parent would be one too, and that holds the leaf itself
        hashed, level = (item, 0) if isinstance(item, bytes) else item
        if current >= 0 and seen < ends[current]:
            trees[current].append_subtree(hashed, level) if level else trees[current].add(hashed)
        seen += 1 << level
    if seen < size:
        raise ValueError(f"there are {seen} leaves, not {size}")
    return tuple(trees[low].root() for low, _ in wanted)


def root_of(hashed: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Compute the root that a proof leads to; empty where the proof has the wrong length (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or size.bit_length() > LEVELS:
        return b""
    path = siblings(index, size)
    if len(path) != len(proof):
        return b""
    for (low, _), sibling in zip(path, proof, strict=True):
        hashed = node(sibling, hashed) if low < index else node(hashed, sibling)
    return hashed


def leaves(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Hash lines to leaves; the newline is the file's, not the record's."""
    return (leaf(line.removesuffix(b"\n")) for line in lines)
