"""Sets of combined machine states as bit sets: one bit per combination, so that a set of thousands is one number.

An event maps the states that it moves by a fixed distance. So the states before or after an event are a mask and a
shift, and a search over all combinations costs a few operations per event, whatever the machines raise in each other.
"""

from __future__ import annotations

from functools import cached_property, reduce
from math import prod
from operator import or_
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.events import MACHINES
from authguard.core.machine import MAX_CHAIN_LENGTH, expand
from authguard.core.owners import Owner, find_owner
from authguard.policy.table.boxes import unite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.machine import Edge, Spec
    from authguard.policy.table.boxes import Box

#: one state per machine, in the order of `MACHINES`
States = tuple[str, ...]
#: bit *i* represents the combination with the index *i*
StateSet = int

#: owners whose record is always the one that an event finds
_SURE_OWNERS: Final = (Owner.SAME, Owner.SERVICE)
#: most combinations of states that are searched; the standard policy has 18,200
MAX_STATES: Final = 1_000_000
#: most cases of one event, by the states of the machines that its raised events find
MAX_CASES: Final = 20_000
#: combinations of states that all events are applied to, in sum (a few seconds); the standard policy needs some 10^8
MAX_SPENT: Final = 50_000_000_000


class SearchLimitError(Exception):
    """A search reached its bound, so that nothing is known."""

    def __init__(self, bound: str) -> None:
        """Build the message from the bound, in words."""
        super().__init__(f"it is more than {bound}")


class Arrow(Struct, frozen=True):
    """The states that an event moves by one distance.

    Attributes:
        mask: the states before.
        shift: distance to the states after, in bits.
    """

    mask: StateSet
    shift: int

    def after(self, states: StateSet) -> StateSet:
        """Return the states after the event, for those of a set that it moves."""
        moved = states & self.mask
        return moved << self.shift if self.shift >= 0 else moved >> -self.shift

    def before(self, states: StateSet) -> StateSet:
        """Return the states from which the event leads into a set."""
        return (states >> self.shift if self.shift >= 0 else states << -self.shift) & self.mask


