"""Tests of the reading of lines into the tree: only lines that follow each other up to the target count."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authguard.audit.segment_file import Segment
from authguard.audit.write.leaf_reader import LINES_PER_SLICE, append_leaves, find_base
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry
from authguard.records.merkle import Tree, leaf

if TYPE_CHECKING:
    from collections.abc import Sequence


def chain(count: int, first: int = 0) -> tuple[list[bytes], list[str]]:
    lines, hashes = [], [GENESIS]
    for number in range(first, first + count):
        entry = ActEntry(id=f"r{number}", at=float(number), policy="ab", act="started")
        line, head = format_line(entry, number, hashes[-1])
        lines.append(line)
        hashes.append(head)
    return lines, hashes


def read(lines: Sequence[bytes], target: str) -> tuple[str, int, Tree]:
    """Return the hash of the last added line, the bytes up to it, and the tree."""
    file, tree = BytesIO(b"".join(lines)), Tree()
    last = append_leaves(file, tree, GENESIS, target)
    return last, file.tell(), tree


def test_the_lines_up_to_the_target_are_the_leaves() -> None:
    lines, hashes = chain(2 * LINES_PER_SLICE)
    last, offset, tree = read(lines, hashes[100])
    expected = Tree()
    for line in lines[:100]:
        expected.add(leaf(line[:-1]))
    assert (last, offset, tree.root()) == (hashes[100], len(b"".join(lines[:100])), expected.root())


@pytest.mark.parametrize("fault", ["edited", "missing", "torn", "foreign"])
def test_reading_stops_before_a_line_that_does_not_follow(fault: str) -> None:
    lines, hashes = chain(4)
    wrong = {
        "edited": [*lines[:2], lines[2].replace(b"started", b"stopped"), lines[3]],
        "missing": [*lines[:2], lines[3]],
        "torn": [*lines[:2], lines[2][:-5]],
        "foreign": [*lines[:2], b'{"kind":"act"}\n', *lines[2:]],
    }[fault]
    last, offset, tree = read(wrong, hashes[4])
    assert (last, offset, tree.size) == (hashes[2], len(lines[0] + lines[1]), 2)


def test_a_closed_file_names_its_first_line_and_the_written_one_holds_it() -> None:
    lines, _ = chain(2, first=7)
    closed = Segment(Path("audit.jsonl.7"), 7)
    live = Segment(Path("audit.jsonl"), -1, live=True)
    assert find_base(closed, BytesIO(b"".join(lines)), 3) == 7
    assert find_base(live, BytesIO(b"".join(lines)), 3) == 7
    assert find_base(live, BytesIO(b""), 3) == 3
