"""The states in which events can occur: what no decision permits never begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.checks.event_guard import EventGuards
from authguard.policy.checks.state_space import StateSpace

if TYPE_CHECKING:
    from authguard.core.policy import Policy


def test_a_transaction_begins_where_the_table_admits_or_holds_it(support_desk: Policy) -> None:
    space = StateSpace({name: machine.spec for name, machine in support_desk.machines.items()})
    guards = EventGuards(support_desk, space)
    verified = space.bit(("live", "normal", "active", "verified", "none"))
    doubted = space.bit(("live", "normal", "active", "ambiguous", "none"))
    for event in ("transaction.started", "transaction.held"):
        assert guards.of(event) & verified, event
        assert not guards.of(event) & doubted, event


def test_without_a_proven_credential_only_service_and_account_move(support_desk: Policy) -> None:
    space = StateSpace({name: machine.spec for name, machine in support_desk.machines.items()})
    guards = EventGuards(support_desk, space)
    nobody = space.having("session", "absent")
    assert guards.known_callers == space.whole & ~nobody
    assert not guards.of("verification.started") & nobody
    assert guards.of("account.locked") == guards.of("session.accepted") == space.whole