class StateSpace:
    """The combinations of the states of all machines.

    Attributes:
        machines: name -> declared machine; total, with resolved names.
        sizes: number of states of each machine, in the order of `MACHINES`.
    """

    def __init__(self, machines: Mapping[str, Spec]) -> None:
        """Index the states.

        Args:
            machines: name -> declared machine.

        Raises:
            SearchLimitError: there are more than `MAX_STATES` combinations.
        """
        self.machines = machines
        self.sizes = tuple(len(machines[name].states) for name in MACHINES)
        self._strides = tuple(prod(self.sizes[place + 1 :]) for place in range(len(MACHINES)))
        self._count = prod(self.sizes)
        if self._count > MAX_STATES:
            raise SearchLimitError(f"{MAX_STATES:,} combinations of states")
        self._index = tuple({state: place for place, state in enumerate(machines[name].states)} for name in MACHINES)
        self._edges = tuple(expand(machines[name]).edges for name in MACHINES)
        self._spent = 0
        self._arrows: dict[tuple[str, bool], tuple[Arrow, ...]] = {}
        self._moving: dict[str, StateSet] = {}
        self._shifts: dict[str, list[_Shifts]] = {}
        self._having: dict[tuple[str, tuple[str, ...]], StateSet] = {}
        self._edge_arrows: dict[tuple[int, str, Edge, bool], tuple[Arrow, ...]] = {}

    @cached_property
    def whole(self) -> StateSet:
        """All combinations."""
        return (1 << self._count) - 1

    @cached_property
    def slabs(self) -> tuple[tuple[StateSet, ...], ...]:
        """For each machine and each of its states, the combinations with that state."""
        return tuple(tuple(self._slabs(place)) for place in range(len(MACHINES)))

    def _slabs(self, place: int) -> Iterator[StateSet]:
        stride, size = self._strides[place], self.sizes[place]
        first = ((1 << stride) - 1) * (self.whole // ((1 << stride * size) - 1))
        return (first << number * stride for number in range(size))

    def having(self, machine: str, *states: str) -> StateSet:
        """Return the combinations in which a machine is in one of some states."""
        found = self._having.get((machine, states))
        if found is None:
            place = MACHINES.index(machine)
            slabs, known = self.slabs[place], self._index[place]
            found = self._having[machine, states] = reduce(or_, (slabs[known[state]] for state in states), 0)
        return found

    def of_box(self, box: Box) -> StateSet:
        """Return the combinations of a box, whose first dimensions are the machines."""
        found = self.whole
        for place, mask in enumerate(box[: len(MACHINES)]):
            found &= unite(self.slabs[place], mask)
        return found

    def bit(self, states: Sequence[str]) -> StateSet:
        """Return the set of one combination."""
        places = zip(states, self._index, self._strides, strict=True)
        return 1 << sum(known[state] * stride for state, known, stride in places)

    def iter_states(self, states: StateSet) -> Iterator[States]:
        """Yield the combinations of a set."""
        text = bin(states)[:1:-1]
        number = text.find("1")
        while number >= 0:
            yield self._decode(number)
            number = text.find("1", number + 1)

    def first(self, states: StateSet) -> States:
        """Return the first combination of a non-empty set."""
        return self._decode((states & -states).bit_length() - 1)

    def _decode(self, number: int) -> States:
        return tuple(
            self.machines[name].states[number // stride % size]
            for name, stride, size in zip(MACHINES, self._strides, self.sizes, strict=True)
        )

    def leave_transaction(self, states: StateSet) -> StateSet:
        """Return the combinations that are in a set, or would be with a new transaction."""
        place = MACHINES.index("transaction")
        new = self._index[place][self.machines["transaction"].initial]
        found = states
        for number in range(self.sizes[place]):
            shift = (number - new) * self._strides[place]
            begun = states & self.slabs[place][new]
            found |= begun << shift if shift >= 0 else begun >> -shift
        return found

    def spend(self, operations: int) -> None:
        """Count operations on sets.

        Raises:
            SearchLimitError: the search has spent its budget.
        """
        self._spent += operations * self._count
        if self._spent > MAX_SPENT:
            raise SearchLimitError(f"{MAX_SPENT:,} steps")

    def arrows(self, event: str, *, is_delivered: bool = True) -> tuple[Arrow, ...]:
        """Return the moves of an event from every state, with the events that it raises.

        Args:
            event: ``machine.trigger``.
            is_delivered: whether raised events reach other records of the person (`authguard.core.owners`): a session
                that never moved, or a later decision, is not concerned.

        Raises:
            SearchLimitError: the raised events have more than `MAX_CASES` cases.
        """
        machine, _, trigger = event.partition(".")
        place = MACHINES.index(machine)
        if (event, is_delivered) not in self._arrows:
            found: list[Arrow] = []
            for state in self.machines[machine].states:
                edge = self._edges[place][state, trigger]
                found += self.edge_arrows(place, state, edge, is_delivered=is_delivered)
            self._arrows[event, is_delivered] = tuple(found)
        return self._arrows[event, is_delivered]

    def moving(self, event: str) -> StateSet:
        """Return the combinations that an event changes, if its raised events are delivered."""
        if event not in self._moving:
            self._moving[event] = reduce(or_, (arrow.mask for arrow in self.arrows(event)), 0)
        return self._moving[event]

    def before(self, event: str, states: StateSet) -> StateSet:
        """Return the combinations that are surely in a set after an event, which need not change them.

        Raises:
            SearchLimitError: the search has spent its budget.
        """
        if event not in self._shifts:
            cases = {self.arrows(event), self.arrows(event, is_delivered=False)}
            self._shifts[event] = [_Shifts.of(arrows) for arrows in cases]
        found = self.whole
        for shifts in self._shifts[event]:
            self.spend(len(shifts.right) + len(shifts.left))
            found &= shifts.before(states)
        return found

    def edge_arrows(self, place: int, state: str, edge: Edge, *, is_delivered: bool = True) -> tuple[Arrow, ...]:
        """Return the moves of one transition, with the events that it raises; none if it changes no state."""
        if not edge.moves:
            return ()
        key = (place, state, edge, is_delivered)
        if key not in self._edge_arrows:
            self._edge_arrows[key] = self._compile(place, state, edge, is_delivered=is_delivered)
        return self._edge_arrows[key]

    def _compile(self, place: int, state: str, edge: Edge, *, is_delivered: bool) -> tuple[Arrow, ...]:
        merged: dict[int, StateSet] = {}
        for case in self._cases(place, state, edge, is_delivered=is_delivered):
            mask, shift = self.whole, 0
            for index, (before, after) in case.items():
                known = self._index[index]
                mask &= self.slabs[index][known[before]]
                shift += (known[after] - known[before]) * self._strides[index]
            merged[shift] = merged.get(shift, 0) | mask
        return tuple(Arrow(mask, shift) for shift, mask in merged.items() if shift)

    def _cases(self, place: int, state: str, edge: Edge, *, is_delivered: bool) -> Iterator[dict[int, tuple[str, str]]]:
        """Yield the outcomes of a transition: the machines that its events find, before and after.

        It follows `authguard.core.machine.step`, and asks for the state of another machine when an event is sent to it.
        """

        def raised_by(machine: str, edge: Edge) -> list[str]:
            return [event for event in edge.raises if is_delivered or find_owner(machine, event) in _SURE_OWNERS]

        waiting = [({place: (state, edge.dest)}, raised_by(MACHINES[place], edge), 1)]
        count = 0
        while waiting:
            case, raised, sent = waiting.pop()
            count += 1
            if count > MAX_CASES:
                raise SearchLimitError(f"{MAX_CASES:,} cases of one event with the events that it raises")
            if not raised or sent > MAX_CHAIN_LENGTH:
                yield case
                continue
            machine, _, trigger = raised[0].partition(".")
            index = MACHINES.index(machine)
            known = [case[index]] if index in case else [(one, one) for one in self.machines[machine].states]
            for before, now in known:
                follow = self._edges[index][now, trigger]
                more = raised[1:]
                after = now
                if follow.moves:
                    after, more = follow.dest, [*more, *raised_by(machine, follow)]
                waiting.append(({**case, index: (before, after)}, more, sent + 1))


class _Shifts(Struct, frozen=True):
    """The moves of an event, by direction, as masks and distances."""

    stay: StateSet
    right: tuple[tuple[StateSet, int], ...]
    left: tuple[tuple[StateSet, int], ...]

    @classmethod
    def of(cls, arrows: Sequence[Arrow]) -> _Shifts:
        """Sort the moves by direction."""
        return cls(
            ~reduce(or_, (arrow.mask for arrow in arrows), 0),
            tuple((arrow.mask, arrow.shift) for arrow in arrows if arrow.shift > 0),
            tuple((arrow.mask, -arrow.shift) for arrow in arrows if arrow.shift < 0),
        )

    def before(self, states: StateSet) -> StateSet:
        """Return the states that are in a set after the event."""
        found = states & self.stay
        for mask, shift in self.right:
            found |= states >> shift & mask
        for mask, shift in self.left:
            found |= states << shift & mask
        return found
