"""Reading of a chain's lines into its Merkle tree, while the writer continues."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.records.chain import MAX_LINE_BYTES, ChainedLine, parse_line
from authguard.records.merkle import Tree, leaf

if TYPE_CHECKING:
    from authguard.audit.segment_file import Segment

#: lines that are hashed before the thread yields
LINES_PER_SLICE: Final = 64


def find_base(segment: Segment, file: BinaryIO, size: int) -> int:
    """Return the number of a file's first line; `size` if the written file has no line yet."""
    if not segment.live:
        return segment.base
    first = parse_line(file.readline(MAX_LINE_BYTES + 1))
    return first.seq if isinstance(first, ChainedLine) else size


def append_leaves(file: BinaryIO, tree: Tree, last: str, target: str) -> str:
    """Add lines to the tree while each follows the line before it; return the hash of the last.

    Args:
        file: positioned at the first line; afterwards, after the last added line.
        tree: the tree to extend.
        last: hash of the line before the first.
        target: hash of the last line to add.
    """
    place = file.tell()
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")):
        if last == target:
            break
        if number % LINES_PER_SLICE == LINES_PER_SLICE - 1:
            # yield the interpreter; a request would otherwise get it only after the switch interval (measured: 0.2 ms
            # instead of 5 ms)
            time.sleep(0)
        # `authguard.records.chain` defines the format of a line
        if line[-76 - 65 : -76] != f'{last}"'.encode() or not line[-76:].startswith(b',"hash":"'):
            break
        stated = line[-67:-3]
        if sha256(line[:-76]).hexdigest().encode() != stated:
            break
        tree.add(leaf(line[:-1]))
        place, last = place + len(line), stated.decode()
    file.seek(place)
    return last
