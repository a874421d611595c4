"""Checks that nobody is trapped: from wherever events lead, others lead on to a person, an admission or a denial.

The machines are followed each on its own, those apart that raise events in one another: what one of them can still
become does not hang on the others. That is exact but for the transaction, which a caller may always leave alone and
begin another; so it counts as standing where it stands, or at its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

from authguard.core.boxes import Box, Undecided, intersect
from authguard.core.events import MACHINES
from authguard.core.outcomes import Outcome
from authguard.core.proofs import prove
from authguard.policy.checks.table import names_resolve, space
from authguard.policy.checks.ways import is_sound
from authguard.policy.happenings import CALLER, CLOCK, OPERATOR, WORLD
from authguard.policy.problems import Problem
from authguard.policy.reachability import Path, Reachability, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from authguard.core.proofs import Proven
    from authguard.policy.draft import Draft

#: what a customer can ask for; `public` is open to all, `self` and `staff` are the guard's own
CUSTOMER: Final = ("routine", "sensitive", "high")
#: where somebody is no longer waiting for what does not come
ENDS: Final = frozenset({Outcome.ALLOW, Outcome.RESTRICT, Outcome.REPEAT, Outcome.HANDOFF, Outcome.DENY, Outcome.HOLD})
ANYBODY: Final = frozenset({CALLER, CLOCK, OPERATOR, WORLD})
#: an operator may be able to help, but who would tell them? a hand-off does
UNAIDED: Final = (CALLER, CLOCK, WORLD)

#: the states of some machines that are followed together, and what they can become
Local = tuple[str, ...]
Closure = frozenset[Local]


@dataclass(frozen=True, slots=True)
class Part:
    """Machines that raise events in one another, followed together.

    Attributes:
        machines: their indexes in `MACHINES`.
        closures: what each of their reachable standings can become -> the standings that can become just that.
    """

    machines: tuple[int, ...]
    closures: Mapping[Closure, frozenset[Local]]


@dataclass(frozen=True, slots=True)
class Promise:
    """What must always be reachable.

    Attributes:
        name: as the policy names it.
        wanted: outcomes, any of which will do.
        by: whose events may lead there; empty for anybody's.
        code: of the problem where it does not hold.
        path: where it was written.
    """

    name: str
    wanted: frozenset[Outcome]
    by: tuple[str, ...]
    code: str
    path: str

    @property
    def whose(self) -> str:
        """Say whose events may be used."""
        if self.by == UNAIDED:
            return "any events but an operator's"
        return f"events by {' and '.join(self.by)}" if self.by else "any events"


def nobody_is_trapped(draft: Draft) -> Iterator[Problem]:
    """From wherever events lead, others lead on, to an end for whatever is asked and to all that is promised."""
    if any(problem.severity == "error" for problem in names_resolve(draft)) or not is_sound(draft):
        return
    proof = prove(draft.rules, space(draft))
    if isinstance(proof, Undecided):
        return  # which is a problem already
    reach = Reachability.of(draft)
    graphs = [_graph(reach, machines) for machines in _together(reach)]
    parts = {
        by: [graph.part(frozenset(by) or ANYBODY) for graph in graphs] for by in {one.by for one in _promises(draft)}
    }
    kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
    for promise in _promises(draft):
        right = tuple(rule.index for rule in reversed(draft.rules) if kinds[rule.do] in promise.wanted)
        for risk, effect in _asked(draft):
            asked = reach.space.box({"risk": {risk}, "effect": {effect}, "credential": {"good"}})
            leads = partial(_leads, proof, asked, right)
            path = _nearest_stuck(reach, parts[promise.by], leads)
            if path is not None:
                yield _told(draft, promise, f"{risk} {effect}", path)
                break


def _promises(draft: Draft) -> list[Promise]:
    own = [
        Promise(
            invariant.name,
            frozenset(Outcome(name) for name in invariant.always_reachable),
            invariant.by,
            "promise-broken",
            f"invariants[{index}]",
        )
        for index, invariant in enumerate(draft.invariants)
        if invariant.always_reachable
    ]
    return [Promise("there is always a way out", ENDS, UNAIDED, "trap", "decisions"), *own]


def _told(draft: Draft, promise: Promise, asked: str, path: Path) -> Problem:
    standing = ", ".join(f"{machine} `{state}`" for machine, state in path.states.items())
    wanted = " or ".join(f"`{outcome}`" for outcome in sorted(promise.wanted))
    return Problem(
        code=promise.code,
        place=draft.place(promise.path, "invariants", "decisions"),
        message=f"`{promise.name}` does not hold: with {promise.whose} no {asked} ever comes to {wanted}"
        f" from {standing}",
        path=tuple(map(str, path.steps)),
        advice="add a rule or a transition that leads on, or a hand-off",
    )


def _leads(proof: Proven, asked: Box, right: tuple[int, ...], box: Box) -> bool:
    return proof.is_met(right, intersect(box, asked))


def _asked(draft: Draft) -> list[tuple[str, str]]:
    """Give the kinds of things that customers ask for; a policy made to be extended may meet any."""
    declared = {(operation.risk, operation.effect) for operation in (*draft.operations, draft.otherwise)}
    if draft.base or not draft.operations:
        return list(product(CUSTOMER, ("read", "write")))
    return sorted(pair for pair in declared if pair[0] in CUSTOMER)


@dataclass(frozen=True, slots=True)
class Graph:
    """What some machines can become, event by event.

    Attributes:
        machines: their indexes in `MACHINES`.
        edges: each of their reachable standings -> who can lead on, and where to.
    """

    machines: tuple[int, ...]
    edges: Mapping[Local, tuple[tuple[frozenset[str], Local], ...]]

    def part(self, by: frozenset[str]) -> Part:
        """Tell what each standing can become by some events alone."""
        leads = {local: {after for sources, after in edges if sources & by} for local, edges in self.edges.items()}
        closures: dict[Closure, set[Local]] = {}
        for local in leads:
            closures.setdefault(_closure(local, leads), set()).add(local)
        return Part(self.machines, {closure: frozenset(locals_) for closure, locals_ in closures.items()})


def _together(reach: Reachability) -> list[tuple[int, ...]]:
    """Part the machines by what raises what; the transaction is left out where nothing raises anything in it."""
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
    """Follow some machines from where they begin, while the others stand where they began."""
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


def _closure(begin: Local, leads: Mapping[Local, set[Local]]) -> Closure:
    seen, pending = {begin}, [begin]
    while pending:
        fresh = leads[pending.pop()] - seen
        seen |= fresh
        pending.extend(fresh)
    return frozenset(seen)


def _nearest_stuck(reach: Reachability, parts: list[Part], leads: Callable[[Box], bool]) -> Path | None:
    """Find the nearest standing from which nothing that is wanted comes; what can become more is never worse off."""
    well: list[tuple[Closure, ...]] = []
    stuck: list[list[frozenset[Local]]] = []
    choices = sorted(product(*(part.closures for part in parts)), key=lambda choice: sum(map(len, choice)))
    for choice in choices:
        if any(all(less <= more for less, more in zip(good, choice, strict=True)) for good in well):
            continue
        if any(leads(box) for box in _boxes(reach, parts, choice)):
            well.append(choice)
        else:
            stuck.append([part.closures[closure] for part, closure in zip(parts, choice, strict=True)])
    if not stuck:
        return None

    def is_stuck(states: tuple[str, ...]) -> bool:
        local = [tuple(states[index] for index in part.machines) for part in parts]
        return any(all(one in standing for one, standing in zip(local, choice, strict=True)) for choice in stuck)

    path = reach.nearest(is_stuck)
    return None if isinstance(path, Unreachable) else path


def _boxes(reach: Reachability, parts: list[Part], choice: tuple[Closure, ...]) -> Iterator[Box]:
    """Give all that can become of the machines, in boxes; the transaction is at its beginning unless it has a part."""
    fixed = {MACHINES[-1]: {reach.initial[-1]}}
    ways: list[list[dict[str, set[str]]]] = []
    for part, closure in zip(parts, choice, strict=True):
        names = [MACHINES[index] for index in part.machines]
        if len(names) == 1:
            ways.append([{names[0]: {local[0] for local in closure}}])
        else:
            ways.append(
                [{name: {state} for name, state in zip(names, local, strict=True)} for local in sorted(closure)]
            )
    for one in product(*ways):
        when = dict(fixed)
        for named in one:
            when |= named
        yield reach.space.box(when)
