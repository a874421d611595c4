"""Breadth-first search over the product of the five machines: the reachable states, and the shortest events to them.

It follows the engine (`authguard.policy.checks.event_sources`): a session moves only after a credential was proven, a
transaction starts only where the table permits it, and an event raises the events of its transition. The search
continues on demand and keeps its results; it stops at a bound, and reports this.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.decision_table import CONDITIONS, DIMENSIONS, Cell, dimension_values
from authguard.core.events import MACHINES
from authguard.core.machine import MAX_CHAIN_LENGTH, expand
from authguard.core.outcomes import Outcome
from authguard.policy.checks.event_sources import PossibleEvent, machine_specs, possible_events
from authguard.policy.schema.units import format_duration
from authguard.policy.table.boxes import Box, BoxCoverage, Space, intersect, is_empty, reach_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.machine import Spec
    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft

#: one state per machine, in the order of `MACHINES`
States = tuple[str, ...]

#: most steps of a search (a few seconds); the whole product of the standard policy needs 450,000
MAX_STEPS: Final = 4_000_000
_SERVICE, _ACCOUNT, _SESSION, _VERIFICATION, _TRANSACTION = range(len(MACHINES))
_CREDENTIAL: Final = len(MACHINES)
#: order of expansion: of paths with equal length, one with events of the caller is found first
_EXPANSION_ORDER: Final = (_SESSION, _ACCOUNT, _VERIFICATION, _TRANSACTION, _SERVICE)
_TRANSACTION_EVENTS: Final = {"transaction.held": Outcome.HOLD, "transaction.started": Outcome.ALLOW}
#: most boxes to compute the outcomes of one state; beyond them any outcome counts as possible
_MAX_OUTCOME_BOXES: Final = 20_000


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
    """The result of a search without a path.

    Attributes:
        certain: whether the search was complete; otherwise it stopped at its bound.
    """

    certain: bool = True

    def __str__(self) -> str:
        """Format the result for people."""
        return "no events lead there" if self.certain else "no events were found that lead there"


@dataclass(slots=True)
class Reachability:
    """The reachable states of the machines, searched on demand.

    Attributes:
        machines: name -> declared machine.
        moves: (machine, state) -> its possible events.
        rules: rules of the table.
        values: dimension -> its values.
        kinds: fallback -> its outcome.
        requests: the (risk, effect) pairs of the operations.
        steps: number of steps so far.
    """

    machines: Mapping[str, Spec]
    moves: Mapping[tuple[str, str], tuple[PossibleEvent, ...]]
    rules: tuple[Rule, ...]
    values: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, Outcome]
    requests: frozenset[tuple[str, str]]
    steps: int = 0
    _predecessors: dict[States, tuple[States, Step] | None] = field(default_factory=dict)
    _order: list[States] = field(default_factory=list)
    _pending: deque[States] = field(default_factory=deque)
    _outcomes: dict[States, frozenset[tuple[str, str, Outcome]] | None] = field(default_factory=dict)
    #: for each rule, the masks of its conditions other than the credential
    _conditions: list[Box] = field(default_factory=list)

    @classmethod
    def of(cls, policy: Draft | Policy) -> Reachability:
        """Prepare the search without starting it.

        Args:
            policy: a compiled policy, or a draft with total machines and resolved names.
        """
        declared = machine_specs(policy)
        rules = getattr(policy, "rules", None) or policy.table.rules  # type: ignore[union-attr]
        pairs = {(operation.risk, operation.effect) for operation in policy.all_operations}
        if not policy.operations:  # a base policy: its operations are unknown
            pairs = {(risk, effect) for risk in CONDITIONS["risk"] for effect in CONDITIONS["effect"]}
        begin = tuple(declared[name].initial for name in MACHINES)
        return cls(
            machines=declared,
            moves=possible_events(policy),
            rules=tuple(rules),
            values=dimension_values({name: spec.states for name, spec in declared.items()}),
            kinds={"allow": Outcome.ALLOW} | {name: item.kind for name, item in policy.fallbacks.items()},
            requests=frozenset(pairs) | {("self", "read"), ("self", "write"), ("staff", "read"), ("staff", "write")},
            _predecessors={begin: None},
            _order=[begin],
            _pending=deque([begin]),
        )

    @property
    def initial(self) -> States:
        """Return the initial state of every machine."""
        return self._order[0]

    @property
    def states(self) -> Sequence[States]:
        """Return every reachable state, the nearest first; the search runs to its end or its bound."""
        return list(self.iter_states())

    @property
    def space(self) -> Space:
        """Return the dimensions of the table."""
        return Space(self.values)

    @property
    def is_complete(self) -> bool:
        """Return whether the search has visited every reachable state."""
        return not self._pending

    def iter_states(self) -> Iterator[States]:
        """Yield reachable states, the nearest first, and search on demand."""
        place = 0
        while True:
            while place < len(self._order):
                yield self._order[place]
                place += 1
            if not self._pending or self.steps > MAX_STEPS:
                return
            self._expand(self._pending.popleft())

    def path(self, states: States) -> Path:
        """Return the path to states that `iter_states` yielded.

        Raises:
            KeyError: the states were not yielded.
        """
        steps: list[Step] = []
        place = states
        while (came := self._predecessors[place]) is not None:
            place, step = came
            steps.append(step)
        return Path(tuple(reversed(steps)), dict(zip(MACHINES, states, strict=True)))

    def path_to(self, states: Mapping[str, str | Collection[str]]) -> Path | Unreachable:
        """Find the shortest path to some states.

        Args:
            states: machine -> a state, or several accepted states; a machine that is not named may be in any state.

        Raises:
            KeyError: a name that is no machine.
        """
        wanted: list[Collection[str] | None] = [None] * len(MACHINES)
        for machine, named in states.items():
            known = self.machines[machine].states
            wanted[MACHINES.index(machine)] = {named} & set(known) if isinstance(named, str) else set(named)
        return self.find_path(
            lambda found: all(names is None or state in names for state, names in zip(found, wanted, strict=True))
        )

    def find_path(self, accept: Callable[[States], bool]) -> Path | Unreachable:
        """Find the shortest path to states that fulfil a condition."""
        for found in self.iter_states():
            if accept(found):
                return self.path(found)
        return Unreachable(certain=self.is_complete)

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
        return Unreachable(certain=self.is_complete)

    def _credentials(self) -> tuple[tuple[int, Callable[[States], bool]], ...]:
        """Return masks of credentials, each with a predicate for the states of their requests."""
        good, undated = self._mask("credential", "good"), self._mask("credential", "undated")
        unproven = self.space.whole[_CREDENTIAL] & ~(good | undated)
        return (
            (good, self._is_known),
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

    def outcomes(self, states: States) -> frozenset[tuple[str, str, Outcome]]:
        """Return the (risk, effect, outcome) triples that the table can give to a proven caller in these states."""
        known = self._cached_outcomes(states)
        if known is None:
            return frozenset((risk, effect, outcome) for risk, effect in self.requests for outcome in Outcome)
        return known

    def _mask(self, dimension: str, value: str) -> int:
        return 1 << self.values[dimension].index(value)

    def _is_known(self, states: States) -> bool:
        """Return whether a credential was proven for the session; without one only service and account move."""
        if states[_SESSION] != self.initial[_SESSION]:
            return True
        return not any(move.event == "session.accepted" for move in self.moves["session", states[_SESSION]])

    def _expand(self, states: States) -> None:
        for index in _EXPANSION_ORDER:
            for move in self.moves[MACHINES[index], states[index]]:
                self.steps += 1
                after = self.after(states, index, move)
                if after is not None and after not in self._predecessors:
                    self._predecessors[after] = (states, Step(move.event, move.wait, move.since))
                    self._order.append(after)
                    self._pending.append(after)

    def _is_possible(self, index: int, move: PossibleEvent, states: States) -> bool:
        if index in (_SERVICE, _ACCOUNT) or move.event in ("session.accepted", "session.revoked"):
            return True
        if not self._is_known(states):
            return False
        if move.event in _TRANSACTION_EVENTS:
            outcome = _TRANSACTION_EVENTS[move.event]
            new = states[_TRANSACTION] == self.initial[_TRANSACTION] and outcome is Outcome.ALLOW
            return any(
                outcome is found and (not new or (risk == "high" and effect == "write"))
                for risk, effect, found in self.outcomes(states)
            )
        return True

    def after(self, states: States, index: int, move: PossibleEvent) -> States | None:
        """Apply one event and the events that it raises, as `authguard.core.machine.step`; None if it cannot occur.

        Args:
            states: the current states.
            index: the index of the event's machine.
            move: one of `moves` for that machine and state.
        """
        if not self._is_possible(index, move, states):
            return None
        standing = list(states)
        standing[index] = move.edge.dest
        pending = list(move.edge.raises)
        for _ in range(MAX_CHAIN_LENGTH):
            if not pending:
                break
            machine, _, trigger = pending.pop(0).partition(".")
            place = MACHINES.index(machine)
            follow = expand(self.machines[machine]).edges[standing[place], trigger]
            if follow.moves:
                standing[place] = follow.dest
                pending.extend(follow.raises)
        return tuple(standing)

    def _cached_outcomes(self, states: States) -> frozenset[tuple[str, str, Outcome]] | None:
        if states not in self._outcomes:
            self._outcomes[states] = self._compute_outcomes(states)
        return self._outcomes[states]

    def _compute_outcomes(self, states: States) -> frozenset[tuple[str, str, Outcome]] | None:
        """Prove the part of the table for a proven caller in these states; None if it exceeds the budget."""
        cell = {**dict(zip(MACHINES, states, strict=True)), "credential": "good"}
        left = [
            place
            for place, rule in enumerate(self.rules)
            if all(cell[name] in values for name, values in rule.when.items() if name in cell)
        ]
        # machines and credential have one value in these cells, the other dimensions all of theirs
        if not self._conditions:
            self._conditions += (self.space.box(rule.when)[_CREDENTIAL + 1 :] for rule in self.rules)
        fixed = (1,) * (_CREDENTIAL + 1)
        boxes = tuple((*fixed, *self._conditions[place]) for place in left)
        proof = reach_of(boxes, (*fixed, *self.space.whole[_CREDENTIAL + 1 :]), _MAX_OUTCOME_BOXES)
        if not isinstance(proof, BoxCoverage):
            return None
        risks, effects = DIMENSIONS.index("risk"), DIMENSIONS.index("effect")
        return frozenset(
            (risk, effect, self.kinds[self.rules[place].do])
            for place, reached in zip(left, proof.reaches, strict=True)
            for box in reached
            for risk, effect in self.requests
            if box[risks] & self._mask("risk", risk) and box[effects] & self._mask("effect", effect)
        )
