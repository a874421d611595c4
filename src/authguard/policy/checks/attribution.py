"""Attribution of changes: which person or component raises each event and determines each condition.

The texts cover the closed vocabulary of the engine. They explain decisions to people and decide nothing.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES
from authguard.core.flags import CLEAR
from authguard.policy.checks.reachability import Reachability, Step
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.policy.checks.event_sources import PossibleEvent
    from authguard.policy.checks.state_space import States

#: most steps of a path search (about a second); the nearest paths have a few events
MAX_STEPS: Final = 100_000
#: event -> its actor; any other ``account`` event is reported by an account source
EVENT_ACTORS: Final[dict[str, str]] = {
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


#: actors that a path avoids: of two paths with the same length, the one without them is returned
_LAST: Final = ("an operator", "an approver", "the issuer or an operator")


#: how a credential without a sign-in time becomes good
UNDATED_REMEDY: Final = "the customer, by verifying their identity, or with a token that states the sign-in time"


def event_actor(event: str) -> str:
    """Return the actor who raises an event, ``machine.trigger``."""
    return EVENT_ACTORS.get(event, "an account source" if event.startswith("account.") else "the guard")


def find_paths(
    policy: Policy, here: Mapping[str, str], wanted: Sequence[Mapping[str, Collection[str]]], bound: int = MAX_STEPS
) -> tuple[tuple[Step, ...], ...]:
    """Find the shortest event paths from the current states to each of several goals.

    The search follows the engine (`authguard.policy.checks.reachability`): impossible combinations of states are not
    visited.

    Args:
        policy: the policy of the machines.
        here: machine -> current state.
        wanted: for each goal, machine -> the accepted states.
        bound: most steps to search.

    Returns:
        The events for each goal; none if no path was found, which within the bound means that there is none.
    """
    search = Reachability.of(policy)
    begin = tuple(here[machine] for machine in MACHINES)
    goals = [tuple(goal[machine] for machine in MACHINES) for goal in wanted]
    came: dict[States, tuple[Step, ...]] = {begin: ()}
    found: dict[int, tuple[Step, ...]] = {}
    waiting, count = deque([begin]), 0
    while waiting and len(found) < len(goals) and count < bound:
        states = waiting.popleft()
        for number, goal in enumerate(goals):
            if number not in found and all(state in states_ for state, states_ in zip(states, goal, strict=True)):
                found[number] = came[states]
        for place, machine in enumerate(MACHINES):
            for move in order_moves(search.moves[machine, states[place]]):
                count += 1
                after = search.after(states, place, move)
                if after is not None and after not in came:
                    came[after] = (*came[states], Step(move.event, move.wait, move.since))
                    waiting.append(after)
    return tuple(found.get(number, ()) for number in range(len(goals)))


def order_moves(moves: Sequence[PossibleEvent]) -> list[PossibleEvent]:
    """Return the events of one state, those of an operator last."""
    return sorted(moves, key=lambda move: event_actor(move.event) in _LAST)


def format_step(step: Step) -> str:
    """Format a step with its actor."""
    return f"{step} ({'the clock' if step.since else event_actor(step.event)})"


def _permitted(operation: Operation) -> str:
    """Return what a token must contain for an operation, besides its audience."""
    needs = [f"the scope `{' '.join(sorted(operation.scopes))}`"] if operation.scopes else []
    needs += [f"the role {' or '.join(f'`{role}`' for role in sorted(operation.roles))}"] if operation.roles else []
    return " and ".join(needs)


def flag_actor(flag: Flag, value: str) -> str:
    """Return who can give a flag a value, and how."""
    if value == CLEAR:
        found = [f"the clock, {format_duration(flag.expires)} after its last setting"] if flag.expires < inf else []
        return "; or ".join([*found, *(f"staff with the role `{role}`" for role in flag.cleared_by)])
    by_operation = [f"the customer, by `{name}`" for one in flag.set_by for name in one.operations]
    by_others = ["the app" if one.app else f"staff with the role `{one.role}`" for one in flag.set_by if not one.event]
    return "; or ".join(dict.fromkeys([*by_operation, *by_others]))


def condition_actor(operation: Operation, condition: str, values: tuple[str, ...], now: str = "") -> str:
    """Return who can give a condition of a request one of these values, and how.

    Args:
        operation: of the request.
        condition: name.
        values: wanted values.
        now: current value; empty if it does not matter.
    """
    strength = f" at `{operation.acr}`" if operation.acr else ""
    age = f" within {format_duration(operation.max_age)}" if operation.max_age else ""
    format_step = {
        ("credential", "good"): "the customer, by signing in" if now != "undated" else UNDATED_REMEDY,
        ("scope", "granted"): f"the customer, with a token that has {_permitted(operation)}",
        ("assurance", "met"): f"the customer, by signing in{strength}{age}",
        ("limit", "within"): "the caller, with less; or the clock, as the window passes",
        (
            "channel_change",
            "same",
        ): "the customer, on the channel where trust was earned, or by proving identity here",
        ("actor", "subject"): "the customer, by acting without an agent",
        ("actor", "agent"): "the deployment, by naming the agent under `agents`",
        ("actor", "representative"): "a source of the account, by naming who acts",
    }
    for value in values:
        if (condition, value) in format_step:
            return format_step[condition, value]
    return "the caller, by another request"
