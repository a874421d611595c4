"""Tombstones for retired log segments: the data needed to continue the hash chain and the Merkle tree past them.

The lines' own hashes are gone, but the roots of the complete subtrees that they filled remain. So every later root, and
every proof of a later line, is unchanged. Rule: a tombstone is accepted only if a signed tree confirms its roots and a
line of the log records its creation.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.records.chain import ChainedLine, parse_line
from authguard.records.entries import ActEntry
from authguard.records.merkle import MAX_LEVELS, Tree, leaf

if TYPE_CHECKING:
    from collections.abc import Iterable

#: largest numbers of rotated keys and of older tombstones that the lines of one segment may name
MAX_OFFERED_KEYS: Final = 64
MAX_RETIRED: Final = 4_096
#: act of the entry that is written before the lines are removed
RETIRED: Final = "retired"

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NOTE: Final = re.compile(r"lines [0-9]+ to [0-9]+, tombstone sha256 ([0-9a-f]{64})")


class Tombstone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The summary of a retired segment.

    Attributes:
        v: version of the format.
        base: number of the segment's first line in the chain, from 0.
        count: number of lines.
        prev: hash of the line before the first.
        first: hash of the first line.
        last: hash of the last line.
        since: time of the first line, epoch seconds UTC.
        until: time of the newest line.
        blocks: hex roots of the complete subtrees that the lines fill, in order (`subtree_levels`).
        offered: keys to which the log's key was rotated, as the lines state.
        adopted: lines of the chain that were signed later than written; 0 if the lines state none.
        retired: digests of the older tombstones that the lines named.
    """

    v: int
    base: int
    count: int
    prev: str
    first: str
    last: str
    since: float
    until: float
    blocks: tuple[str, ...]
    offered: tuple[str, ...] = ()
    adopted: int = 0
    retired: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the content of the tombstone's file."""
        return msgspec.json.encode(self) + b"\n"

    def append_to(self, tree: Tree) -> None:
        """Append the segment's lines to a tree that ends where the segment begins."""
        for level, block in zip(subtree_levels(self.base, self.base + self.count), self.blocks, strict=True):
            tree.append_subtree(bytes.fromhex(block), level)


# invalid UTF-8 in a text raises UnicodeDecodeError, a ValueError like `msgspec.DecodeError`
_decode: Final = msgspec.json.Decoder(Tombstone).decode


def parse_tombstone(raw: bytes) -> Tombstone | None:
    """Parse a tombstone; return ``None`` if it is malformed or inconsistent."""
    try:
        found = _decode(raw)
    except ValueError:
        return None
    fits = (
        found.v == 1
        and found.base >= 0
        and found.count > 0
        and (found.base + found.count).bit_length() <= MAX_LEVELS
        and len(found.blocks) == len(subtree_levels(found.base, found.base + found.count))
        and len(found.offered) <= MAX_OFFERED_KEYS
        and len(found.retired) <= MAX_RETIRED
        and 0 <= found.adopted <= found.base + found.count
        and all(_HEX.fullmatch(one) for one in (found.prev, found.first, found.last, *found.blocks, *found.retired))
    )
    # only the canonical encoding is accepted, so the hash covers the parsed bytes
    return found if fits and found.encode() == raw else None


def subtree_levels(begin: int, end: int) -> list[int]:
    """Split a range of leaves into the fewest complete subtrees; return their levels, from the first on."""
    found = []
    while begin < end:
        fits = (end - begin).bit_length() - 1
        level = min(fits, (begin & -begin).bit_length() - 1) if begin else fits
        found.append(level)
        begin += 1 << level
    return found


def make_tombstone(lines: Iterable[bytes], base: int, count: int) -> Tombstone | None:
    """Build the tombstone of a segment; return ``None`` if its lines are not a chain of that length.

    Args:
        lines: of the segment, with their newlines.
        base: number of the first.
        count: required number of lines.
    """
    wanted = subtree_levels(base, base + count)
    roots: list[str] = []
    offered: list[str] = []
    retired: list[str] = []
    adopted, since, until = 0, 0.0, 0.0
    prev = first = last = ""
    tree, seq = Tree(), base
    for line in lines:
        found = parse_line(line)
        if (
            not isinstance(found, ChainedLine)
            or found.seq != seq
            or (last and found.prev != last)
            or seq >= base + count
        ):
            return None
        if not last:
            prev, first, since = found.prev, found.hash, found.entry.at
        last, until, seq = found.hash, max(until, found.entry.at), seq + 1
        tree.add(leaf(line[:-1]))
        if tree.size == 1 << wanted[len(roots)]:
            roots.append(tree.root().hex())
            tree = Tree()
        entry = found.entry
        if type(entry) is ActEntry and entry.by == "audit":
            if entry.act == "key.rotated" and len(offered) < MAX_OFFERED_KEYS:
                offered.append(entry.note)
            elif entry.act == "adopted":
                adopted = found.seq
            elif entry.act == RETIRED:
                retired.append(parse_retired_note(entry.note))
    if seq != base + count or len(retired) > MAX_RETIRED:
        return None
    more = tuple(roots), tuple(offered), adopted, tuple(retired)
    return Tombstone(1, base, count, prev, first, last, since, until, *more)


def format_retired_note(tombstone: Tombstone) -> str:
    """Format the note of the entry that records a segment's retirement."""
    last = tombstone.base + tombstone.count
    return f"lines {tombstone.base + 1} to {last}, tombstone sha256 {sha256(tombstone.encode()).hexdigest()}"


def parse_retired_note(note: str) -> str:
    """Return the digest of the tombstone that a note names; empty if it names none."""
    found = _NOTE.fullmatch(note)
    return found[1] if found else ""
