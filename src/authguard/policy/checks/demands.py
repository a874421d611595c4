"""Checks of what the guard takes for granted of the machines: states that it names, initial states and its own events.

The guard sends events and reads states that no policy can rename. A machine in which they do not have their effect
would fail at run time, or change nothing where the guard reports a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.events import MACHINES, REPORTED_STATES, UNREPORTED
from authguard.core.machine import expand
from authguard.core.outcomes import Outcome
from authguard.core.record_codec import FINAL_TRANSACTION_STATES
from authguard.evaluation.booking import VOIDING_EVENTS
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.machine import Edge, Spec
    from authguard.policy.draft import Draft

    Edges = Mapping[tuple[str, str], Edge]


def check_needed_states(draft: Draft) -> Iterator[Problem]:
    """Check that the account machine has the states that the guard itself reports."""
    spec = draft.machines.get("account")
    if spec is None:
        return
    for state, purpose in REPORTED_STATES.items():
        if state not in spec.states:
            yield Problem(
                code="state-demanded",
                place=draft.place("machines.account.states", "machines.account", "machines"),
                message=f"machine `account` has no state `{state}`, which the guard reports {purpose}",
                advice=f"add `{state}` to its `states`, and `{{trigger: {state}, source: '*', dest: {state}}}`",
            )


def check_initial_states(draft: Draft) -> Iterator[Problem]:
    """Check that every machine begins in a state from which the guard's first events move it."""
    faults = {
        "account": _account_faults,
        "session": _session_faults,
        "verification": _verification_faults,
        "transaction": _beginning_faults,
    }
    for spec, edges in total_machines(draft):
        for reason, advice in faults[spec.name](draft, spec.initial, edges) if spec.name in faults else ():
            yield Problem(
                code="initial-demanded",
                place=draft.place(f"machines.{spec.name}.initial", f"machines.{spec.name}", "machines"),
                message=f"machine `{spec.name}` begins in `{spec.initial}`, {reason}",
                advice=advice,
            )


def total_machines(draft: Draft) -> Iterator[tuple[Spec, Edges]]:
    """Yield the total machines with their transitions; other checks report the rest."""
    for name in MACHINES:
        spec = draft.machines.get(name)
        if spec is None or spec.initial not in spec.states:
            continue
        expansion = expand(spec)
        if not expansion.holes and all(edge.dest in spec.states for edge in expansion.edges.values()):
            yield spec, expansion.edges


def _account_faults(draft: Draft, begin: str, edges: Edges) -> Iterator[tuple[str, str]]:
    del draft, edges
    if begin != UNREPORTED:
        reason = "which a source can report: the guard would take that report for an unknown status"
        yield reason, f"begin in `{UNREPORTED}`, the state before any report"


def _session_faults(draft: Draft, begin: str, edges: Edges) -> Iterator[tuple[str, str]]:
    del draft
    if edges[begin, "renewed"].dest == begin:
        yield "a state of somebody who has signed in", "begin in a state that only a sign-in leaves"
    elif not edges[begin, "accepted"].moves:
        yield "and `accepted`, the first credential, does not move it", _line("accepted", begin, "STATE")


def _verification_faults(draft: Draft, begin: str, edges: Edges) -> Iterator[tuple[str, str]]:
    del draft
    if begin in {edge.dest for (_, trigger), edge in edges.items() if trigger == "passed" and edge.moves}:
        yield "the state of a proven identity", "begin in a state to which `passed` does not lead"


def _beginning_faults(draft: Draft, begin: str, edges: Edges) -> Iterator[tuple[str, str]]:
    if not edges[begin, "started"].moves:
        yield "and `started` does not move it: no new request would run", _line("started", begin, "STATE")
    if _holds(draft) and not edges[edges[begin, "held"].dest, "approved"].moves:
        yield "and `held` leads to no state that `approved` leaves", _line("held", begin, "STATE")
    if edges[begin, "approved"].moves:
        yield "which `approved` leaves, and nobody has requested it yet", _line("approved", begin, "'='")


def _holds(draft: Draft) -> bool:
    return any(item.kind is Outcome.HOLD for item in draft.fallbacks.values())


def _line(trigger: str, source: str, dest: str) -> str:
    return f"add `- {{trigger: {trigger}, source: {source}, dest: {dest}}}` before the other lines"


def check_needed_events(draft: Draft) -> Iterator[Problem]:
    """Check that the guard's own events have their effect in every state."""
    found = {"service": _rollback_faults, "session": _ending_faults, "transaction": _transaction_faults}
    for spec, edges in total_machines(draft):
        if spec.name in found:
            for event, state, reason, advice in found[spec.name](spec, edges):
                yield Problem(
                    code="event-demanded",
                    place=draft.place(f"machines.{spec.name}.transitions", f"machines.{spec.name}", "machines"),
                    message=f"`{spec.name}.{event}` leads from `{state}` to `{edges[state, event].dest}`, {reason}",
                    advice=advice,
                )


def _rollback_faults(spec: Spec, edges: Edges) -> Iterator[tuple[str, str, str, str]]:
    rolled_back = edges[spec.initial, "engaged"].dest
    if rolled_back == spec.initial:
        yield "engaged", spec.initial, "so an operator could not stop the agent", _line("engaged", "'*'", "STATE")
        return
    for state in spec.states:
        if edges[state, "engaged"].dest != rolled_back:
            reason = f"and not to `{rolled_back}`: an operator stops the agent from every state"
            yield "engaged", state, reason, _line("engaged", "'*'", rolled_back)
    if not edges[rolled_back, "released"].moves:
        reason = "so an operator could not start the agent again"
        yield "released", rolled_back, reason, _line("released", rolled_back, "STATE")


def _ending_faults(spec: Spec, edges: Edges) -> Iterator[tuple[str, str, str, str]]:
    live = {state for state in spec.states if edges[state, "renewed"].dest == state}
    for event in ("ended", "revoked"):
        for state in spec.states:
            dest = edges[state, event].dest
            if dest in live:
                reason = "the state of a signed-in session: a sign-out would end nothing"
                yield event, state, reason, "lead it to a state that `renewed` leaves, such as `revoked`"


def _transaction_faults(spec: Spec, edges: Edges) -> Iterator[tuple[str, str, str, str]]:
    runnable = {state for state in spec.states if edges[state, "started"].moves}
    for event in sorted({*VOIDING_EVENTS, "committed"}):
        for state in spec.states:
            edge = edges[state, event]
            if edge.moves and (again := _reached(spec, edges, edge.dest) & runnable):
                reason = f"from where it can run again (`{min(again)}`): it has run, or its reservations are released"
                yield event, state, reason, "lead it to a state without a way to `started`"
    for state in sorted(FINAL_TRANSACTION_STATES & set(spec.states)):
        for trigger in spec.triggers:
            if _reached(spec, edges, edges[state, trigger].dest) & runnable:
                reason = "which can run: the guard deletes records in this state after their retention"
                yield trigger, state, reason, _line(trigger, state, "'='")


def _reached(spec: Spec, edges: Edges, begin: str) -> set[str]:
    """Return the states that any events lead to from a state, with the state itself."""
    found, pending = {begin}, [begin]
    while pending:
        state = pending.pop()
        fresh = {edges[state, trigger].dest for trigger in spec.triggers} - found
        found |= fresh
        pending.extend(fresh)
    return found
