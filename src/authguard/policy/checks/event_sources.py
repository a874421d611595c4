"""The events that can move each machine from each state, and the actors who can raise them.

An event counts as possible if the driver's answer depends on more than the five states (on times, counts or reports).
So a state that is reported as unreachable is unreachable in every case. Events that are certain are found by
`authguard.policy.checks.driver_probe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.events import MACHINES, NOT_REPORTS
from authguard.core.machine import Machine, expand
from authguard.core.outcomes import Outcome
from authguard.core.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.machine import Edge, Spec
    from authguard.core.policy import Policy
    from authguard.core.timers import Timer
    from authguard.policy.draft import Draft

CALLER: Final = "caller"
CLOCK: Final = "clock"
OPERATOR: Final = "operator"
#: the app, an issuer's signal, a failed service: actors that an invariant's `by` cannot name
ENVIRONMENT: Final = "world"

#: events of a request: by a credential, a verifier's answer or the app's response
_REQUEST: Final = (
    *("session.accepted", "session.renewed", "session.ended"),
    *("verification.started", "verification.passed", "verification.failed", "verification.doubted"),
    *("verification.contradicted", "verification.exhausted", "verification.moved"),
    *("transaction.held", "transaction.started", "transaction.committed", "transaction.failed", "transaction.altered"),
)
_PERSON: Final = (
    *("account.reinstated", "verification.reset", "service.engaged", "service.released"),
    *("transaction.approved", "transaction.denied", "transaction.committed", "transaction.failed"),
)
_OUTSIDE: Final = (
    *("session.revoked", "verification.unavailable", "account.unreachable", "transaction.lost"),
    *("service.impaired", "service.faulted", "service.tripped", "service.repaired"),
)
#: events that do not occur in a policy without verifiers
_VERDICTS: Final = frozenset({"verification.started", "verification.passed"})


class PossibleEvent(Struct, frozen=True, kw_only=True):
    """An event that can occur in a state of its machine and moves it.

    Attributes:
        event: ``machine.trigger``.
        sources: the actors who can raise it: `CALLER`, `CLOCK`, `OPERATOR`, `ENVIRONMENT`.
        wait: delay of a timer in seconds; 0 without a timer.
        since: the moment that the timer counts from; empty without a timer.
        edge: the transition.
    """

    event: str
    sources: frozenset[str]
    wait: float = 0.0
    since: str = ""
    edge: Edge


def machine_specs(policy: Draft | Policy) -> dict[str, Spec]:
    """Return the declared machines, in the order of `MACHINES`, of a draft or a compiled policy."""
    given: dict[str, Spec] = {
        name: machine.spec if isinstance(machine, Machine) else machine for name, machine in policy.machines.items()
    }
    return {name: given[name] for name in MACHINES if name in given}


def possible_events(policy: Draft | Policy) -> dict[tuple[str, str], tuple[PossibleEvent, ...]]:
    """Return the events that can move each machine from each of its states.

    Args:
        policy: a policy with total machines.

    Returns:
        (machine, state) -> its possible events, the simplest first; events that do not move the machine are omitted.
    """
    declared = machine_specs(policy)
    timers = policy.timers.declared if isinstance(policy.timers, Timers) else policy.timers
    raised = _sources(policy)
    found: dict[tuple[str, str], tuple[PossibleEvent, ...]] = {}
    for name, spec in declared.items():
        edges = expand(spec).edges
        answers = {
            state: [
                PossibleEvent(event=f"{name}.{trigger}", sources=frozenset(sources), edge=edges[state, trigger])
                for trigger in spec.triggers
                if (sources := raised.get(f"{name}.{trigger}")) and edges[state, trigger].moves
            ]
            for state in spec.states
        }
        for state, due in _due(spec, timers, answers):
            answers[state].append(due)
        found |= {(name, state): tuple(sorted(moves, key=_sort_key)) for state, moves in answers.items()}
    return found


def _sources(policy: Draft | Policy) -> Mapping[str, set[str]]:
    raised: dict[str, set[str]] = {}
    for source, events in ((CALLER, _REQUEST), (OPERATOR, _PERSON), (ENVIRONMENT, _OUTSIDE)):
        for event in events:
            raised.setdefault(event, set()).add(source)
    asks = bool(policy.identity) or any(item.kind is Outcome.VERIFY for item in policy.fallbacks.values())
    if not asks:
        for event in _VERDICTS:
            raised.pop(event)
    for state in {*machine_specs(policy)["account"].triggers} - NOT_REPORTS - {"normal"}:
        raised.setdefault(f"account.{state}", set()).add(ENVIRONMENT)  # the app may report tightening states
    lines = [line for spec in machine_specs(policy).values() for line in spec.lines]
    for event in {event for line in lines for event in line.raises}:
        raised.setdefault(event, set()).add(ENVIRONMENT)  # another session or transaction of the person may raise it
    for state in reported_states(policy):
        raised.setdefault(f"account.{state}", set()).add(CALLER)  # a request makes the guard query the sources
    return raised


def reported_states(policy: Draft | Policy) -> set[str]:
    """Return the account states that the policy's sources can report; a base policy may have any source."""
    reports = [trigger for trigger in machine_specs(policy)["account"].triggers if trigger not in NOT_REPORTS]
    if getattr(policy, "base", False) or any(not source.claim for source in policy.accounts):
        return set(reports)
    if not policy.accounts:
        return {"normal"}
    return {"unrecognised"}.union(*(source.map.values() for source in policy.accounts)) & set(reports)


def _due(
    spec: Spec, timers: Iterable[Timer], answers: Mapping[str, list[PossibleEvent]]
) -> Iterable[tuple[str, PossibleEvent]]:
    """Return the timers that can fall due: their moment can be set, and no shorter timer of the state precedes them."""
    edges = expand(spec).edges
    own = [timer for timer in timers if timer.event.partition(".")[0] == spec.name]
    events = {move.event for moves in answers.values() for move in moves}
    entered = {move.edge.dest for moves in answers.values() for move in moves} | {
        edges[state, timer.event.partition(".")[2]].dest for timer in own for state in timer.states or spec.states
    }
    for state in spec.states:
        first: dict[str, Timer] = {}
        for timer in own:
            if timer.states and state not in timer.states:
                continue
            if not edges[state, timer.event.partition(".")[2]].moves:
                continue
            if timer.since == "entered" and state == spec.initial and state not in entered:
                continue  # the state was never entered
            if timer.since == "reported" and not any(move.startswith("account.") for move in events):
                continue
            if timer.since in ("signed_in", "last_seen") and state == spec.initial and state not in entered:
                continue  # there was no sign-in yet
            if timer.since not in first or timer.after < first[timer.since].after:
                first[timer.since] = timer
        for timer in first.values():
            yield (
                state,
                PossibleEvent(
                    event=timer.event,
                    sources=frozenset({CLOCK}),
                    wait=timer.after,
                    since=timer.since,
                    edge=edges[state, timer.event.partition(".")[2]],
                ),
            )


def _sort_key(event: PossibleEvent) -> tuple[bool, bool, float]:
    """Sort key: events of a request first, then events of a person, then timers."""
    return (CALLER not in event.sources, bool(event.since), event.wait)
