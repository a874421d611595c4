"""Box algebra of decision rules: a rule is a box of cells, and subtracting all boxes from the space leaves the gaps.

A box is one bit mask per dimension: bit *i* represents the dimension's *i*-th value. A cell is in the box if each of
its values is in that dimension's mask. A box with an empty mask has no cells.

Rules of this file:
- Pure and exact: no sampling, no rounding, no order but the one given.
- Work is bounded by a number of boxes; past it the result is `Undecided`, and nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from operator import and_
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from authguard.core.decision_table import Rule

Box = tuple[int, ...]
#: index of a rule that skips its phase, and of the first rule of a following phase; the table's length without one
Skips = tuple[tuple[int, int], ...]
#: for each of some dimensions, a bit set per value
Slabs = Sequence[Sequence[int]]

#: index used instead of a rule's for cells that no rule decides
GAP: Final = -1

#: boxes to process before rules count as too complex (about a second); the standard policy needs under a thousand
MAX_BOXES: Final = 200_000
#: most values of one dimension in words
_MAX_VALUES: Final = 12


class BoxCoverage(Struct, frozen=True):
    """The exact cells of each rule.

    Attributes:
        reaches: for each rule, in order, the disjoint boxes of cells that it decides; empty if it is shadowed or skips.
        gap: disjoint boxes of the cells that no rule decides.
        nodes: number of boxes processed.
    """

    reaches: tuple[tuple[Box, ...], ...]
    gap: tuple[Box, ...]
    nodes: int

    def deciders(self, box: Box) -> frozenset[int]:
        """Return the rules that decide some cell of a box, with `GAP` if no rule decides one of them."""
        found = {index for index, reached in enumerate(self.reaches) if _intersects(reached, box)}
        return frozenset(found | {GAP}) if _intersects(self.gap, box) else frozenset(found)

    def decides_any(self, rules: Iterable[int], box: Box) -> bool:
        """Return whether any of some rules decides a cell of a box."""
        return any(_intersects(self._of(rule), box) for rule in rules)

    def cells(self, rule: int, box: Box) -> int:
        """Count the cells of a box that one rule decides, or `GAP`."""
        return sum(count(intersect(box, taken)) for taken in self._of(rule))

    def example(self, rule: int, box: Box) -> Box:
        """Return cells of a box that one rule decides, as the widest box available.

        Raises:
            ValueError: the rule decides none of them.
        """
        return largest(both for taken in self._of(rule) if not is_empty(both := intersect(box, taken)))

    def project(self, rules: Iterable[int], box: Box, slabs: Slabs) -> int:
        """Return the cells of a box that some rules decide, without the last dimensions, as a bit set.

        Args:
            rules: indexes of the rules.
            box: the cells to consider.
            slabs: for each of the first dimensions, the bit set of each value; their intersections are the cells.
        """
        size = len(slabs)
        heads = {
            intersect(taken[:size], box[:size])
            for rule in rules
            for taken in self._of(rule)
            if all(map(and_, taken, box))
        }
        known: dict[tuple[int, int], int] = {}
        found = 0
        for head in heads:
            cells = -1
            for place, mask in enumerate(head):
                if (place, mask) not in known:
                    known[place, mask] = unite(slabs[place], mask)
                cells &= known[place, mask]
            found |= cells
        return found

    def count_decided(self, box: Box) -> int:
        """Count the cells of a box that rules decide."""
        return sum(self.cells(rule, box) for rule in range(len(self.reaches)))

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


class Undecided(Struct, frozen=True):
    """The rules are too complex for the bound; nothing is known.

    Attributes:
        rule: index of the rule at which the bound was reached.
        nodes: boxes (or nodes of a diagram) processed until then, and those still pending.
    """

    rule: int
    nodes: int


class Space(Struct, frozen=True):
    """Dimensions with their closed value sets; converts conditions to boxes and boxes to text.

    Attributes:
        values: dimension -> its values, in order.
        impossible: conditions of cells that no request can have; they are not decided, and are no gap.
    """

    values: Mapping[str, tuple[str, ...]]
    impossible: tuple[Mapping[str, frozenset[str]], ...] = ()

    @property
    def whole(self) -> Box:
        """The box of all cells."""
        return tuple((1 << len(known)) - 1 for known in self.values.values())

    @property
    def impossible_boxes(self) -> tuple[Box, ...]:
        """The boxes of the cells that no request can have."""
        return tuple(self.box(when) for when in self.impossible)

    def box(self, when: Mapping[str, Iterable[str]]) -> Box:
        """Convert a condition to a box; a dimension that is not named takes any value.

        A value outside its dimension's set matches nothing, as at run time.

        Raises:
            KeyError: the space lacks a dimension of the condition.
        """
        for dimension in when:
            self.values[dimension]  # an unknown dimension must not match any value
        return tuple(
            sum(1 << known.index(value) for value in set(when[dimension]) if value in known)
            if dimension in when
            else (1 << len(known)) - 1
            for dimension, known in self.values.items()
        )

    def witness(self, box: Box) -> tuple[str, ...]:
        """Return one cell of a non-empty box: the first value of each dimension."""
        return tuple(
            known[(mask & -mask).bit_length() - 1] for mask, known in zip(box, self.values.values(), strict=True)
        )

    def words(self, box: Box) -> str:
        """Describe a box by the dimensions that it narrows; ``any cell`` for the whole space."""
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
    """Describe a set of values, by its complement if that is shorter."""
    held = [value for place, value in enumerate(known) if mask >> place & 1]
    lacking = [value for value in known if value not in held]
    if len(lacking) < len(held):
        return "not " + " nor ".join(_quote_values(lacking))
    return " or ".join(_quote_values(held)) or "of no value"


def _quote_values(values: list[str]) -> list[str]:
    """Quote values; of many the first ones, and the number of the others."""
    shown = values if len(values) <= _MAX_VALUES else values[: _MAX_VALUES - 1]
    rest = [f"{len(values) - len(shown):,} more"] if len(shown) < len(values) else []
    return [*(f"`{value}`" for value in shown), *rest]


def count(box: Box) -> int:
    """Count the cells of a box."""
    return prod(mask.bit_count() for mask in box)


def unite(slabs: Sequence[int], mask: int) -> int:
    """Return the union of the bit sets of the values in a mask."""
    found = 0
    for place, slab in enumerate(slabs):
        if mask >> place & 1:
            found |= slab
    return found


def intersect(left: Box, right: Box) -> Box:
    """Return the cells in both boxes; check the result with `is_empty`."""
    return tuple(a & b for a, b in zip(left, right, strict=True))


def is_empty(box: Box) -> bool:
    """Return whether a box has no cells."""
    return not all(box)


def subtract(box: Box, cut: Box) -> Iterator[Box]:
    """Yield the cells of a box outside another, as disjoint boxes."""
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
    """Return the box with the most cells; the first of equals.

    Raises:
        ValueError: there is no box.
    """
    return max(boxes, key=count)


def widen_gap(box: Box, is_gap: Callable[[Box], bool], whole: Box) -> Box:
    """Widen an uncovered box while it stays uncovered, so that its description is short.

    Args:
        box: cells that no rule decides.
        is_gap: returns whether no rule decides a cell of a box.
        whole: the box of all cells.
    """
    for place, full in enumerate(whole):
        for bit in range(full.bit_length()):
            wider = (*box[:place], box[place] | 1 << bit, *box[place + 1 :])
            if wider != box and is_gap(wider):
                box = wider
    return box


def find_skips(rules: Sequence[Rule], before: int = 0) -> Skips:
    """Return which rules skip their phase, and where their cells go on.

    Args:
        rules: of a table, in the order of their phases.
        before: number of boxes that the caller puts before the rules.
    """
    phases = [rule.phase for rule in rules]
    return tuple(
        (before + index, before + len(phases) - phases[::-1].index(rule.phase))
        for index, rule in enumerate(rules)
        if rule.skips
    )


def reach(rules: Sequence[Rule], space: Space, budget: int = MAX_BOXES) -> BoxCoverage | Undecided:
    """Compute the exact cells of each rule, first match wins, and the remaining gap.

    Args:
        rules: in order.
        space: the dimensions and their values.
        budget: largest number of boxes to process.

    Raises:
        KeyError: a rule names a dimension that the space does not have.
    """
    boxes = tuple(space.box(rule.when) for rule in rules)
    return reach_of(boxes, space.whole, budget, space.impossible_boxes, find_skips(rules))


@lru_cache(maxsize=16)  # several checks query the same policy
def reach_of(
    rules: tuple[Box, ...], whole: Box, budget: int, impossible: tuple[Box, ...] = (), skips: Skips = ()
) -> BoxCoverage | Undecided:
    """Compute the exact cells of each box, as `reach` does for rules; no rule decides the impossible cells."""
    return cover(rules, whole, budget, impossible, skips)


def cover(
    rules: Sequence[Box], whole: Box, budget: int, impossible: tuple[Box, ...] = (), skips: Skips = ()
) -> BoxCoverage | Undecided:
    """Compute the exact cells of each box within `whole`, without the cache."""
    remaining: list[Box] = [] if is_empty(whole) else [whole]
    for away in impossible:
        remaining = [left for box in remaining for left in subtract(box, away)]
        if len(remaining) > budget:
            return Undecided(0, len(remaining))
    reaches: list[tuple[Box, ...]] = []
    onward = dict(skips)
    joining: dict[int, list[Box]] = {}
    nodes = 0
    for index, rule in enumerate(rules):
        remaining += joining.pop(index, ())
        nodes += len(remaining)
        if nodes > budget:
            return Undecided(index, nodes)
        if not remaining:
            reaches.append(())
            continue
        taken: list[Box] = []
        left: list[Box] = []
        for box in remaining:
            common = intersect(box, rule)
            if not is_empty(common):
                taken.append(common)
            left.extend(subtract(box, rule))
        if index in onward:
            joining.setdefault(onward[index], []).extend(taken)
            taken = []
        reaches.append(tuple(taken))
        remaining = left
    remaining += joining.pop(len(rules), ())
    return BoxCoverage(tuple(reaches), tuple(remaining), nodes)
