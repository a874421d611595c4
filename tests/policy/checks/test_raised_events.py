"""A raised event without an owner is refused, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.machine import Line
from authguard.policy.checks.raised_events import check_raise_owners
from authguard.policy.checks.registry import run_checks

if TYPE_CHECKING:
    from authguard.policy.draft import Draft


def raising(draft: Draft, machine: str, event: str) -> Draft:
    """Add a line that raises an event to a machine."""
    spec = draft.machines[machine]
    line = Line(triggers=("*",), sources=("*",), dest=spec.states[-1], raises=(event,))
    return replace(draft, machines={**draft.machines, machine: replace(spec, lines=(line, *spec.lines))})


@pytest.mark.parametrize(
    ("machine", "event", "reason", "advice"),
    [
        ("service", "session.revoked", "the service has no one account", "`service` in `decisions`"),
        ("service", "account.locked", "the service has no one account", "`service` in `decisions`"),
        ("session", "transaction.denied", "a session has many transactions", "`session` in `decisions`"),
        ("verification", "transaction.denied", "a session has many transactions", "`verification` in `decisions`"),
        ("account", "transaction.denied", "an account has many transactions", "`account` in `decisions`"),
        ("account", "session.idled", "no record carries this event", "raise `session.revoked` or `verification.moved`"),
        ("account", "verification.failed", "no record carries this event", "raise `session.revoked` or"),
    ],
)
def test_an_event_without_an_owner_is_refused(
    standard_draft: Draft, machine: str, event: str, reason: str, advice: str
) -> None:
    (problem,) = check_raise_owners(raising(standard_draft, machine, event))
    assert (problem.code, problem.severity) == ("raise-unowned", "error")
    assert reason in problem.message
    assert advice in problem.advice


@pytest.mark.parametrize(
    ("machine", "event"),
    [
        ("account", "session.revoked"),
        ("account", "verification.moved"),
        ("transaction", "account.restricted"),
        ("transaction", "session.revoked"),
        ("session", "account.restricted"),
        ("verification", "session.revoked"),
        ("account", "service.impaired"),
        ("account", "service.unknown"),
    ],
)
def test_an_event_with_an_owner_is_accepted_and_an_unknown_one_is_for_another_check(
    standard_draft: Draft, machine: str, event: str
) -> None:
    assert list(check_raise_owners(raising(standard_draft, machine, event))) == []


def test_a_promise_of_machines_that_the_driver_cannot_run_is_not_searched(standard_draft: Draft) -> None:
    draft = raising(standard_draft, "account", "session.ended")
    assert "raise-unowned" in {problem.code for problem in run_checks(draft)}, "and no exception"
