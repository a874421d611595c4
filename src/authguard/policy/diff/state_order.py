"""The order of states and events: which of two states of a machine leads to more admitted requests.

A state is at most as permissive as another if the table admits no more in it, and each event leads again to states in
this order (a simulation). So a hold that ends by itself is not below one that stays, and a session that an old token
revives is not below one that has ended. Every event counts as possible; one that only the clock sends moves only the
states in which a timer sends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import MACHINES
from authguard.core.machine import Edge, expand
from authguard.policy.checks.event_sources import CLOCK, possible_events
from authguard.policy.diff.permissiveness import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.policy.diff.table_order import TableOrder
    from authguard.policy.draft import Draft

Pair = tuple[str, str]


class StateOrder:
    """Compares the states and the events of one policy's machines."""

    def __init__(self, draft: Draft, table: TableOrder) -> None:
        """Compute the greatest simulation of each machine.

        Args:
            draft: without errors.
            table: of the same policy.
        """
        self._table = table
        self.states: Mapping[str, tuple[str, ...]] = {name: draft.machines[name].states for name in MACHINES}
        self._edges: Mapping[str, Mapping[Pair, Edge]] = {name: expand(draft.machines[name]).edges for name in MACHINES}
        self._moves = {name: _without_idle_clock(draft, name, self._edges[name]) for name in MACHINES}
        self._below: dict[str, set[Pair]] = {
            name: {
                (one, other)
                for one in self.states[name]
                for other in self.states[name]
                if table.is_below({name: one}, {name: other})
            }
            for name in MACHINES
        }
        self._refine()

    def _refine(self) -> None:
        """Remove pairs until every event and timer leads from a pair to a pair."""
        changed = True
        while changed:
            changed = False
            for name in MACHINES:
                failing = [pair for pair in self._below[name] if pair[0] != pair[1] and not self._holds(name, pair)]
                self._below[name].difference_update(failing)
                changed = changed or bool(failing)

    def _holds(self, machine: str, pair: Pair) -> bool:
        one, other = pair
        below, edges = self._below[machine], self._moves[machine]
        for (state, trigger), edge in edges.items():
            if state == one:
                upper = edges.get((other, trigger))
                if upper is None or (edge.dest, upper.dest) not in below:
                    return False
                if not all(self.is_tight(event) for event in set(edge.raises) - set(upper.raises)):
                    return False
        return True

    def is_below(self, machine: str, one: str, other: str) -> bool:
        """Return whether a state is at most as permissive as another."""
        return one == other or (one, other) in self._below[machine]

    def is_tight(self, event: str) -> bool:
        """Return whether an event leads from no state to a more permissive one."""
        machine, _, trigger = event.partition(".")
        return all(
            self.is_below(machine, edge.dest, state)
            for (state, handled), edge in self._edges[machine].items()
            if handled == trigger
        )

    def compare(self, machine: str, before: str, after: str) -> Direction:
        """Return the direction from one state to another; `MAY_LOOSEN` if each admits what the other refuses."""
        if before == after:
            return Direction.CHANGED
        if not {before, after} <= set(self.states[machine]):
            return Direction.MAY_LOOSEN
        up, down = self.is_below(machine, before, after), self.is_below(machine, after, before)
        if up and down:  # equal in what they admit: what else they offer decides
            up = not self._table.offers_more({machine: after}, {machine: before})
            down = not self._table.offers_more({machine: before}, {machine: after})
        return combine(up=up, down=down)

    def compare_wait(self, machine: str, state: str, trigger: str) -> tuple[Direction, Direction]:
        """Return the directions of a timer that comes sooner, and of one that comes later or never.

        Where its event leads is compared with the state that waits for it, and in which it does not come: an earlier
        end of a hold is looser, a later end of a session is.
        """
        edge = self._edges[machine][state, trigger]
        if edge.dest == state:
            return Direction.MAY_LOOSEN, Direction.MAY_LOOSEN  # it restarts what counts from here
        up = edge.dest in self._comparable(machine, state, trigger, above=True)
        down = edge.dest in self._comparable(machine, state, trigger, above=False)
        if up and down:
            up = not self._table.offers_more({machine: edge.dest}, {machine: state})
            down = not self._table.offers_more({machine: state}, {machine: edge.dest})
        raised = [self.compare_raised(event, gone=False) for event in edge.raises]
        unraised = [self.compare_raised(event, gone=True) for event in edge.raises]
        return merge([combine(up=up, down=down), *raised]), merge([combine(up=down, down=up), *unraised])

    def _comparable(self, machine: str, waiting: str, trigger: str, *, above: bool) -> set[str]:
        """Return the states above, or below, one that waits and in which one trigger does not come."""
        edges, below = self._moves[machine], self._below[machine]

        def is_ordered(lower: str, upper: str) -> bool:
            return (lower, upper) in below if above else (upper, lower) in below

        found = {
            state
            for state in self.states[machine]
            if self._table.is_below({machine: waiting if above else state}, {machine: state if above else waiting})
        }
        triggers = {handled for _, handled in edges}
        while True:
            kept = set()
            for state in found:
                for handled in triggers:
                    stays = waiting if handled == trigger else edges[waiting, handled].dest
                    other = edges[state, handled].dest
                    if other not in found if stays == waiting else not is_ordered(stays, other):
                        break
                else:
                    kept.add(state)
            if kept == found:
                return found
            found = kept

    def compare_events(self, machine: str, before: str, after: str) -> Direction:
        """Return the direction from one trigger to another, over all states in which either is handled."""
        edges = self._edges[machine]
        ends = [(edges.get((state, before)), edges.get((state, after))) for state in self.states[machine]]
        if any(one is None or other is None for one, other in ends):
            return Direction.MAY_LOOSEN
        return summarize(
            self.compare(machine, one.dest, other.dest) for one, other in ends if one is not None and other is not None
        )

    def compare_raised(self, event: str, *, gone: bool) -> Direction:
        """Return the direction of raising an event, or of raising it no longer."""
        machine, _, trigger = event.partition(".")
        return summarize(
            self.compare(machine, edge.dest, state) if gone else self.compare(machine, state, edge.dest)
            for (state, handled), edge in self._edges[machine].items()
            if handled == trigger
        )


