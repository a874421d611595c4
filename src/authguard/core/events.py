"""Closed vocabulary of events, one list per machine; a string in a policy is only a key into it.

An event is written ``machine.trigger``. A policy can only add *states* of ``account``. Each added state may be
reported, so it adds one trigger of the same name (DESIGN 2).
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

#: account states that the guard itself reports, and when; every policy has them
NORMAL: Final = "normal"
UNRECOGNISED: Final = "unrecognised"
REPORTED_STATES: Final = {NORMAL: "if no source is declared", UNRECOGNISED: "for a status that no source maps"}
#: account state before any report, which no source can report
UNREPORTED: Final = "unknown"

#: events that renew a proof: if the destination equals the state, it is entered again, so `entered` changes
REENTERING: Final = frozenset({"session.renewed", "verification.passed"})

#: account triggers that do not report a state
NOT_REPORTS: Final = frozenset({"reinstated", "unreachable", "aged"})

#: events that the app may raise through ``guard.report`` under every policy: none of them lifts a restriction, and the
#: customer can recover from each. States of the account are reports too (strictest wins), where the policy lists them.
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
#: events that the app may raise through ``Control.report``: they affect all users
SERVICE_REPORTS: Final = frozenset({"service.impaired"})

#: times from which a timer may count, per machine; every machine has `entered`
MOMENTS: Final[dict[str, tuple[str, ...]]] = {
    "service": ("entered", "faulted"),
    "account": ("entered", "reported"),
    "session": ("entered", "signed_in", "last_seen"),
    "verification": ("entered",),
    "transaction": ("entered",),
}

#: events that set a moment of their record also when another event raises them; so does each report of an account
RAISED_MOMENTS: Final = {"service.impaired": "faulted", "service.faulted": "faulted"}
#: events that end a session: earlier sign-ins, and transactions held for them, are void
ENDING: Final = frozenset({"session.revoked", "session.ended"})


def triggers(machine: str, states: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the triggers that a machine must handle.

    Args:
        machine: one of `MACHINES`.
        states: the machine's states; an added state of ``account`` is itself a trigger.

    Returns:
        The closed list, with the reports of added account states at its end.
    """
    closed = VOCABULARY[machine]
    if machine != "account":
        return closed
    return closed + tuple(state for state in states if state not in closed and state != UNREPORTED)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its time: the engine reads no clock.

    Attributes:
        name: ``machine.trigger``.
        at: time of the event, epoch seconds UTC (for a timer: its due time).
        cause: origin: ``timer``, ``credential``, ``app``, ``operator``, ``claim``, ``guard``.
        moments: timestamps of the machine's record that this event changes, with their new values.
    """

    name: str
    at: float
    cause: str = "guard"
    moments: tuple[tuple[str, float], ...] = ()
