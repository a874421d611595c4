"""Search for the allowed cells that differ from a given cell in the fewest dimensions."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from authguard.core.extra_dimensions import OPERATION
from authguard.policy.table.boxes import Box, Undecided, cover

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.table.boxes import Skips

#: dimensions that the operation fixes for every request; asking for another operation is not a change
SETTLED: Final = ("risk", "effect", OPERATION)


class BudgetExceededError(Exception):
    """The search examined more boxes than its budget permits."""


def find_nearest(  # noqa: PLR0917 - as `iter_nearest`
    names: Sequence[str],
    boxes: Sequence[Box],
    admitting: Sequence[int],
    point: Box,
    possible: Box,
    budget: int,
    *,
    skips: Skips = (),
) -> tuple[tuple[int, Box], ...] | None:
    """Return the first result of `iter_nearest`, empty if there is none; ``None`` if the budget is exceeded."""
    try:
        return next(iter_nearest(names, boxes, admitting, point, possible, budget, skips=skips), ())
    except BudgetExceededError:
        return None


def iter_nearest(  # noqa: PLR0917 - the table and one of its cells
    names: Sequence[str],
    boxes: Sequence[Box],
    admitting: Sequence[int],
    point: Box,
    possible: Box,
    budget: int,
    *,
    skips: Skips = (),
) -> Iterator[tuple[tuple[int, Box], ...]]:
    """Yield the boxes of admitted cells that differ from a cell in the fewest dimensions, then those in more.

    Candidate sets of dimensions come from the admitting rules, smallest sets first. For each set, the rules are
    evaluated only over cells that differ in these dimensions. The work thus depends on the number of dimensions, not on
    the complexity of the other rules.

    Yields:
        (index of the rule, box) for each box with one number of differing dimensions.

    Raises:
        BudgetExceededError: more boxes than the budget permits were examined.
    """
    free = [place for place, name in enumerate(names) if name not in SETTLED and possible[place] & ~point[place]]
    needs = set()
    for index in admitting:
        need = frozenset(place for place, mask in enumerate(boxes[index]) if not mask & point[place])
        if need <= set(free) and all(boxes[index][place] & possible[place] for place in need):
            needs.add(need)
    for size in range(min(map(len, needs), default=len(free) + 1), len(free) + 1):
        found: list[tuple[int, Box]] = []
        for chosen in combinations(free, size):
            if not any(need <= set(chosen) for need in needs):
                continue
            region = tuple(possible[place] & ~mask if place in chosen else mask for place, mask in enumerate(point))
            covered = cover(boxes, region, budget, skips=skips)
            budget -= covered.nodes + len(boxes)
            if isinstance(covered, Undecided) or budget < 0:
                raise BudgetExceededError
            found += ((index, box) for index in admitting for box in join_boxes(covered.reaches[index]))
        if found:
            yield tuple(found)


def join_boxes(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Merge disjoint boxes that differ in one dimension only, for shorter explanations."""
    joined = list(boxes)
    again = True
    while again:
        again = False
        for one, two in combinations(joined, 2):
            apart = [place for place, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
            if len(apart) == 1:
                joined.remove(one)
                joined.remove(two)
                joined.append(tuple(a | b for a, b in zip(one, two, strict=True)))
                again = True
                break
    return tuple(joined)
