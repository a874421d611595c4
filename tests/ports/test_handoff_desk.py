"""Tests of the port of hand-offs: the adapter has the methods."""

from __future__ import annotations

from authguard.ports.handoff_desk import HandoffDesk, Ticket
from authguard.runtime.handoff import StoreDesk
from tests.ports.conformance import list_differences


def test_a_desk_has_the_methods_of_the_port() -> None:
    assert list_differences(StoreDesk, HandoffDesk) == []


def test_a_ticket_without_facts_has_empty_ones() -> None:
    ticket = Ticket(id="t", queue="q", opened=1.0, operation="x", subject="s", account="a", session="b")
    assert (ticket.states, ticket.assurance, ticket.decisions, ticket.record) == ({}, {}, (), "")
