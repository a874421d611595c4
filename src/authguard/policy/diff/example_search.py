"""An example of a changed cell: if possible one that a request reaches, with the shortest events that lead to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.checks.reachability import Reachability
from authguard.policy.diff.own_conditions import translate
from authguard.policy.table.boxes import Space, unite
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.policy.diff.own_conditions import Pairs
    from authguard.policy.draft import Draft
    from authguard.policy.table.boxes import Box
    from authguard.policy.table.comparison import TableDifference

#: states for which all changes of a comparison are looked up; half a second
MAX_LOOKUPS: Final = 5_000


class ExampleSearch:
    """Searches examples of changes within one bound."""

    def __init__(self, drafts: Sequence[Draft], space: Space, pairs: Pairs, lookups: int = MAX_LOOKUPS) -> None:
        """Prepare the search.

        Args:
            drafts: whose events may lead to a cell: the new policy, then the old one; none for no search.
            space: the values of both policies.
            pairs: of the values of their own conditions.
            lookups: largest number of states to look up.
        """
        self._space = space
        self._pairs = pairs
        self._left = lookups
        self._reaches = [(Reachability.of(draft), Space(draft_values(draft))) for draft in drafts]

    def find(self, change: TableDifference, find: Callable[[Box], Box | None]) -> tuple[tuple[str, ...], str]:
        """Return a cell of a change, and the shortest events to it or why there are none.

        Args:
            change: of the table.
            find: returns cells of the change within a box.
        """
        path_text = "no events lead there" if self._reaches else ""
        for side, (reach, own) in zip((1, 0), self._reaches, strict=False):
            suffix = "" if side else ", under the old policy"
            asked = self._bounded(_translated(find, own, self._space, self._pairs, side))
            found = reach.find_cell(asked) if self._left > 0 else None
            if isinstance(found, tuple):
                cell, path = found
                return cell, f"{path}{suffix}"
            path_text = str(found) if self._left > 0 else "no events were found within the limit"
        return self._space.witness(change.box), path_text

    def _bounded(self, find: Callable[[Box], Box | None]) -> Callable[[Box], Box | None]:
        def ask(box: Box) -> Box | None:
            self._left -= 1
            return find(box) if self._left >= 0 else None

        return ask


def _translated(
    find: Callable[[Box], Box | None], own: Space, union: Space, pairs: Pairs, side: int
) -> Callable[[Box], Box | None]:
    """Translate a search over the states of both policies into one over the states of one policy."""
    places = {name: place for place, name in enumerate(union.values)}
    maps: dict[str, list[int]] = {}
    for name, here in own.values.items():
        there = [translate({name: {value}}, pairs, side)[name] for value in here]
        maps[name] = [sum(1 << union.values[name].index(label) for label in labels) for labels in there]

    def ask(box: Box) -> Box | None:
        wide = list(union.whole)  # a dimension that this policy does not have takes any value
        for mask, (name, masks) in zip(box, maps.items(), strict=True):
            wide[places[name]] = unite(masks, mask)
        found = find(tuple(wide))
        if found is None:
            return None
        return tuple(
            sum(1 << place for place, bits in enumerate(masks) if found[places[name]] & bits)
            for name, masks in maps.items()
        )

    return ask
