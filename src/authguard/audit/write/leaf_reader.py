"""Taking the lines of a chain's files into its tree, while their writer goes on."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final

from authguard.core.chain import MAX_LINE_BYTES, ChainedLine, parse_line
from authguard.core.merkle import Tree, leaf

if TYPE_CHECKING:
    from authguard.audit.segment_file import Segment

#: lines that are hashed before another thread gets its turn
LINES_PER_SLICE: Final = 64


def find_base(segment: Segment, file: BinaryIO, size: int) -> int:
    """Find the number of a file's first line; of the file that is written, by that line: `size` where it has none."""
    if not segment.live:
        return segment.base
    first = parse_line(file.readline(MAX_LINE_BYTES + 1))
    return first.seq if isinstance(first, ChainedLine) else size


def append_leaves(file: BinaryIO, tree: Tree, last: str, target: str) -> str:
    """Take lines into the tree for as long as each descends to the one before; give the hash of the last.

    Args:
        file: at the first of them; afterwards behind the last.
        tree: that grows.
        last: hash of the line before.
        target: where to stop.
    """
    place = file.tell()
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")):
        if last == target:
            break
        if number % LINES_PER_SLICE == LINES_PER_SLICE - 1:
            # not a wait: it lets go of the interpreter, which a request would else get only after the switch interval
            # (measured: it then has it after 0.2 ms instead of 5 ms)
            time.sleep(0)
        # the form of a line: `authguard.core.chain`
        if line[-76 - 65 : -76] != f'{last}"'.encode() or not line[-76:].startswith(b',"hash":"'):
            break
        stated = line[-67:-3]
        if sha256(line[:-76]).hexdigest().encode() != stated:
            break
        tree.add(leaf(line[:-1]))
        place, last = place + len(line), stated.decode()
    file.seek(place)
    return last
