"""Check of liveness: from every reachable state, a request surely comes to an admission, hand-off, hold or denial.

Reachable states follow possible events (`authguard.policy.checks.event_sources`); a goal needs certain events
(`authguard.policy.checks.sure_states`). A search that reaches its bound proves nothing: the policy is refused as
`undecided`.
"""

from __future__ import annotations

from itertools import product
from math import inf
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.extra_dimensions import OPERATION
from authguard.core.flags import CLEAR, PAYEE_DIMENSIONS, SET, VALUES
from authguard.core.machine import ANY, STAY, Line
from authguard.core.outcomes import Outcome
from authguard.errors import MachineFaultError
from authguard.policy.checks.counterexample import has_valid_machines
from authguard.policy.checks.driver_probe import DriverProbe
from authguard.policy.checks.event_sources import CALLER, CLOCK, ENVIRONMENT, OPERATOR
from authguard.policy.checks.flags import with_polarity
from authguard.policy.checks.reachability import Path, Reachability
from authguard.policy.checks.state_space import SearchLimitError
from authguard.policy.checks.sure_states import RequestKind, SureStates
from authguard.policy.checks.table import prove_table
from authguard.policy.problem import Problem
from authguard.policy.table.mdd import NodeLimitError
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.checks.state_space import StateSet
    from authguard.policy.draft import Draft
    from authguard.policy.table.coverage import TableCoverage

    #: flag -> the values that it may have
    FlagCase = tuple[tuple[str, tuple[str, ...]], ...]