def _without_idle_clock(draft: Draft, machine: str, edges: Mapping[Pair, Edge]) -> dict[Pair, Edge]:
    """Return the transitions; an event that only the clock sends keeps the states in which no timer sends it."""
    sent: dict[str, set[str]] = {}
    timed: set[Pair] = set()
    for (name, state), events in possible_events(draft).items():
        for one in events:
            if name == machine:
                trigger = one.event.partition(".")[2]
                sent.setdefault(trigger, set()).update(one.sources)
                timed.add((state, trigger))
    return {
        (state, trigger): Edge(state, moves=False, raises=(), line=edge.line)
        if sent.get(trigger) == {CLOCK} and (state, trigger) not in timed
        else edge
        for (state, trigger), edge in edges.items()
    }


def combine(*, up: bool, down: bool) -> Direction:
    """Return the direction of a change, by whether the old is below the new and the new below the old."""
    if up and down:
        return Direction.CHANGED
    return Direction.LOOSER if up else Direction.STRICTER if down else Direction.MAY_LOOSEN


def merge(directions: Iterable[Direction]) -> Direction:
    """Combine what happens at once: parts of opposite directions have no order."""
    found = set(directions)
    return Direction.MAY_LOOSEN if {Direction.LOOSER, Direction.STRICTER} <= found else summarize(found)


def summarize(directions: Iterable[Direction]) -> Direction:
    """Combine directions: one looser part makes the whole looser, so that a security owner reviews it."""
    found = set(directions)
    for direction in (Direction.LOOSER, Direction.MAY_LOOSEN, Direction.STRICTER):
        if direction in found:
            return direction
    return Direction.CHANGED
