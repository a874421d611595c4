"""An example of a changed cell: if possible one that a request reaches, with the shortest events that lead to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.checks.reachability import Reachability
from authguard.policy.table.boxes import Space
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.policy.draft import Draft
    from authguard.policy.table.boxes import Box
    from authguard.policy.table.comparison import TableDifference

#: states for which all changes of a comparison are looked up; half a second
MAX_LOOKUPS: Final = 5_000


class ExampleSearch:
    """Searches examples of changes within one bound."""

    def __init__(self, drafts: Sequence[Draft], space: Space, lookups: int = MAX_LOOKUPS) -> None:
        """Prepare the search.

        Args:
            drafts: whose events may lead to a cell: the new policy, then the old one; none for no search.
            space: the values of both policies.
            lookups: largest number of states to look up.
        """
        self._space = space
        self._left = lookups
        self._reaches = [(Reachability.of(draft), Space(draft_values(draft))) for draft in drafts]

    def find(self, change: TableDifference, find: Callable[[Box], Box | None]) -> tuple[tuple[str, ...], str]:
        """Return a cell of a change, and the shortest events to it or why there are none.

        Args:
            change: of the table.
            find: returns cells of the change within a box.
        """
        path_text = "no events lead there" if self._reaches else ""
        for (reach, own), suffix in zip(self._reaches, ("", ", under the old policy"), strict=False):
            found = reach.find_cell(self._bounded(_translated(find, own, self._space))) if self._left > 0 else None
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


def _translated(find: Callable[[Box], Box | None], own: Space, union: Space) -> Callable[[Box], Box | None]:
    """Translate a search over the states of both policies into one over the states of one policy."""
    places = {name: place for place, name in enumerate(union.values)}
    maps = {name: [union.values[name].index(value) for value in here] for name, here in own.values.items()}

    def ask(box: Box) -> Box | None:
        wide = list(union.whole)  # a dimension that this policy does not have takes any value
        for mask, (name, there) in zip(box, maps.items(), strict=True):
            wide[places[name]] = sum(1 << bit for place, bit in enumerate(there) if mask >> place & 1)
        found = find(tuple(wide))
        if found is None:
            return None
        return tuple(
            sum(1 << place for place, bit in enumerate(there) if found[places[name]] >> bit & 1)
            for name, there in maps.items()
        )

    return ask
