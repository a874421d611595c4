"""Two policies that are compared, with the orders that their tables and machines define; a change is judged by both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from authguard.core.machine import expand
from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.state_order import StateOrder, summarize
from authguard.policy.diff.table_order import TableOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.policy.draft import Draft


class PolicyPair:
    """The old and the new policy.

    Attributes:
        old: without errors.
        new: without errors.
    """

    def __init__(self, old: Draft, new: Draft) -> None:
        """Keep both policies; their orders are computed when a change needs them."""
        self.old = old
        self.new = new

    @cached_property
    def tables(self) -> tuple[TableOrder, TableOrder]:
        """The order of values in the old and in the new table."""
        return TableOrder(self.old), TableOrder(self.new)

    @cached_property
    def orders(self) -> tuple[StateOrder, StateOrder]:
        """The order of states in the old and in the new machines."""
        old, new = self.tables
        return StateOrder(self.old, old), StateOrder(self.new, new)

    def is_below(self, lower: Mapping[str, str], upper: Mapping[str, str]) -> bool:
        """Return whether both tables admit at most as much with the lower values as with the upper ones."""
        return all(table.is_below(lower, upper) for table in self.tables)

    def offers_more(self, lower: Mapping[str, str], upper: Mapping[str, str]) -> bool:
        """Return whether a table offers a proof of identity or an approval with the upper values only."""
        return any(table.offers_more(lower, upper) for table in self.tables)

    def compare_states(self, machine: str, before: str, after: str) -> Direction:
        """Return the direction from one state to another, by each policy that has both."""
        if before == after:
            return Direction.CHANGED
        known = [order for order in self.orders if {before, after} <= set(order.states[machine])]
        return summarize(order.compare(machine, before, after) for order in known) if known else Direction.MAY_LOOSEN

    def compare_reports(self, before: str, after: str) -> Direction:
        """Return the direction from one reported account state to another, by each policy that has both.

        A report that ranks lower gives way to that of another source, so it is not stricter for certain.
        """
        known = [order for order in self.orders if {before, after} <= set(order.states["account"])]
        direction = summarize(order.compare_events("account", before, after) for order in known)
        ranks = [(order.states["account"].index(before), order.states["account"].index(after)) for order in known]
        if not known or (direction is not Direction.LOOSER and any(one > other for one, other in ranks)):
            return Direction.MAY_LOOSEN
        return direction

    def compare_events(self, machine: str, before: str, after: str) -> Direction:
        """Return the direction from one trigger to another."""
        return summarize(order.compare_events(machine, before, after) for order in self.orders)

    def compare_raised(self, event: str, *, gone: bool = False) -> Direction:
        """Return the direction of raising an event, or of raising it no longer."""
        return summarize(order.compare_raised(event, gone=gone) for order in self.orders)

    def compare_wait(self, machine: str, state: str, trigger: str) -> tuple[Direction, Direction]:
        """Return the directions of a timer that comes sooner, and of one that comes later or never, by each policy."""
        found = []
        for draft, order in zip((self.old, self.new), self.orders, strict=True):
            edge = expand(draft.machines[machine]).edges.get((state, trigger))
            if edge is not None and edge.moves:
                found.append(order.compare_wait(machine, state, trigger))
        return summarize(sooner for sooner, _ in found), summarize(later for _, later in found)
