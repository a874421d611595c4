"""Breadth-first search over the product of the five machines: the reachable states, and the shortest events to them.

It follows the engine (`authguard.policy.checks.event_sources`): a session moves only after a credential was proven, a
transaction starts only where the table permits it, and an event raises the events of its transition. The search works
on sets of states (`authguard.policy.checks.state_space`), so it is always complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.events import MACHINES
from authguard.policy.checks.event_guard import EventGuards
from authguard.policy.checks.event_sources import PossibleEvent, machine_specs, possible_events
from authguard.policy.checks.state_space import Arrow, States, StateSet, StateSpace
from authguard.policy.schema.units import format_duration
from authguard.policy.table.boxes import Box, Space, intersect, is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from authguard.core.decision_table import Cell, Rule
    from authguard.core.machine import Spec
    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft

_SERVICE, _ACCOUNT, _SESSION, _VERIFICATION, _TRANSACTION = range(len(MACHINES))
_CREDENTIAL: Final = len(MACHINES)
#: order of expansion: of paths with equal length, one with events of the caller is found first
_EXPANSION_ORDER: Final = (_SESSION, _ACCOUNT, _VERIFICATION, _TRANSACTION, _SERVICE)


class Step(Struct, frozen=True):
    """One event of a path.

    Attributes:
        event: ``machine.trigger``.
        wait: delay of a timer in seconds; 0 without a timer.
        since: the moment that the timer counts from; empty without a timer.
    """

    event: str
    wait: float = 0.0
    since: str = ""

    def __str__(self) -> str:
        """Format the event for people, with the delay of a timer."""
        return f"{self.event} ({format_duration(self.wait)} after {self.since})" if self.since else self.event


class Path(Struct, frozen=True):
    """A shortest path to some states.

    Attributes:
        steps: the events in order; none for the initial states.
        states: machine -> its state at the end.
    """

    steps: tuple[Step, ...]
    states: Mapping[str, str]

    @property
    def events(self) -> tuple[str, ...]:
        """Return the events alone, as in a scenario's `when`."""
        return tuple(step.event for step in self.steps)

    def __str__(self) -> str:
        """Format the path on one line."""
        return ", ".join(map(str, self.steps)) or "from the beginning"


class Unreachable(Struct, frozen=True):
    """The result of a search without a path."""

    def __str__(self) -> str:
        """Format the result for people."""
        return "no events lead there"


class _Move(Struct, frozen=True):
    """A possible event of one state, with the combinations that it moves."""

    step: Step
    sources: frozenset[str]
    arrows: tuple[Arrow, ...]


