"""Check of liveness: from every reachable state, events lead to an admission, a hand-off, a hold or a denial.

The search goes backwards from the states that end well, over all combinations of states. A caller may always leave a
transaction and start another, so it counts both in its current and in its initial state. A search that reaches its
bound proves nothing: the policy is refused as `undecided`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.decision_table import PROVEN_CREDENTIALS
from authguard.core.outcomes import Outcome
from authguard.policy.checks.counterexample import has_valid_machines
from authguard.policy.checks.event_sources import CALLER, CLOCK, ENVIRONMENT, OPERATOR
from authguard.policy.checks.reachability import Path, Reachability
from authguard.policy.checks.state_space import SearchLimitError
from authguard.policy.checks.table import prove_table
from authguard.policy.problem import Problem
from authguard.policy.table.mdd import NodeLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.checks.state_space import StateSet
    from authguard.policy.draft import Draft
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
    try:
        yield from _find_deadlocks(draft, proof)
    except (SearchLimitError, NodeLimitError) as limit:
        yield Problem(
            code="undecided",
            place=draft.place("machines"),
            message=f"the search through the states of the machines reached a bound: {limit}, so nothing is proved",
            advice="declare fewer states or fewer `raises`, or name fewer dimensions in a rule",
        )


def _find_deadlocks(draft: Draft, proof: TableCoverage) -> Iterator[Problem]:
    reach = Reachability.of(draft)
    reached = reach.reached
    kinds = {"allow": Outcome.ALLOW} | {name: item.kind for name, item in draft.fallbacks.items()}
    leading: dict[tuple[StateSet, tuple[str, ...]], StateSet] = {}  # many kinds of requests have the same ends
    for goal in _goals(draft):
        right = tuple(rule.index for rule in draft.rules if kinds[rule.do] in goal.wanted)
        for credential, (risk, effect) in product(goal.credentials, _request_kinds(draft)):
            request = reach.space.box({"risk": {risk}, "effect": {effect}, "credential": {credential}})
            ends = proof.project(right, request, reach.state_space.slabs)
            if (ends, goal.by) not in leading:
                leading[ends, goal.by] = _leading_into(reach, ends, frozenset(goal.by) or ALL_ACTORS)
            stuck = reached & ~leading[ends, goal.by]
            path = reach.path_into(stuck) if stuck else None
            if isinstance(path, Path):
                kind = f"{risk} {effect}" if credential == "good" else f"{risk} {effect} with an undated credential"
                yield _problem(draft, goal, kind, path)
                break


def _leading_into(reach: Reachability, ends: StateSet, by: frozenset[str]) -> StateSet:
    """Return the states from which events of some actors lead into a set of states."""
    space = reach.state_space
    moves = [arrow for sources, arrows in reach.iter_arrows() if sources & by for arrow in arrows]
    found, before = ends, 0
    while found != before:
        before = found
        found |= space.leave_transaction(found)
        for arrow in moves:
            found |= arrow.before(found)
        space.spend(len(moves))
    return found


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


def _request_kinds(draft: Draft) -> list[tuple[str, str]]:
    """Return the kinds of requests of customers; a base policy may get any."""
    declared = {(operation.risk, operation.effect) for operation in draft.all_operations}
    if draft.base or not draft.operations:
        return list(product(CUSTOMER_RISKS, ("read", "write")))
    return sorted(pair for pair in declared if pair[0] in CUSTOMER_RISKS)
