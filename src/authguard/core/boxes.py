"""The algebra of rules: a rule is a box of cells, and subtracting boxes from the whole leaves exactly the gaps.

A box is one bit mask per dimension: bit *i* stands for the dimension's *i*-th value. A cell is in the box when each of
its values is in that dimension's mask; a box with an empty mask holds nothing.

Rules of this file:
- Pure and exact: no sampling, no rounding, no order but the one given.
- Work is bounded by a budget of boxes looked at; past it the answer is `Undecided`, and nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule

Box = tuple[int, ...]

#: what stands for a rule in the cells that no rule decides
GAP: Final = -1

#: boxes looked at before a rule set counts as too tangled (about a second); the standard policy needs under a thousand
MAX_BOXES: Final = 200_000


@dataclass(frozen=True, slots=True)
class BoxCoverage:
    """Who takes what, exactly.

    Attributes:
        reaches: for each rule, in order, the cells that it decides: disjoint boxes, empty where it is shadowed.
        gap: the cells that no rule decides: disjoint boxes.
        nodes: boxes looked at on the way.
    """

    reaches: tuple[tuple[Box, ...], ...]
    gap: tuple[Box, ...]
    nodes: int

    def deciders(self, box: Box) -> frozenset[int]:
        """Give the rules that decide some cell of a box; `GAP` among them where none decides one."""
        found = {index for index, reached in enumerate(self.reaches) if _intersects(reached, box)}
        return frozenset(found | {GAP}) if _intersects(self.gap, box) else frozenset(found)

    def decides_any(self, rules: Iterable[int], box: Box) -> bool:
        """Whether any of some rules decides a cell of a box."""
        return any(_intersects(self._of(rule), box) for rule in rules)

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that one rule decides, or `GAP`."""
        return sum(count(intersect(box, taken)) for taken in self._of(rule))

    def example(self, rule: int, box: Box) -> Box:
        """Give cells of a box that one rule decides, as wide a box as there is at hand.

        Raises:
            ValueError: it decides none of them.
        """
        return largest(both for taken in self._of(rule) if not is_empty(both := intersect(box, taken)))

    def _of(self, rule: int) -> tuple[Box, ...]:
        return self.gap if rule == GAP else self.reaches[rule]


def _intersects(taken: Iterable[Box], box: Box) -> bool:
    for one in taken:
        for a, b in zip(one, box, strict=True):
            if not a & b:
                break
        else:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Undecided:
    """The rules are too tangled for the budget; nothing is known.

    Attributes:
        rule: index of the rule at which the budget ran out.
        nodes: boxes (or nodes of a diagram) looked at until then, and those still to look at.
    """

    rule: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Space:
    """Dimensions and their closed sets of values: what turns words into boxes and back.

    Attributes:
        values: dimension -> its values, in order.
    """

    values: Mapping[str, tuple[str, ...]]

    @property
    def whole(self) -> Box:
        """The box of all cells."""
        return tuple((1 << len(known)) - 1 for known in self.values.values())

    def box(self, when: Mapping[str, Iterable[str]]) -> Box:
        """Turn a condition into a box; a dimension that is not named takes any value.

        A value that is not in its dimension's set matches nothing, as at run time.

        Raises:
            KeyError: a dimension that this space does not have.
        """
        for dimension in when:
            self.values[dimension]  # an unknown dimension must not pass for "any"
        return tuple(
            sum(1 << known.index(value) for value in set(when[dimension]) if value in known)
            if dimension in when
            else (1 << len(known)) - 1
            for dimension, known in self.values.items()
        )

    def witness(self, box: Box) -> tuple[str, ...]:
        """Choose one concrete cell of a box that holds any: the first value of each dimension."""
        return tuple(
            known[(mask & -mask).bit_length() - 1] for mask, known in zip(box, self.values.values(), strict=True)
        )

    def words(self, box: Box) -> str:
        """Describe a box: only the dimensions that it narrows; ``any cell`` for the whole."""
        parts = [
            f"{dimension} {_describe_values(mask, known)}"
            for mask, (dimension, known) in zip(box, self.values.items(), strict=True)
            if mask != (1 << len(known)) - 1
        ]
        return ", ".join(parts) or "any cell"

    def describe_cell(self, cell: Sequence[str]) -> str:
        """Describe one cell: every dimension with its value."""
        return ", ".join(f"{dimension} `{value}`" for dimension, value in zip(self.values, cell, strict=True))