@dataclass(slots=True)
class Reachability:
    """The reachable states of the machines, searched on demand.

    Attributes:
        machines: name -> declared machine.
        moves: (machine, state) -> its possible events.
        rules: rules of the table.
        values: dimension -> its values.
        requests: the (risk, effect) pairs of the operations.
        state_space: the combinations of states.
        guards: the states in which each event can occur.
    """

    machines: Mapping[str, Spec]
    moves: Mapping[tuple[str, str], tuple[PossibleEvent, ...]]
    rules: tuple[Rule, ...]
    values: Mapping[str, tuple[str, ...]]
    requests: frozenset[tuple[str, str]]
    state_space: StateSpace
    guards: EventGuards
    #: the states at each distance from the initial ones; at last none
    _layers: list[StateSet] = field(default_factory=list)
    _known: StateSet = 0
    _moves: list[_Move] = field(default_factory=list)

    @classmethod
    def of(cls, policy: Draft | Policy) -> Reachability:
        """Prepare the search without starting it.

        Args:
            policy: a compiled policy, or a draft with total machines and resolved names.

        Raises:
            SearchLimitError: the machines have too many combinations of states.
        """
        state_space = StateSpace(machine_specs(policy))
        guards = EventGuards(policy, state_space)
        return cls(
            machines=state_space.machines,
            moves=possible_events(policy),
            rules=guards.rules,
            values=guards.space.values,
            requests=guards.requests,
            state_space=state_space,
            guards=guards,
        )

    @property
    def initial(self) -> States:
        """Return the initial state of every machine."""
        return tuple(self.machines[name].initial for name in MACHINES)

    @property
    def states(self) -> Sequence[States]:
        """Return every reachable state, the nearest first."""
        return list(self.iter_states())

    @property
    def space(self) -> Space:
        """Return the dimensions of the table."""
        return Space(self.values)

    @property
    def reached(self) -> StateSet:
        """Return the set of all reachable states."""
        for _ in self._iter_layers():
            pass
        return self._known

    def iter_states(self) -> Iterator[States]:
        """Yield reachable states, the nearest first, and search on demand."""
        for layer in self._iter_layers():
            yield from self.state_space.iter_states(layer)

    def _iter_layers(self) -> Iterator[StateSet]:
        """Yield the states at each distance from the initial ones."""
        if not self._layers:
            self._known = self.state_space.bit(self.initial)
            self._layers.append(self._known)
        number = 0
        while self._layers[number]:
            yield self._layers[number]
            number += 1
            if number == len(self._layers):
                self._layers.append(self._after(self._layers[-1]) & ~self._known)
                self._known |= self._layers[-1]

    def _after(self, states: StateSet) -> StateSet:
        after = 0
        for arrow in self._arrows():
            after |= arrow.after(states)
        return after

    def _before(self, states: StateSet) -> StateSet:
        before = 0
        for arrow in self._arrows():
            before |= arrow.before(states)
        return before

    def _arrows(self) -> Iterator[Arrow]:
        for move in self._all_moves():
            self.state_space.spend(len(move.arrows))
            yield from move.arrows

    def path(self, states: States) -> Path:
        """Return the shortest path to reachable states.

        Raises:
            KeyError: the states are not reachable.
        """
        target = self.state_space.bit(states)
        for number, layer in enumerate(self._iter_layers()):
            if layer & target:
                return self._path(target, number)
        raise KeyError(states)

    def _path(self, target: StateSet, length: int) -> Path:
        """Return the first path of a length to one combination, in the order of expansion."""
        leads = [target]
        for layer in reversed(self._layers[:length]):
            leads.append(self._before(leads[-1]) & layer)
        place, steps = leads.pop(), []
        while leads:
            wanted = leads.pop()
            step, place = self._next(place, wanted)
            steps.append(step)
        return Path(tuple(steps), dict(zip(MACHINES, self.state_space.first(target), strict=True)))

    def _next(self, place: StateSet, wanted: StateSet) -> tuple[Step, StateSet]:
        for move in self._all_moves():
            for arrow in move.arrows:
                if after := arrow.after(place) & wanted:
                    return move.step, after
        raise AssertionError("every layer follows from the one before it")

    def path_to(self, states: Mapping[str, str | Collection[str]]) -> Path | Unreachable:
        """Find the shortest path to some states.

        Args:
            states: machine -> a state, or several accepted states; a machine that is not named may be in any state.

        Raises:
            KeyError: a name that is no machine.
        """
        wanted = self.state_space.whole
        for machine, named in states.items():
            known = set(self.machines[machine].states)
            accepted = {named} if isinstance(named, str) else set(named)
            wanted &= self.state_space.having(machine, *(accepted & known))
        return self.path_into(wanted)

    def path_into(self, wanted: StateSet) -> Path | Unreachable:
        """Find the shortest path into a set of states."""
        for number, layer in enumerate(self._iter_layers()):
            if both := layer & wanted:
                return self._path(both & -both, number)
        return Unreachable()

    def find_path(self, accept: Callable[[States], bool]) -> Path | Unreachable:
        """Find the shortest path to states that fulfil a condition."""
        for found in self.iter_states():
            if accept(found):
                return self.path(found)
        return Unreachable()

    def cell(self, boxes: Iterable[Box]) -> tuple[Cell, Path] | Unreachable:
        """Find the cell of some boxes that a request reaches after the fewest events.

        Args:
            boxes: boxes over the dimensions of the table, in the order of `DIMENSIONS`.
        """
        given = tuple(boxes)
        return self.find_cell(
            lambda part: next((both for box in given if not is_empty(both := intersect(part, box))), None)
        )

    def find_cell(self, find: Callable[[Box], Box | None]) -> tuple[Cell, Path] | Unreachable:
        """Find the cell that a request reaches after the fewest events.

        A request without a proven subject has no stored states: all machines but the service are in their initial
        states. A proven request has moved its session before the table decides, unless its credential is undated. Its
        risk and effect are those of an operation.

        Args:
            find: returns a matching cell of a box, or None.
        """
        space = self.space
        requests = [box for box in self._request_boxes() if find(box) is not None]
        if not requests:
            return Unreachable()
        cases = [(*self._candidate_states(find, mask), is_possible) for mask, is_possible in self._credentials()]
        for found in self.iter_states():
            for credential, states, is_possible in cases:
                if not all(state in known for state, known in zip(found, states, strict=True)):
                    continue
                if not is_possible(found):
                    continue
                place = space.box({machine: {state} for machine, state in zip(MACHINES, found, strict=True)})
                narrowed = (*place[:_CREDENTIAL], credential, *place[_CREDENTIAL + 1 :])
                for box in requests:
                    wanted = find(intersect(narrowed, box))
                    if wanted is not None:
                        return space.witness(wanted), self.path(found)
        return Unreachable()

    def _credentials(self) -> tuple[tuple[int, Callable[[States], bool]], ...]:
        """Return masks of credentials, each with a predicate for the states of their requests."""
        good, undated = self._mask("credential", "good"), self._mask("credential", "undated")
        unproven = self.space.whole[_CREDENTIAL] & ~(good | undated)
        return (
            (good, lambda states: bool(self.state_space.bit(states) & self.guards.known_callers)),
            (undated, lambda _: True),
            (unproven, lambda states: states[1:] == self.initial[1:]),
        )

    def _candidate_states(self, find: Callable[[Box], Box | None], credential: int) -> tuple[int, list[set[str]]]:
        """Return for each machine the states with a matching cell, so that other states can be skipped."""
        whole = self.space.whole
        return credential, [
            {
                state
                for place, state in enumerate(self.machines[machine].states)
                if find(
                    (*whole[:index], 1 << place, *whole[index + 1 : _CREDENTIAL], credential, *whole[_CREDENTIAL + 1 :])
                )
            }
            for index, machine in enumerate(MACHINES)
        ]

    def _request_boxes(self) -> list[Box]:
        """Return a box per kind of request, the lowest risk first."""
        space, risks = self.space, self.values["risk"]
        return [
            space.box({"risk": {risk}, "effect": {effect}})
            for risk, effect in sorted(self.requests, key=lambda pair: (risks.index(pair[0]), pair[1]))
        ]

    def _mask(self, dimension: str, value: str) -> int:
        return 1 << self.values[dimension].index(value)

    def after(self, states: States, index: int, move: PossibleEvent) -> States | None:
        """Apply one event and the events that it raises, as `authguard.core.machine.step`; None if it cannot occur.

        Args:
            states: the current states.
            index: the index of the event's machine.
            move: one of `moves` for that machine and state.
        """
        bit = self.state_space.bit(states)
        if not bit & self.guards.of(move.event):
            return None
        arrows = self.state_space.edge_arrows(index, states[index], move.edge)
        return next((self.state_space.first(after) for arrow in arrows if (after := arrow.after(bit))), states)

    def _all_moves(self) -> Sequence[_Move]:
        """Return the possible events in the order of expansion."""
        if not self._moves:
            for index in _EXPANSION_ORDER:
                machine = MACHINES[index]
                for state in self.machines[machine].states:
                    for move in self.moves[machine, state]:
                        guard = self.guards.of(move.event)
                        arrows = dict.fromkeys(self.state_space.edge_arrows(index, state, move.edge))
                        arrows |= dict.fromkeys(
                            self.state_space.edge_arrows(index, state, move.edge, is_delivered=False)
                        )
                        guarded = tuple(Arrow(arrow.mask & guard, arrow.shift) for arrow in arrows)
                        self._moves.append(_Move(Step(move.event, move.wait, move.since), move.sources, guarded))
        return self._moves

    def iter_arrows(self) -> Iterator[tuple[frozenset[str], tuple[Arrow, ...]]]:
        """Yield the actors of each possible event, and the states that it moves."""
        return ((move.sources, move.arrows) for move in self._all_moves())
