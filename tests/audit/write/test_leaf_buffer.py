"""Tests of the leaves' way to the signer: which lines a slice holds, where it ends, and when the disk decides."""

from __future__ import annotations

import os
import random
from typing import Final

import pytest

from authguard.audit.write import leaf_buffer
from authguard.audit.write.leaf_buffer import LINES_PER_SLICE, MAX_SLICES, LeafBuffer, LeafSlice, append_slices
from authguard.records.merkle import Tree

#: bytes of each line here
LINE: Final = 10


class Writer:
    """Adds leaves as `authguard.audit.write.jsonl` does; the hash of a line is its number."""

    def __init__(self, every: int = 1_000_000) -> None:
        self.woken: list[int] = []
        self.buffer = LeafBuffer(every, lambda: self.woken.append(len(self.leaves)))
        self.leaves: list[bytes] = []
        self.base = 0

    def write(self, count: int) -> None:
        for _ in range(count):
            leaf = os.urandom(32)
            self.leaves.append(leaf)
            length = len(self.leaves)
            if length > self.buffer.due:
                self.buffer.publish(leaf, length, str(length - 2), self.base, (length - 1 - self.base) * LINE)
            else:
                self.buffer.leaves.append(leaf)

    def rotate(self) -> None:
        self.base = len(self.leaves)
        self.buffer.restart()

    def tree(self, size: int) -> Tree:
        tree = Tree()
        tree.extend(self.leaves[:size])
        return tree


def places(slices: list[LeafSlice]) -> list[tuple[int, int]]:
    return [(one.first, one.first + len(one.leaves)) for one in slices]


def test_slices_hold_each_line_once_but_the_first_and_never_the_newest() -> None:
    writer = Writer()
    writer.write(3 * LINES_PER_SLICE)
    taken = writer.buffer.take()
    assert places(taken) == [(1, 1 + LINES_PER_SLICE), (1 + LINES_PER_SLICE, 1 + 2 * LINES_PER_SLICE)]
    for one in taken:
        end = one.first + len(one.leaves)
        assert one.leaves == writer.leaves[one.first : end]
        assert (one.base, one.offset, one.last) == (0, end * LINE, str(end - 1))
    assert writer.buffer.take() == []
    writer.write(LINES_PER_SLICE)
    assert places(writer.buffer.take()) == [(1 + 2 * LINES_PER_SLICE, 1 + 3 * LINES_PER_SLICE)]


@pytest.mark.parametrize("every", [1, 2, 3, 100, LINES_PER_SLICE, 1_000])
def test_the_signer_is_woken_at_the_first_line_and_then_with_all_lines_before_the_newest(every: int) -> None:
    writer = Writer(every)
    writer.write(1)
    assert writer.woken == [1]
    writer.write(2 * every)
    assert writer.woken == [1, 1 + every, 1 + 2 * every]
    tree = writer.tree(1)
    append_slices(writer.buffer.take(), tree, 0)
    assert tree.size == len(writer.leaves) - 1


def test_the_first_line_after_a_restart_is_in_no_slice() -> None:
    writer = Writer(1)
    writer.write(5)
    writer.buffer.restart()
    writer.write(5)
    assert [end for _, end in places(writer.buffer.take())] == [1, 2, 3, 4, 6, 7, 8, 9]
    tree = writer.tree(5)
    writer.buffer.restart()
    writer.write(20)
    assert append_slices(writer.buffer.take(), tree, 0) is None, "line 11 must be read"


def test_a_slice_without_a_leaf_for_each_line_is_dropped() -> None:
    writer = Writer()
    writer.write(10)
    writer.leaves.append(b"")  # a signal's exception came between the line and its leaf
    writer.write(2 * LINES_PER_SLICE)
    first = LINES_PER_SLICE + 2
    assert places(writer.buffer.take()) == [(first, first + LINES_PER_SLICE)]


def test_beyond_the_bound_the_oldest_is_dropped_and_the_rest_adds_nothing() -> None:
    writer = Writer()
    writer.write((MAX_SLICES + 3) * LINES_PER_SLICE)
    taken = writer.buffer.take()
    assert len(taken) == MAX_SLICES
    assert sum(len(one.leaves) for one in taken) <= MAX_SLICES * LINES_PER_SLICE
    tree = writer.tree(1)
    assert append_slices(taken, tree, 0) is None
    assert (tree.size, tree.root()) == (1, writer.tree(1).root())


def test_slices_continue_a_tree_anywhere_in_them_and_only_in_its_file() -> None:
    writer = Writer()
    writer.write(4 * LINES_PER_SLICE)
    taken = writer.buffer.take()
    end = 1 + 3 * LINES_PER_SLICE
    for size in (1, 2, LINES_PER_SLICE, LINES_PER_SLICE + 1, end - 1):
        tree = writer.tree(size)
        assert append_slices(taken, tree, 0) == taken[-1]
        assert tree.root() == writer.tree(end).root()
    for size in (0, end, end + 1):
        tree = writer.tree(size)
        assert append_slices(taken, tree, 0) is None
        assert tree.size == size
    assert append_slices(taken, writer.tree(1), 1) is None
    assert append_slices([], Tree(), 0) is None


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_order_a_tree_has_the_lines_of_the_writer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaf_buffer, "MAX_SLICES", 4)
    chance = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
    writer = Writer(chance.choice((1, 7, 300, 5_000)))
    tree, base = Tree(), 0
    for _ in range(60):
        step = chance.random()
        if step < 0.1:
            writer.rotate()
        elif step < 0.15:
            writer.buffer.restart()
        writer.write(chance.choice((0, 1, 3, 50, 600)))
        if chance.random() < 0.5:
            added = append_slices(writer.buffer.take(), tree, base)
            assert added is None or (added.base, added.offset, added.last) == (
                base,
                (tree.size - base) * LINE,
                str(tree.size - 1),
            )
            assert added is None or tree.size < len(writer.leaves), "the newest line is read from the disk"
            tree.extend(writer.leaves[tree.size :])  # as the signer reads them
            base = writer.base if writer.base < tree.size else base
            assert tree.root() == writer.tree(tree.size).root()
