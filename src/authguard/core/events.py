"""The closed vocabulary that the engine raises, one list per machine; a policy's string is only ever a key into it.

An event is written ``machine.trigger``. What a policy can add is a *state* of ``account``: each added state may be
reported, so it brings one trigger of its own name (DESIGN 2).
"""

from __future__ import annotations

from typing import Final

import msgspec

MACHINES: Final = ("service", "account", "session", "verification", "transaction")

VOCABULARY: Final[dict[str, tuple[str, ...]]] = {
    "service": ("engaged", "tripped", "released", "recovered", "impaired", "faulted", "repaired"),
    "account": (
        "reinstated",
        "normal",
        "dormant",
        "minor",
        "delegated",
        "restricted",
        "unrecognised",
        "locked",
        "suspended",
        "compromised",
        "merged",
        "deceased",
        "closed",
        "unreachable",
        "aged",
    ),
    "session": ("accepted", "renewed", "idled", "aged", "revoked", "ended"),
    "verification": (
        "started",
        "passed",
        "failed",
        "doubted",
        "contradicted",
        "unavailable",
        "exhausted",
        "cooled",
        "aged",
        "moved",
        "reset",
    ),
    "transaction": ("held", "approved", "denied", "lapsed", "altered", "started", "committed", "failed", "lost"),
}

#: Events that prove something anew: a named destination that equals the state re-enters it, so `entered` moves.
REENTERING: Final = frozenset({"session.renewed", "verification.passed"})

#: Account triggers that are no report of a state.
NOT_REPORTS: Final = frozenset({"reinstated", "unreachable", "aged"})

#: Everything that the app may raise through ``guard.report`` under every policy: nothing here lifts a restriction, and
#: the customer can mend it. The account's states are reports too (strictest wins), where the policy lists them.
TIGHTENING: Final = frozenset(
    {
        "session.ended",
        "session.revoked",
        "verification.failed",
        "verification.doubted",
        "verification.contradicted",
        "verification.unavailable",
        "verification.exhausted",
        "verification.moved",
    }
)
#: What the app may raise through ``Control.report``: it concerns everybody.
SERVICE_REPORTS: Final = frozenset({"service.impaired"})

#: The moments a timer may count from, per machine; `entered` is every machine's.
MOMENTS: Final[dict[str, tuple[str, ...]]] = {
    "service": ("entered", "faulted"),
    "account": ("entered", "reported"),
    "session": ("entered", "signed_in", "last_seen"),
    "verification": ("entered",),
    "transaction": ("entered",),
}


def triggers(machine: str, states: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Give the triggers that a machine must answer.

    Args:
        machine: one of `MACHINES`.
        states: the machine's states; an added state of ``account`` is itself a trigger.

    Returns:
        The closed list, with the reports of added account states at its end.
    """
    closed = VOCABULARY[machine]
    if machine != "account":
        return closed
    return closed + tuple(state for state in states if state not in closed and state != "unknown")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, with its own time: the engine asks no clock.

    Attributes:
        name: ``machine.trigger``.
        at: when it happened, epoch seconds UTC (for a timer: when it fell due).
        cause: who or what says so: ``timer``, ``credential``, ``app``, ``operator``, ``claim``, ``guard``.
        moments: the named moments of the machine's record that this event moves, with their new values.
    """

    name: str
    at: float
    cause: str = "guard"
    moments: tuple[tuple[str, float], ...] = ()
