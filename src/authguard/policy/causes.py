"""Who can bring a change about: which person or part of the world raises each event, and changes each condition.

What is said here is about the engine's closed vocabulary; it is told to people and decides nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from authguard.policy.quantities import written

if TYPE_CHECKING:
    from authguard.core.facts import Operation
    from authguard.policy.compiled import Policy

#: event -> who raises it; an event of ``account`` that is not here is a report of one of its sources
WHO: Final[dict[str, str]] = {
    "service.engaged": "an operator",
    "service.tripped": "a rollback criterion",
    "service.released": "an operator",
    "service.recovered": "the clock",
    "service.impaired": "a dependency that is down",
    "service.faulted": "a fault of the guard",
    "service.repaired": "the clock",
    "account.reinstated": "an operator",
    "account.unreachable": "an account source that is down",
    "account.aged": "the clock",
    "session.accepted": "the customer, with a good credential",
    "session.renewed": "the customer, by signing in afresh",
    "session.idled": "the clock",
    "session.aged": "the clock",
    "session.revoked": "the issuer or an operator",
    "session.ended": "the customer or the app",
    "verification.started": "the customer",
    "verification.passed": "the customer, by a verifier's word or a sign-in that proves identity",
    "verification.failed": "a verifier",
    "verification.doubted": "a verifier",
    "verification.contradicted": "two verifiers",
    "verification.unavailable": "a verifier that is down",
    "verification.exhausted": "attempts that ran out",
    "verification.cooled": "the clock",
    "verification.aged": "the clock",
    "verification.moved": "the customer, by changing the channel",
    "verification.reset": "an operator",
    "transaction.held": "the guard",
    "transaction.approved": "an approver",
    "transaction.denied": "an approver",
    "transaction.lapsed": "the clock",
    "transaction.altered": "the caller, by changing the request",
    "transaction.started": "the guard",
    "transaction.committed": "the app, by its answer",
    "transaction.failed": "the app, by its answer",
    "transaction.lost": "the clock",
}


#: who is asked for last: of two ways of one length the one that needs none of these is told
_LAST: Final = ("an operator", "an approver", "the issuer or an operator")


def who(event: str) -> str:
    """Tell who raises an event, ``machine.trigger``."""
    return WHO.get(event, "an account source" if event.startswith("account.") else "the guard")


def path(policy: Policy, machine: str, source: str, dest: str) -> tuple[str, ...]:
    """Find the fewest events that lead one machine, by itself, from one state to another.

    Args:
        policy: whose machine it is.
        machine: its name.
        source: the state that it is in.
        dest: the state wanted.

    Returns:
        Events, ``machine.trigger``, in order; empty where nothing leads there.
    """
    table = policy.machines[machine].table
    events = sorted(policy.machines[machine].spec.triggers, key=lambda event: who(f"{machine}.{event}") in _LAST)
    came: dict[str, tuple[str, ...]] = {source: ()}
    waiting = deque([source])
    while waiting and dest not in came:
        state = waiting.popleft()
        for event in events:
            after = table[state, event].dest
            if after not in came:
                came[after] = (*came[state], f"{machine}.{event}")
                waiting.append(after)
    return came.get(dest, ())


def due(policy: Policy, event: str, state: str) -> str:
    """Tell when a timer raises an event in a state: ``after 15m since last_seen``; empty where none does."""
    for timer in policy.timers.declared:
        if timer.event == event and (not timer.states or state in timer.states):
            return f"after {written(timer.after)} since {timer.since}"
    return ""


def by_hand(operation: Operation, condition: str, values: tuple[str, ...]) -> str:
    """Tell who can give a condition of a request one of these values, and how."""
    scopes, strength = " ".join(sorted(operation.scopes)), f" at `{operation.acr}`" if operation.acr else ""
    age = f" within {written(operation.max_age)}" if operation.max_age else ""
    told = {
        ("credential", "good"): "the customer, by signing in",
        ("scope", "granted"): f"the customer, with a token that has the scope `{scopes}`",
        ("assurance", "met"): f"the customer, by signing in{strength}{age}",
        ("limit", "within"): "the caller, with less; or the clock, as the window passes",
        ("channel", "same"): "the customer, by going on where trust was earned or by proving identity here",
        ("actor", "subject"): "the customer, by acting without an agent",
        ("actor", "agent"): "the deployment, by naming the agent under `agents`",
    }
    for value in values:
        if (condition, value) in told:
            return told[condition, value]
    return "the caller, by another request"
