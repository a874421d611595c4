"""Exact comparison of two decision tables over the same cells: differing answers, their number, and an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from authguard.policy.table.boxes import GAP, Box, Skips, Undecided
from authguard.policy.table.mdd import MAX_NODES, DecisionDiagrams, NodeLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class TableDifference(Struct, frozen=True, kw_only=True):
    """Cells in which the old table has one answer and the new table another.

    Attributes:
        before: the old table's answer; empty if it has none.
        after: the new table's answer; empty if it has none.
        slice: index of the slice of the space that contains the cells.
        cells: number of cells.
        box: some of the cells, as one wide box.
    """

    before: str
    after: str
    slice: int
    cells: int
    box: Box


class Comparison:
    """Two tables in shared diagrams, so that equal parts are skipped.

    Attributes:
        changes: every pair of differing answers, for each slice.
    """

    __slots__ = ("_diagrams", "_leaves", "_roots", "_slices", "changes")

    def __init__(
        self,
        whole: Box,
        tables: tuple[Sequence[tuple[Box, str]], Sequence[tuple[Box, str]]],
        slices: Sequence[Box],
        nodes: int = MAX_NODES,
        skips: tuple[Skips, Skips] = ((), ()),
    ) -> None:
        """Build both tables and compare them.

        Args:
            whole: the box of all cells.
            tables: the old and the new one: box and answer of each rule, first match wins.
            slices: disjoint boxes to report separately.
            nodes: largest number of nodes.
            skips: of each table, which rules skip their phase.

        Raises:
            NodeLimitError: the bound was reached.
        """
        answers = dict.fromkeys(answer for table in tables for _, answer in table)
        leaf = {answer: -2 - place for place, answer in enumerate(answers)}
        self._leaves = {GAP: ""} | {number: answer for answer, number in leaf.items()}
        self._slices = tuple(slices)
        # cells that neither table decides come first in both; they say nothing of the order in which rules decide
        leading = [*slices, *_common_start(*tables)]
        skipped = set(leading)
        boxes = [*leading, *(box for table in tables for box, _ in table if box not in skipped)]
        self._diagrams = DecisionDiagrams(whole, boxes, nodes, len(leading))
        self._roots = tuple(
            self._diagrams.build_table([(box, leaf[answer]) for box, answer in table], onward)
            for table, onward in zip(tables, skips, strict=True)
        )
        self.changes = tuple(self._compare())

    def _compare(self) -> list[TableDifference]:
        found = []
        for index, part in enumerate(self._slices):
            for leaves, cells in self._diagrams.count_cells(self._roots, part, differing=True).items():
                box = self._diagrams.example(self._roots, part, {leaves})
                if box is None:
                    raise NodeLimitError(0)  # unreachable unless the algebra is wrong
                before, after = (self._leaves[leaf] for leaf in leaves)
                wide = self._diagrams.generalize(self._roots, box, part, {leaves})
                found.append(TableDifference(before=before, after=after, slice=index, cells=cells, box=wide))
        return found

    def make_finder(self, change: TableDifference) -> Callable[[Box], Box | None]:
        """Return a function that finds cells of one difference within any box."""
        number = {answer: leaf for leaf, answer in self._leaves.items()}
        wanted = {(number[change.before], number[change.after])}
        part = self._slices[change.slice]

        def find(box: Box) -> Box | None:
            within = tuple(a & b for a, b in zip(box, part, strict=True))
            return self._diagrams.example(self._roots, within, wanted)

        return find


def _common_start(old: Sequence[tuple[Box, str]], new: Sequence[tuple[Box, str]]) -> list[Box]:
    """Return the boxes with one answer with which both tables begin."""
    found = []
    for one, other in zip(old, new, strict=False):
        if one != other or one[1] != old[0][1]:
            break
        found.append(one[0])
    return found


def compare(
    whole: Box,
    tables: tuple[Sequence[tuple[Box, str]], Sequence[tuple[Box, str]]],
    slices: Sequence[Box],
    nodes: int = MAX_NODES,
    skips: tuple[Skips, Skips] = ((), ()),
) -> Comparison | Undecided:
    """Compare two tables (see `Comparison`); return `Undecided` if they are too complex."""
    try:
        return Comparison(whole, tables, slices, nodes, skips)
    except NodeLimitError as tangled:
        return Undecided(tangled.rule, nodes)
