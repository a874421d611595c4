"""What can happen to the machines of a policy, and who brings it about: the engine's own events, and no others.

It mirrors `authguard.runtime`: which fact of a request becomes which event, what the app may report, what only a
person or a timer does. Where the engine's answer depends on more than the five states (how long ago, how often), the
event counts as possible: what is called unreachable is so, whatever happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES, NOT_REPORTS
from authguard.core.machine import Machine, expand
from authguard.core.outcomes import Outcome
from authguard.core.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.core.machine import Edge, Spec
    from authguard.core.timers import Timer
    from authguard.policy.compiled_policy import Policy
    from authguard.policy.draft import Draft

CALLER: Final = "caller"
CLOCK: Final = "clock"
OPERATOR: Final = "operator"
#: the app, an issuer's signal, a service that is down: nobody whom an invariant's `by` can name
ENVIRONMENT: Final = "world"

#: events that somebody's request brings about, by a credential, by the answer of a verifier, or by the app's answer
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
#: what sets a moment beside `entered` (`authguard.core.events.MOMENTS`)
_SETS: Final = {
    "signed_in": ("session.accepted", "session.renewed"),
    "last_seen": ("session.accepted", "session.renewed"),
    "faulted": ("service.impaired", "service.faulted"),
}
#: no verdict on a person comes from a policy that asks no verifier
_VERDICTS: Final = frozenset({"verification.started", "verification.passed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleEvent:
    """One event that can happen while its machine is in a state, and move something.

    Attributes:
        event: ``machine.trigger``.
        sources: who can bring it about: `CALLER`, `CLOCK`, `OPERATOR`, `ENVIRONMENT`.
        wait: seconds that a timer counts before it; 0 where it need not be waited for.
        since: the moment that the timer counts from; empty where it need not be waited for.
        edge: the machine's answer.
    """

    event: str
    sources: frozenset[str]
    wait: float = 0.0
    since: str = ""
    edge: Edge


def machine_specs(policy: Draft | Policy) -> dict[str, Spec]:
    """Give the machines as declared, in the order of `MACHINES`, from a draft or from a compiled policy."""
    given: dict[str, Spec] = {
        name: machine.spec if isinstance(machine, Machine) else machine for name, machine in policy.machines.items()
    }
    return {name: given[name] for name in MACHINES if name in given}


def possible_events(policy: Draft | Policy) -> dict[tuple[str, str], tuple[PossibleEvent, ...]]:
    """Give what can move each machine from each of its states.

    Args:
        policy: whose machines are total.

    Returns:
        (machine, state) -> what can happen there, the plainest first; nothing that would stay put.
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
        found |= {(name, state): tuple(sorted(moves, key=_plainness)) for state, moves in answers.items()}
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
    reports = [trigger for trigger in machine_specs(policy)["account"].triggers if trigger not in NOT_REPORTS]
    for state in reports:
        if state != "normal":
            raised.setdefault(f"account.{state}", set()).add(ENVIRONMENT)  # the app may report what tightens
    for state in _reported(policy, reports):
        raised.setdefault(f"account.{state}", set()).add(CALLER)  # a request has the sources asked
    return raised


def _reported(policy: Draft | Policy, reports: Iterable[str]) -> set[str]:
    """Give the account states that the policy's sources can report; a base policy's are anybody's guess."""
    if getattr(policy, "base", False) or any(not source.claim for source in policy.accounts):
        return set(reports)
    if not policy.accounts:
        return {"normal"}
    return {"unrecognised"}.union(*(source.map.values() for source in policy.accounts)) & set(reports)


def _due(
    spec: Spec, timers: Iterable[Timer], answers: Mapping[str, list[PossibleEvent]]
) -> Iterable[tuple[str, PossibleEvent]]:
    """Give the timers that can fall due: their moment can be set, and no shorter one of the state comes first."""
    edges = expand(spec).edges
    own = [timer for timer in timers if timer.event.partition(".")[0] == spec.name]
    happening = {move.event for moves in answers.values() for move in moves}
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
                continue  # nothing was ever entered, so nothing counts
            if timer.since == "reported" and not any(move.startswith("account.") for move in happening):
                continue
            if timer.since in ("signed_in", "last_seen") and state == spec.initial and state not in entered:
                continue  # nobody has signed in yet
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


def _plainness(happening: PossibleEvent) -> tuple[bool, bool, float]:
    """What a request brings about is plainer than what a person does, and that plainer than waiting."""
    return (CALLER not in happening.sources, bool(happening.since), happening.wait)
