"""Facts of a request in its record: what a decision depends on besides the cell, and no name, claim or credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.evaluation.recorded_facts import MAX_FACT_CHARS
from authguard.records.entries import ActEntry, DecisionEntry
from tests.support.harness import ISSUER, OWN_STAFF, POLICY, EnforcerHarness

if TYPE_CHECKING:
    from authguard.evaluation.recorded_facts import Facts


def recorded(guard: EnforcerHarness) -> Facts:
    entry = guard.sink.of(DecisionEntry)[-1]
    assert isinstance(entry, DecisionEntry)
    return dict(entry.facts)


async def test_a_first_decision_holds_the_facts_of_its_credential_and_of_the_account() -> None:
    guard = EnforcerHarness()
    now = guard.clock.now()
    header = guard.login("alice", sid="s1")
    await guard.ask("chat", header)
    assert recorded(guard) == {
        "issuer": ISSUER,
        "scopes": "accounts chat refunds",
        "acr": "aal2",
        "auth_time": now,
        "issued_at": now,
        "sid": True,
        "account_0": "ok",
        "account_0_at": now,
    }
    await guard.ask("balance", header, method="GET")
    assert recorded(guard)["stored"] == "account session"


async def test_a_repeated_decision_holds_none_since_its_credential_has_them_already() -> None:
    guard = EnforcerHarness()
    header = guard.login()
    for _ in range(3):
        await guard.ask("chat", header)
    first, _, third = guard.sink.of(DecisionEntry)
    assert isinstance(third, DecisionEntry)
    assert isinstance(first, DecisionEntry)
    assert first.facts
    assert not third.facts
    assert third.credential == first.credential


async def test_an_unproven_request_has_no_facts_but_a_signed_out_one_has() -> None:
    guard = EnforcerHarness()
    header = guard.login()
    await guard.ask("chat")
    assert recorded(guard) == {}
    await guard.enforcer.reports.end_session(await guard.ask("chat", header))
    guard.clock.set(guard.clock.now() + 10)
    await guard.ask("chat", guard.login())
    refused = await guard.ask("chat", header)
    assert refused.reason.code == "signed-out"
    assert recorded(guard)["issuer"] == ISSUER


async def test_amounts_keys_roles_agents_and_time_of_a_verification() -> None:
    guard = EnforcerHarness(POLICY + OWN_STAFF)
    header = guard.login(claims={"account_status": "ok", "roles": ["clerk"]}, client="concierge", sid="")
    await guard.ask("refund", header, body={"amount": 12, "currency": "EUR"}, idempotency="k" * 16)
    facts = recorded(guard)
    assert (facts["amount"], facts["asked"], facts["roles"], facts["client_agent"]) == (
        *("12 EUR", "key", "clerk"),
        "concierge",
    )
    assert "sid" not in facts
    assert int(facts["size"]) > 10
    await guard.ask("refund", header, body={"amount": "many", "currency": "EUR"}, idempotency="j" * 16)
    assert recorded(guard)["amount"] == "amount-malformed"


@pytest.mark.parametrize("text", ["x" * (MAX_FACT_CHARS + 1), "level\u202eone"])
async def test_a_fact_that_is_too_long_or_does_not_print_is_left_out(text: str) -> None:
    guard = EnforcerHarness()
    await guard.ask("chat", guard.login(acr=text, claims={"account_status": text}))
    facts = recorded(guard)
    assert "acr" not in facts
    assert "account_0" not in facts
    assert "account_0_at" in facts


async def test_unregistered_parties_and_subjects_are_not_named() -> None:
    guard = EnforcerHarness()
    header = guard.login("alice", client="anna-laptop", actor="robot", person=True, amr=("pwd",))
    await guard.ask("chat", header)
    text = str(recorded(guard))
    assert not any(name in text for name in ("alice", "anna-laptop", "robot", "pwd"))


async def test_an_event_outside_a_request_that_moves_nothing_is_recorded() -> None:
    guard = EnforcerHarness()
    verdict = await guard.ask("chat", guard.login())
    await guard.enforcer.reports.report(verdict, "session.revoked")
    before = len(guard.sink.of(ActEntry))
    await guard.enforcer.reports.report(verdict, "session.ended", note="again")
    (entry,) = guard.sink.of(ActEntry)[before:]
    assert isinstance(entry, ActEntry)
    assert (entry.act, entry.by, entry.unmoved, entry.note, entry.decision) == (
        *("events.unmoved", "", ("session.ended",), "again"),
        verdict.record,
    )
