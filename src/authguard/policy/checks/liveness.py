"""Check of liveness: from every reachable state, events lead to an admission, a hand-off, a hold or a denial.

Machines that raise events in each other are searched together, the others alone, since their future states do not
depend on each other. This is exact except for the transaction: a caller may always leave it and start another. So it
counts both in its current and in its initial state.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.decision_table import PROVEN_CREDENTIALS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.policy.checks.counterexample import has_valid_machines
from authguard.policy.checks.event_sources import CALLER, CLOCK, ENVIRONMENT, OPERATOR
from authguard.policy.checks.reachability import Path, Reachability, Unreachable
from authguard.policy.checks.table import prove_table
from authguard.policy.problem import Problem
from authguard.policy.table.boxes import Box, intersect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from authguard.policy.draft import Draft
    from authguard.policy.table.boxes import Space
    from authguard.policy.table.coverage import TableCoverage

#: risks of a customer's requests; `public` has no requirements, `self` and `staff` belong to the guard's endpoints
CUSTOMER_RISKS: Final = ("routine", "sensitive", "high")
#: outcomes at which a customer no longer waits
END_OUTCOMES: Final = frozenset(
    {Outcome.ALLOW, Outcome.RESTRICT, Outcome.REPEAT, Outcome.HANDOFF, Outcome.DENY, Outcome.HOLD}
)
ALL_ACTORS: Final = frozenset({CALLER, CLOCK, OPERATOR, ENVIRONMENT})
#: an operator could help, but only a hand-off calls one
WITHOUT_OPERATOR: Final = (CALLER, CLOCK, ENVIRONMENT)

#: the states of machines that are searched together
Local = tuple[str, ...]
#: a bit per reachable state tuple: those that can be reached from one
Closure = int


class MachineGroup(Struct, frozen=True):
    """Machines that raise events in each other and are searched together.

    Attributes:
        machines: their indexes in `MACHINES`.
        closures: set of reachable state tuples -> the state tuples with exactly this set.
        masks: the same sets -> as boxes of these machines.
    """

    machines: tuple[int, ...]
    closures: Mapping[Closure, frozenset[Local]]
    masks: Mapping[Closure, tuple[Box, ...]]


class StateSets(Struct, frozen=True):
    """Reachable states, grouped by the states that can follow.

    Attributes:
        parts: the groups of machines.
        choices: one closure per group, the smallest first.
        begin: a box with the initial states of the machines in no group, and no other restriction.
    """

    parts: tuple[MachineGroup, ...]
    choices: tuple[tuple[Closure, ...], ...]
    begin: Box

    @classmethod
    def of(cls, reach: Reachability, parts: list[MachineGroup]) -> StateSets:
        """Sort the combinations of closures by size."""
        choices = product(*(part.closures for part in parts))
        ordered = sorted(choices, key=lambda choice: sum(one.bit_count() for one in choice))
        return cls(tuple(parts), tuple(ordered), reach.space.box({MACHINES[-1]: {reach.initial[-1]}}))

    def boxes(self, choice: tuple[Closure, ...]) -> Iterator[Box]:
        """Yield the states that can follow a choice, as boxes; a transaction without a group is initial."""
        for ways in product(*(part.masks[closure] for part, closure in zip(self.parts, choice, strict=True))):
            box = list(self.begin)
            for part, masks in zip(self.parts, ways, strict=True):
                for index, mask in zip(part.machines, masks, strict=True):
                    box[index] = mask
            yield tuple(box)


class LivenessGoal(Struct, frozen=True):
    """Outcomes that must always be reachable.

    Attributes:
        name: the invariant's name.
        wanted: the outcomes, one of which is enough.
        by: the actors of the events that may lead there; empty for all actors.
        code: the code of the problem.
        path: its place in the policy.
        credentials: values of ``credential`` with which it must be reachable.
    """

    name: str
    wanted: frozenset[Outcome]
    by: tuple[str, ...]
    code: str
    path: str
    credentials: tuple[str, ...] = ("good",)

    @property
    def allowed_events(self) -> str:
        """Format the actors of the events that may lead there."""
        if self.by == WITHOUT_OPERATOR:
            return "any events but an operator's"
        return f"events by {' and '.join(self.by)}" if self.by else "any events"


def check_no_deadlock(draft: Draft) -> Iterator[Problem]:
    """Check that every request can reach an end, and every goal of the invariants, from every reachable state."""
    proof = prove_table(draft)
    if proof is None or not has_valid_machines(draft):
        return  # other checks report these problems
    reach = Reachability.of(draft)
    graphs = [_graph(reach, machines) for machines in _machine_groups(reach)]
    state_sets = {
        by: StateSets.of(reach, [graph.part(frozenset(by) or ALL_ACTORS, reach.space) for graph in graphs])
        for by in {one.by for one in _goals(draft)}
    }
    kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
    for goal in _goals(draft):
        right = tuple(rule.index for rule in reversed(draft.rules) if kinds[rule.do] in goal.wanted)
        for credential, (risk, effect) in product(goal.credentials, _request_kinds(draft)):
            request = reach.space.box({"risk": {risk}, "effect": {effect}, "credential": {credential}})
            leads = partial(_leads, proof, request, right)
            path = _find_deadlock(reach, state_sets[goal.by], leads)
            if path is not None:
                kind = f"{risk} {effect}" if credential == "good" else f"{risk} {effect} with an undated credential"
                yield _problem(draft, goal, kind, path)
                break


def _goals(draft: Draft) -> list[LivenessGoal]:
    own = [
        LivenessGoal(
            invariant.name,
            frozenset(Outcome(name) for name in invariant.always_reachable),
            invariant.by,
            "promise-broken",
            f"invariants[{index}]",
        )
        for index, invariant in enumerate(draft.invariants)
        if invariant.always_reachable
    ]
    way_out = "there is always a way out"
    return [
        LivenessGoal(way_out, END_OUTCOMES, WITHOUT_OPERATOR, "trap", "decisions", PROVEN_CREDENTIALS),
        *own,
    ]


def _problem(draft: Draft, goal: LivenessGoal, request: str, path: Path) -> Problem:
    standing = ", ".join(f"{machine} `{state}`" for machine, state in path.states.items())
    wanted = " or ".join(f"`{outcome}`" for outcome in sorted(goal.wanted))
    return Problem(
        code=goal.code,
        place=draft.place(goal.path, "invariants", "decisions"),
        message=f"`{goal.name}` does not hold: with {goal.allowed_events} no {request} ever comes to {wanted}"
        f" from {standing}",
        path=tuple(map(str, path.steps)),
        advice="add a rule or a transition that leads on, or a hand-off",
    )


def _leads(proof: TableCoverage, request: Box, right: tuple[int, ...], box: Box) -> bool:
    return proof.decides_any(right, intersect(box, request))


def _request_kinds(draft: Draft) -> list[tuple[str, str]]:
    """Return the kinds of requests of customers; a base policy may get any."""
    declared = {(operation.risk, operation.effect) for operation in draft.all_operations}
    if draft.base or not draft.operations:
        return list(product(CUSTOMER_RISKS, ("read", "write")))
    return sorted(pair for pair in declared if pair[0] in CUSTOMER_RISKS)


class Graph(Struct, frozen=True):
    """Graph of the reachable states of some machines.

    Attributes:
        machines: their indexes in `MACHINES`.
        edges: state tuple -> (actors, next state tuple) of each event.
    """

    machines: tuple[int, ...]
    edges: Mapping[Local, tuple[tuple[frozenset[str], Local], ...]]

    def part(self, by: frozenset[str], space: Space) -> MachineGroup:
        """Group the state tuples by what can follow with the events of some actors."""
        numbers = {local: number for number, local in enumerate(self.edges)}
        leads = [
            sum(1 << number for number in {numbers[after] for sources, after in edges if sources & by})
            for edges in self.edges.values()
        ]
        closures: dict[Closure, set[Local]] = {}
        for local, number in numbers.items():
            closures.setdefault(_closure(number, leads), set()).add(local)
        names = [MACHINES[index] for index in self.machines]
        state_sets = [
            tuple(1 << space.values[name].index(state) for name, state in zip(names, local, strict=True))
            for local in self.edges
        ]
        return MachineGroup(
            self.machines,
            {closure: frozenset(locals_) for closure, locals_ in closures.items()},
            {closure: _masks([state_sets[number] for number in _bits(closure)]) for closure in closures},
        )


def _machine_groups(reach: Reachability) -> list[tuple[int, ...]]:
    """Group machines that raise events in each other; omit the transaction if it is alone."""
    groups = [{index} for index in range(len(MACHINES))]

    def join(one: int, other: int) -> None:
        merged = groups[one] | groups[other]
        for index in merged:
            groups[index] = merged

    join(MACHINES.index("session"), MACHINES.index("verification"))
    for (machine, _), moves in reach.moves.items():
        for move in moves:
            for raised in move.edge.raises:
                join(MACHINES.index(machine), MACHINES.index(raised.partition(".")[0]))
    alone = {MACHINES.index("transaction")}
    return sorted({tuple(sorted(group)) for group in groups if group != alone})


def _graph(reach: Reachability, machines: tuple[int, ...]) -> Graph:
    """Search some machines from their initial states, with the others in their initial states."""
    begin = tuple(reach.initial[index] for index in machines)
    edges: dict[Local, tuple[tuple[frozenset[str], Local], ...]] = {}
    pending = [begin]
    while pending:
        local = pending.pop()
        if local in edges:
            continue
        states = list(reach.initial)
        for index, state in zip(machines, local, strict=True):
            states[index] = state
        standing = tuple(states)
        edges[local] = tuple(
            (move.sources, tuple(after[one] for one in machines))
            for index in machines
            for move in reach.moves[MACHINES[index], standing[index]]
            if (after := reach.after(standing, index, move)) is not None
        )
        pending.extend(after for _, after in edges[local])
    return Graph(machines, edges)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


def _closure(begin: int, leads: Sequence[int]) -> Closure:
    seen, pending = 1 << begin, 1 << begin
    while pending:
        fresh = 0
        for number in _bits(pending):
            fresh |= leads[number]
        pending = fresh & ~seen
        seen |= pending
    return seen


def _masks(state_sets: Sequence[Box]) -> tuple[Box, ...]:
    """Merge state tuples that differ only in their last machine into one box."""
    joined: dict[Box, int] = {}
    for *before, last in state_sets:
        joined[tuple(before)] = joined.get(tuple(before), 0) | last
    return tuple((*before, last) for before, last in joined.items())


def _find_deadlock(reach: Reachability, state_sets: StateSets, leads: Callable[[Box], bool]) -> Path | None:
    """Find the nearest state from which the goal is unreachable; a state with a larger closure is never worse."""
    well: list[tuple[Closure, ...]] = []
    stuck: list[list[frozenset[Local]]] = []
    for choice in state_sets.choices:
        if any(all(not less & ~more for less, more in zip(good, choice, strict=True)) for good in well):
            continue
        if any(leads(box) for box in state_sets.boxes(choice)):
            well.append(choice)
        else:
            stuck.append([part.closures[closure] for part, closure in zip(state_sets.parts, choice, strict=True)])
    if not stuck:
        return None

    def is_stuck(states: tuple[str, ...]) -> bool:
        local = [tuple(states[index] for index in part.machines) for part in state_sets.parts]
        return any(all(one in standing for one, standing in zip(local, choice, strict=True)) for choice in stuck)

    path = reach.find_path(is_stuck)
    return None if isinstance(path, Unreachable) else path