def _describe_values(mask: int, known: Sequence[str]) -> str:
    """Say a set of values; one that lacks fewer than it has is said by what it lacks."""
    held = [value for place, value in enumerate(known) if mask >> place & 1]
    lacking = [value for value in known if value not in held]
    if len(lacking) < len(held):
        return "not " + " nor ".join(f"`{value}`" for value in lacking)
    return " or ".join(f"`{value}`" for value in held) or "of no value"


def count(box: Box) -> int:
    """Count the cells of a box."""
    return prod(mask.bit_count() for mask in box)


def intersect(left: Box, right: Box) -> Box:
    """Give the cells in both; empty in some dimension where there are none (`is_empty`)."""
    return tuple(a & b for a, b in zip(left, right, strict=True))


def is_empty(box: Box) -> bool:
    """Whether a box holds no cell."""
    return not all(box)


def subtract(box: Box, cut: Box) -> Iterator[Box]:
    """Give the cells of a box outside another, as disjoint boxes."""
    if is_empty(intersect(box, cut)):
        if not is_empty(box):
            yield box
        return
    narrowed = list(box)
    for place, (mask, away) in enumerate(zip(box, cut, strict=True)):
        if outside := mask & ~away:
            narrowed[place] = outside
            yield tuple(narrowed)
        narrowed[place] = mask & away


def largest(boxes: Iterable[Box]) -> Box:
    """Choose the box with the most cells; the first of equals.

    Raises:
        ValueError: there is none.
    """
    return max(boxes, key=count)


def widen_gap(box: Box, rules: Iterable[Box], whole: Box) -> Box:
    """Widen an uncovered box as far as it stays uncovered, so that a gap is told in few words.

    Args:
        box: cells that no rule decides.
        rules: all rules.
        whole: the box of all cells.
    """
    taken = tuple(rules)
    for place, full in enumerate(whole):
        for bit in range(full.bit_length()):
            wider = (*box[:place], box[place] | 1 << bit, *box[place + 1 :])
            if wider != box and all(is_empty(intersect(wider, rule)) for rule in taken):
                box = wider
    return box


def reach(rules: Sequence[Rule], space: Space, budget: int = MAX_BOXES) -> BoxCoverage | Undecided:
    """Give each rule's exact reach, first match wins, and what is left over.

    Args:
        rules: in order.
        space: the dimensions and their values.
        budget: boxes to look at, at the most.

    Raises:
        KeyError: a rule names a dimension that the space does not have.
    """
    return reach_of(tuple(space.box(rule.when) for rule in rules), space.whole, budget)


@lru_cache(maxsize=16)  # several checks ask the same question of the same policy
def reach_of(rules: tuple[Box, ...], whole: Box, budget: int) -> BoxCoverage | Undecided:
    """Give each box's exact reach, as `reach` does for rules."""
    remaining: list[Box] = [] if is_empty(whole) else [whole]
    reaches: list[tuple[Box, ...]] = []
    nodes = 0
    for index, rule in enumerate(rules):
        nodes += len(remaining)
        if nodes > budget:
            return Undecided(index, nodes)
        taken: list[Box] = []
        left: list[Box] = []
        for box in remaining:
            common = intersect(box, rule)
            if not is_empty(common):
                taken.append(common)
            left.extend(subtract(box, rule))
        reaches.append(tuple(taken))
        remaining = left
    return BoxCoverage(tuple(reaches), tuple(remaining), nodes)
