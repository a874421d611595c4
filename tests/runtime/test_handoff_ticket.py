"""A ticket holds what a person needs to take over, opened once for an account and queue, and recorded then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from authguard.core.request import Evidence
from authguard.errors import StoreError
from authguard.evaluation.request import AccessRequest
from authguard.records.entries import ActEntry
from authguard.runtime.handoff_ticket import MAX_DECISIONS, MAX_SESSIONS, TicketOpener
from authguard.runtime.journal import Journal
from tests.support.harness import CountingIds, EnforcerHarness, ListSink

if TYPE_CHECKING:
    from authguard.ports import Ticket


class Desk:
    """A desk with one open ticket for each account and queue."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], Ticket] = {}
        self.broken = False

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        if self.broken:
            raise StoreError("out")
        return self.open.setdefault((ticket.account, ticket.queue), ticket)


class Scene:
    """An opener, and a customer who is handed off."""

    def __init__(self) -> None:
        self.harness = EnforcerHarness()
        self.desk = Desk()
        self.sink = ListSink()
        policy, ids = self.harness.policy, CountingIds()
        journal = Journal(policy.digest, self.sink, ids, policy.audit.request)
        self.opener = TicketOpener(self.desk, journal, ids)

    async def hand_off(self, record: str = "r9") -> Ticket:
        """Open a ticket for a locked customer; return it as the desk has it."""
        header = self.harness.login(claims={"account_status": "locked"})
        verdict = await self.harness.ask("balance", header)
        assert verdict.principal is not None
        request = AccessRequest(operation=verdict.operation, evidence=Evidence(authorization=header))
        now = self.harness.clock.now()
        found = await self.opener.open_ticket(request, verdict.principal, verdict.decision, record, now)
        (ticket,) = self.desk.open.values()
        assert ticket.id == found
        return ticket

    def acts(self) -> list[ActEntry]:
        return [one for one in self.sink.of(ActEntry) if isinstance(one, ActEntry)]


async def test_a_ticket_has_the_states_and_the_proof_but_no_name_and_no_token() -> None:
    scene = Scene()
    ticket = await scene.hand_off()

    assert ticket.states["account"] == "locked"
    assert ticket.assurance["acr"] == "aal2"
    assert (ticket.queue, ticket.operation, ticket.record) == ("identity", "balance", "r9")
    text = json.dumps(msgspec.to_builtins(ticket))
    assert "alice" not in text
    assert "Bearer" not in text


async def test_a_second_hand_off_finds_the_open_ticket_and_is_recorded_once() -> None:
    scene = Scene()
    first = await scene.hand_off()
    scene.harness.clock.advance(1)
    second = await scene.hand_off("r10")

    assert second == first
    assert [(act.act, act.ticket, act.note) for act in scene.acts()] == [("handoff.opened", first.id, "identity")]


async def test_a_desk_that_cannot_store_it_says_so() -> None:
    scene = Scene()
    scene.desk.broken = True

    with pytest.raises(StoreError):
        await scene.hand_off()
    assert scene.acts() == []


async def test_the_last_decisions_of_the_session_are_told_oldest_first() -> None:
    scene = Scene()
    who = (await scene.harness.ask("chat", scene.harness.login())).principal
    assert who is not None
    for number in range(MAX_DECISIONS + 3):
        scene.opener.add_decision(who.session_key, float(number), "chat", "allow", f"r{number}")

    ticket = await scene.hand_off()

    assert [record for *_, record in ticket.decisions] == [f"r{number}" for number in range(3, MAX_DECISIONS + 3)]


def test_the_sessions_without_recent_decisions_are_dropped_first() -> None:
    opener = Scene().opener
    for number in range(MAX_SESSIONS):
        opener.add_decision(b"%d" % number, 1.0, "chat", "allow", "r")
    opener.add_decision(b"0", 2.0, "chat", "allow", "r")
    opener.add_decision(b"new", 3.0, "chat", "allow", "r")
    opener.add_decision(b"", 4.0, "chat", "allow", "r")

    assert len(opener._recent) == MAX_SESSIONS
    assert b"0" in opener._recent
    assert b"1" not in opener._recent
    assert b"" not in opener._recent
