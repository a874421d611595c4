"""Check of the owners of raised events: the record that each of them moves (`authguard.core.owners`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.owners import BROADCAST_FIELDS, Owner, find_owner
from authguard.policy.checks.machine import declared_specs, event_is_known, line_place
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft


def check_raise_owners(draft: Draft) -> Iterator[Problem]:
    """Check that every raised event has an owner: the raising record determines the record that it moves."""
    for spec in declared_specs(draft):
        for index, line in enumerate(spec.lines):
            for event in line.raises:
                if event_is_known(draft, event) and find_owner(spec.name, event) is Owner.NONE:
                    yield Problem(
                        code="raise-unowned",
                        place=line_place(draft, spec.name, index),
                        message=f"machine `{spec.name}` raises `{event}`, and {_why_unowned(spec.name, event)}",
                        advice=_unowned_advice(spec.name, event),
                    )


def _why_unowned(raiser: str, event: str) -> str:
    into = event.partition(".")[0]
    if raiser == "account":
        return (
            "an account has many transactions"
            if into == "transaction"
            else "no record carries this event to all sessions of the account"
        )
    return (
        "the service has no one account, session or transaction"
        if raiser == "service"
        else "a session has many transactions"
    )


def _unowned_advice(raiser: str, event: str) -> str:
    into = event.partition(".")[0]
    if raiser == "account" and into != "transaction":
        return (
            f"raise {' or '.join(f'`{name}`' for name in BROADCAST_FIELDS)}, or name the account's state in `decisions`"
        )
    return f"name the state of `{raiser}` in `decisions`, where it decides on every request"
