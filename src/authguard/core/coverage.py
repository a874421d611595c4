"""Who decides what, proved over every cell: by boxes where the rules are plain, by a diagram where they are tangled.

Both are exact and answer the same questions (`TableCoverage`). Boxes are faster for a few dozen rules;
a diagram (`authguard.core.mdd`) stays small where thousands of pieces would be left. Past the bound of the diagram
the answer is `Undecided`, and nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from authguard.core.boxes import GAP, Box, Space, Undecided, reach_of
from authguard.core.mdd import MAX_NODES, DecisionDiagrams, NodeLimitError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from authguard.core.decision_table import Rule

#: boxes looked at before a diagram takes over; the standard policy needs some 200
MAX_BOXES: Final = 4_000


class TableCoverage(Protocol):
    """What a proof can be asked; a rule is named by its index, and `GAP` stands for no rule."""

    def deciders(self, box: Box) -> frozenset[int]:
        """Give the rules that decide some cell of a box."""

    def decides_any(self, rules: Collection[int], box: Box) -> bool:
        """Whether any of some rules decides a cell of a box."""

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that a rule decides."""

    def example(self, rule: int, box: Box) -> Box:
        """Give cells of a box that a rule decides: one wide box of them.

        Raises:
            ValueError: it decides none.
        """


@dataclass(frozen=True, slots=True)
class DiagramCoverage:
    """A proof by a diagram.

    Attributes:
        forest: that holds it.
        root: of the table, with one leaf for each rule.
    """

    diagrams: DecisionDiagrams
    root: int

    def deciders(self, box: Box) -> frozenset[int]:
        """Give the rules that decide some cell of a box."""
        return frozenset(_rule(leaf) for (leaf,) in self.diagrams.leaves((self.root,), box))

    def decides_any(self, rules: Collection[int], box: Box) -> bool:
        """Whether any of some rules decides a cell of a box."""
        return not self.deciders(box).isdisjoint(rules)

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that a rule decides."""
        return self.diagrams.count_cells((self.root,), box).get((_leaf(rule),), 0)

    def example(self, rule: int, box: Box) -> Box:
        """Give cells of a box that a rule decides: one wide box of them.

        Raises:
            ValueError: it decides none.
        """
        wanted = {(_leaf(rule),)}
        found = self.diagrams.example((self.root,), box, wanted)
        if found is None:
            raise ValueError("the rule decides no cell of this box")
        return self.diagrams.generalize((self.root,), found, box, wanted)


def _leaf(rule: int) -> int:
    """Number a rule's leaf; `GAP` is its own, and the diagram's."""
    return -2 - rule if rule != GAP else GAP


_rule = _leaf  # the numbering is its own inverse


def compute_coverage(
    rules: Sequence[Rule], space: Space, *, boxes: int = MAX_BOXES, nodes: int = MAX_NODES
) -> TableCoverage | Undecided:
    """Prove who decides every cell, first match wins.

    Args:
        rules: in order.
        space: the dimensions and their values.
        boxes: to look at before a diagram takes over.
        nodes: of that diagram, at the most.

    Raises:
        KeyError: a rule names a dimension that the space does not have.
    """
    return _prove(tuple(space.box(rule.when) for rule in rules), space.whole, boxes, nodes)


@lru_cache(maxsize=8)  # several checks ask the same question of the same policy
def _prove(rules: tuple[Box, ...], whole: Box, boxes: int, nodes: int) -> TableCoverage | Undecided:
    plain = reach_of(rules, whole, boxes)
    if not isinstance(plain, Undecided):
        return plain
    diagrams = DecisionDiagrams(whole, rules, nodes)
    try:
        root = diagrams.build_table([(box, _leaf(index)) for index, box in enumerate(rules)])
    except NodeLimitError as tangled:
        return Undecided(tangled.rule, len(diagrams))
    return DiagramCoverage(diagrams, root)
