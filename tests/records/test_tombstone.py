"""Tombstones: retired lines leave the tree and every later proof unchanged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry
from authguard.records.merkle import Tree, leaf, prove
from authguard.records.tombstone import (
    format_retired_note,
    make_tombstone,
    parse_retired_note,
    parse_tombstone,
    subtree_levels,
)


def chain(count: int) -> list[bytes]:
    lines, head = [], GENESIS
    for seq in range(count):
        line, head = format_line(ActEntry(id=str(seq), at=100.0 + seq, policy="ab", act="started"), seq, head)
        lines.append(line)
    return lines


LINES = chain(150)
LEAVES = [leaf(line[:-1]) for line in LINES]


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for one in leaves:
        tree.add(one)
    return tree


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int, int]:
    """Generate first line and end of a tombstone, and the number of lines."""
    size = draw(st.integers(1, len(LINES)))
    begin = draw(st.integers(0, size - 1))
    return begin, draw(st.integers(begin + 1, size)), size


@given(spans())
def test_a_tree_over_a_tombstone_equals_the_tree_over_its_lines(span: tuple[int, int, int]) -> None:
    begin, end, size = span
    tombstone = make_tombstone(LINES[begin:end], begin, end - begin)
    assert tombstone is not None
    assert parse_tombstone(tombstone.encode()) == tombstone
    tree = grown(LEAVES[:begin])
    tombstone.append_to(tree)
    for one in LEAVES[end:size]:
        tree.add(one)
    assert (tree.size, tree.root()) == (size, grown(LEAVES[:size]).root())


@given(spans(), st.data())
def test_a_line_next_to_a_tombstone_is_proved_as_before(span: tuple[int, int, int], data: st.DataObject) -> None:
    begin, end, size = span
    index = data.draw(
        st.integers(0, size - 1).filter(lambda one: not begin <= one < end) if end - begin < size else st.nothing()
    )
    tombstone = make_tombstone(LINES[begin:end], begin, end - begin)
    assert tombstone is not None
    blocks = [
        (bytes.fromhex(block), level) for level, block in zip(subtree_levels(begin, end), tombstone.blocks, strict=True)
    ]
    assert prove([*LEAVES[:begin], *blocks, *LEAVES[end:size]], index, size) == prove(LEAVES[:size], index, size)


def test_a_tombstone_summarises_its_lines() -> None:
    tombstone = make_tombstone(LINES[10:20], 10, 10)
    assert tombstone is not None
    assert (tombstone.base, tombstone.count, tombstone.since, tombstone.until) == (10, 10, 110.0, 119.0)
    assert format_retired_note(tombstone).startswith("lines 11 to 20, tombstone sha256 ")
    assert len(parse_retired_note(format_retired_note(tombstone))) == 64
    assert parse_retired_note("lines 1 to 2") == ""


@pytest.mark.parametrize(
    "lines", [LINES[10:19], LINES[10:21], [*LINES[10:14], *LINES[15:21]], [b"x\n", *LINES[11:20]], LINES[9:19], []]
)
def test_lines_that_are_no_chain_of_that_length_make_no_tombstone(lines: list[bytes]) -> None:
    assert make_tombstone(lines, 10, 10) is None


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"base": -1},
        {"count": 0},
        {"count": 11},
        {"blocks": []},
        {"first": "x"},
        {"last": "A" * 64},
        {"adopted": 999},
        {"retired": ["zz"]},
        {"offered": ["x"] * 65},
        {"more": 1},
        {"base": 10**18, "count": 10**30},
    ],
)
def test_an_inconsistent_tombstone_is_refused(change: dict[str, object]) -> None:
    tombstone = make_tombstone(LINES[10:20], 10, 10)
    assert tombstone is not None
    said = json.loads(tombstone.encode()) | change
    assert parse_tombstone(json.dumps(said, separators=(",", ":")).encode() + b"\n") is None


def test_a_subtree_begins_where_one_may() -> None:
    with pytest.raises(ValueError, match="multiple"):
        grown(LEAVES[:1]).append_subtree(LEAVES[0], 1)