#: risks of a customer's requests; `public` has no requirements, `self` and `staff` belong to the guard's endpoints
CUSTOMER_RISKS: Final = ("routine", "sensitive", "high")
#: outcomes at which a customer no longer waits
END_OUTCOMES: Final = frozenset(
    {Outcome.ALLOW, Outcome.RESTRICT, Outcome.REPEAT, Outcome.HANDOFF, Outcome.DENY, Outcome.HOLD}
)
ALL_ACTORS: Final = frozenset({CALLER, CLOCK, OPERATOR, ENVIRONMENT})
#: most flags of which each combination of values is proved for itself
MAX_LASTING_FLAGS: Final = 6
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
        dated: whether it must be reachable for customers whose tokens state when they signed in, and for others.
    """

    name: str
    wanted: frozenset[Outcome]
    by: tuple[str, ...]
    code: str
    path: str
    dated: tuple[bool, ...] = (True,)

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
    except MachineFaultError as fault:
        yield Problem(
            code="undecided",
            place=draft.place("machines"),
            message=f"the machines cannot be run, so nothing is proved: {fault}",
            advice="correct the machines",
        )


def _find_deadlocks(draft: Draft, proof: TableCoverage) -> Iterator[Problem]:
    probe = DriverProbe(draft)
    searches = [_Search(draft, proof, probe)]
    if not _raises_with_transactions(draft):  # a tenth of the states; what fails there may need a transaction
        searches.insert(0, _Search(_without_transactions(draft), proof, probe))
    proved: dict[tuple[object, ...], list[tuple[frozenset[Outcome], frozenset[str]]]] = {}
    found: dict[LivenessGoal, Problem] = {}
    for goal in sorted(_goals(draft), key=lambda one: len(one.wanted)):
        for is_dated, kind, flags in product(goal.dated, _request_kinds(draft), find_flag_cases(draft, goal)):
            known = proved.setdefault((is_dated, kind, flags), [])
            by = frozenset(goal.by) or ALL_ACTORS
            if any(wanted <= goal.wanted and fewer <= by for wanted, fewer in known):
                continue  # with fewer actors, one of fewer outcomes is sure
            stuck = 0
            for search in searches:
                stuck = search.find_stuck(goal, kind, flags, is_dated=is_dated)
                if not stuck:
                    known.append((goal.wanted, by))
                    break
            else:
                path = searches[-1].reach.path_into(stuck)
                if isinstance(path, Path):
                    request = f"{kind}{'' if is_dated else ' with an undated credential'}{_format_flags(flags)}"
                    found[goal] = _problem(draft, goal, request, path)
                    break
    yield from (found[goal] for goal in _goals(draft) if goal in found)


def find_flag_cases(draft: Draft, goal: LivenessGoal) -> list[FlagCase]:
    """Return the values of flags for which a goal must be reachable, each case for itself.

    The clock clears flags that expire. The caller can name another payee, and can use the operation that sets a flag
    which permits.

    Raises:
        SearchLimitError: too many flags keep their values.
    """
    by = frozenset(goal.by) or ALL_ACTORS
    lasting: list[str] = []
    free: list[tuple[str, tuple[str, ...]]] = []
    values = draft_values(draft)
    for flag in with_polarity(draft):
        if values.get(flag.name) != VALUES:
            continue
        is_callers = flag.by in PAYEE_DIMENSIONS or (flag.expires < inf and not flag.restricts)
        if is_callers and CALLER in by:
            free.append((flag.name, VALUES))
        elif flag.expires < inf and CLOCK in by:
            free.append((flag.name, (CLEAR,)))
        else:
            lasting.append(flag.name)
    if len(lasting) > MAX_LASTING_FLAGS:
        raise SearchLimitError(f"{MAX_LASTING_FLAGS} flags that keep their values")
    return [
        (*free, *((name, (value,)) for name, value in zip(lasting, chosen, strict=True)))
        for chosen in product(VALUES, repeat=len(lasting))
    ]


def _format_flags(flags: FlagCase) -> str:
    """Format the flags that are set and stay so."""
    listed = [f"`{name}`" for name, values in flags if values == (SET,)]
    return f" with {' and '.join(listed)} set" if listed else ""


class _Search:
    """Search for the states from which a goal is not surely reached.

    Attributes:
        reach: the reachable states.
    """

    def __init__(self, draft: Draft, proof: TableCoverage, probe: DriverProbe) -> None:
        """Prepare the search."""
        self.reach = Reachability.of(draft)
        self._draft, self._proof, self._probe = draft, proof, probe
        self._sure: dict[tuple[tuple[str, ...], bool, FlagCase], SureStates] = {}

    def find_stuck(self, goal: LivenessGoal, kind: RequestKind, flags: FlagCase, *, is_dated: bool) -> StateSet:
        """Return the reachable states without a sure way to the goal; if possible, those without any."""
        key = (goal.by, is_dated, flags)
        if key not in self._sure:
            by = frozenset(goal.by) or ALL_ACTORS
            states = self.reach.state_space
            self._sure[key] = SureStates(
                self._probe, self._draft, self._proof, states, by=by, is_dated=is_dated, flags=dict(flags)
            )
        needed = self.reach.reached
        found = self._sure[key].leading_into(goal.wanted, kind, needed)
        stuck = needed & ~found
        hopeless = stuck & ~self._sure[key].may_lead_into(found) if stuck else 0
        return hopeless or stuck


def _raises_with_transactions(draft: Draft) -> bool:
    """Return whether a transaction raises events, or another machine raises its events."""
    return any(
        name == "transaction" or event.startswith("transaction.")
        for name, spec in draft.machines.items()
        for line in spec.lines
        for event in line.raises
    )


def _without_transactions(draft: Draft) -> Draft:
    """Return a draft whose transactions stay in their initial state."""
    spec = draft.machines["transaction"]
    idle = Line(triggers=(ANY,), sources=(ANY,), dest=STAY)
    idle_spec = replace(spec, states=(spec.initial,), lines=(idle,))
    timers = tuple(timer for timer in draft.timers if not timer.event.startswith("transaction."))
    return replace(draft, machines={**draft.machines, "transaction": idle_spec}, timers=timers)


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
        LivenessGoal(way_out, END_OUTCOMES, WITHOUT_OPERATOR, "trap", "decisions", (True, False)),
        *own,
    ]


def _problem(draft: Draft, goal: LivenessGoal, request: str, path: Path) -> Problem:
    standing = ", ".join(f"{machine} `{state}`" for machine, state in path.states.items())
    wanted = " or ".join(f"`{outcome}`" for outcome in sorted(goal.wanted))
    return Problem(
        code=goal.code,
        place=draft.place(goal.path, "invariants", "decisions"),
        message=f"`{goal.name}` does not hold: with {goal.allowed_events} no {request} ever comes to {wanted}"
        f" from {standing} by certain events",
        path=tuple(map(str, path.steps)),
        advice="add a rule or a transition that leads on, or a hand-off",
    )


def _request_kinds(draft: Draft) -> list[RequestKind]:
    """Return the kinds of requests of customers; a base policy may get any."""
    if draft.base or not draft.operations:
        return [RequestKind(risk, effect) for risk, effect in product(CUSTOMER_RISKS, ("read", "write"))]
    named = [rule.when[OPERATION] for rule in draft.rules if OPERATION in rule.when]
    declared: dict[tuple[str, str, str, tuple[bool, ...]], RequestKind] = {}
    for one in draft.all_operations:
        if one.risk in CUSTOMER_RISKS:
            actor = "agent" if one.actor == "required" else "subject"
            alike = (one.risk, one.effect, actor, tuple(one.name in names for names in named))
            name = one.name if named else ""
            declared.setdefault(alike, RequestKind(one.risk, one.effect, actor, name))
    return [declared[alike] for alike in sorted(declared)]
