"""Table coverage: which rule decides each cell, by box subtraction or, for complex tables, by decision diagrams.

Both are exact and implement `TableCoverage`. Boxes are faster for a few dozen rules. A diagram
(`authguard.policy.table.mdd`) stays small for tables that box subtraction would split into thousands of boxes. Past the
bound of nodes the result is `Undecided`, and nothing is assumed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from authguard.policy.table.boxes import GAP, Box, Space, Undecided, find_skips, reach_of
from authguard.policy.table.mdd import MAX_NODES, DecisionDiagrams, NodeLimitError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from authguard.core.decision_table import Rule
    from authguard.policy.table.boxes import Skips, Slabs

#: boxes to process before a diagram takes over; the standard policy needs some 200
MAX_BOXES: Final = 4_000
#: leaf of the cells that no request can have
IMPOSSIBLE: Final = -2


class TableCoverage(Protocol):
    """Queries on the coverage of a table; a rule is named by its index, `GAP` means no rule."""

    def deciders(self, box: Box) -> frozenset[int]:
        """Return the rules that decide some cell of a box."""

    def decides_any(self, rules: Collection[int], box: Box) -> bool:
        """Return whether any of some rules decides a cell of a box."""

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that a rule decides."""

    def count_decided(self, box: Box) -> int:
        """Count the cells of a box that rules decide."""

    def example(self, rule: int, box: Box) -> Box:
        """Return cells of a box that a rule decides, as one wide box.

        Raises:
            ValueError: the rule decides none.
        """

    def project(self, rules: Collection[int], box: Box, slabs: Slabs) -> int:
        """Return the cells of a box that some rules decide, without the last dimensions, as a bit set.

        Args:
            rules: indexes of the rules.
            box: the cells to consider.
            slabs: for each of the first dimensions, the bit set of each value; their intersections are the cells.

        Raises:
            NodeLimitError: the diagram is too large for these bit sets.
        """


class DiagramCoverage(Struct, frozen=True):
    """Coverage by a decision diagram.

    Attributes:
        diagrams: the nodes.
        root: of the table, with one leaf for each rule.
    """

    diagrams: DecisionDiagrams
    root: int

    def deciders(self, box: Box) -> frozenset[int]:
        """Return the rules that decide some cell of a box."""
        found = self.diagrams.leaves((self.root,), box)
        return frozenset(_rule(leaf) for (leaf,) in found if leaf != IMPOSSIBLE)

    def decides_any(self, rules: Collection[int], box: Box) -> bool:
        """Return whether any of some rules decides a cell of a box."""
        return not self.deciders(box).isdisjoint(rules)

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that a rule decides."""
        return self.diagrams.count_cells((self.root,), box).get((_leaf(rule),), 0)

    def count_decided(self, box: Box) -> int:
        """Count the cells of a box that rules decide."""
        found = self.diagrams.count_cells((self.root,), box)
        return sum(cells for (leaf,), cells in found.items() if leaf not in {GAP, IMPOSSIBLE})

    def example(self, rule: int, box: Box) -> Box:
        """Return cells of a box that a rule decides, as one wide box.

        Raises:
            ValueError: the rule decides none.
        """
        wanted = {(_leaf(rule),)}
        found = self.diagrams.example((self.root,), box, wanted)
        if found is None:
            raise ValueError("the rule decides no cell of this box")
        return self.diagrams.generalize((self.root,), found, box, wanted)

    def project(self, rules: Collection[int], box: Box, slabs: Slabs) -> int:
        """Return the cells of a box that some rules decide, without the last dimensions, as a bit set.

        Args:
            rules: indexes of the rules.
            box: the cells to consider.
            slabs: for each of the first dimensions, the bit set of each value; their intersections are the cells.

        Raises:
            NodeLimitError: the diagram is too large for these bit sets.
        """
        return self.diagrams.project(self.root, box, {_leaf(rule) for rule in rules}, slabs)


def _leaf(rule: int) -> int:
    """Map a rule to its leaf, or back; `GAP` maps to itself."""
    return IMPOSSIBLE - 1 - rule if rule != GAP else GAP


_rule = _leaf  # the mapping is an involution


def compute_coverage(
    rules: Sequence[Rule],
    space: Space,
    *,
    skips: Skips | None = None,
    boxes: int = MAX_BOXES,
    nodes: int = MAX_NODES,
    within: Box | None = None,
) -> TableCoverage | Undecided:
    """Compute which rule decides each cell, first match wins.

    Args:
        rules: in order.
        space: the dimensions and their values.
        skips: which rules skip their phase, if not those of `rules`; with ``()``, the cells that a rule skips count as
            decided by it.
        boxes: largest number of boxes before a diagram takes over.
        nodes: largest number of nodes of that diagram.
        within: the cells of interest; ``None`` for all.

    Raises:
        KeyError: a rule names a dimension that the space does not have.
    """
    found = find_skips(rules) if skips is None else skips
    taken = tuple(space.box(rule.when) for rule in rules)
    return _prove(taken, found, space.whole if within is None else within, space.impossible_boxes, boxes, nodes)


@lru_cache(maxsize=8)  # several checks query the same policy
def _prove(  # noqa: PLR0917 - what the proof depends on
    rules: tuple[Box, ...], skips: Skips, whole: Box, impossible: tuple[Box, ...], boxes: int, nodes: int
) -> TableCoverage | Undecided:
    plain = reach_of(rules, whole, boxes, impossible, skips)
    if not isinstance(plain, Undecided):
        return plain
    diagrams = DecisionDiagrams(whole, (*impossible, *rules), nodes, len(impossible))
    leaves = [(box, IMPOSSIBLE) for box in impossible]
    try:
        onward = tuple((rule + len(impossible), later + len(impossible)) for rule, later in skips)
        root = diagrams.build_table(leaves + [(box, _leaf(index)) for index, box in enumerate(rules)], onward)
    except NodeLimitError as tangled:
        return Undecided(max(0, tangled.rule - len(impossible)), len(diagrams))
    return DiagramCoverage(diagrams, root)
