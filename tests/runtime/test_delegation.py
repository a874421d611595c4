"""Requests with delegations: a guardian for a teenager, and a delegate for an account holder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.evaluation.preview import briefing, preview
from tests.support.harness import POLICY, EnforcerHarness
from tests.support.possible_cells import find_impossible

if TYPE_CHECKING:
    from authguard.evaluation.decision import Verdict

TEXT = POLICY.replace(
    "map: {ok: normal, frozen: suspended, locked: locked, estate: deceased, kid: minor}",
    "map: {ok: normal, locked: locked, kid: minor, ward: delegated}\n    delegations: /may_act",
)
GUS = {"sub": "gus", "for": ["chat", "accounts"]}
PURCHASE = {"amount": "20.00", "currency": "EUR"}


def test_the_policy_declares_the_pointer_to_delegations() -> None:
    assert "delegations: /may_act" in TEXT


async def ask(
    desk: EnforcerHarness, operation: str, *, actor: str = "", status: str = "kid", may_act: Any = GUS
) -> Verdict:
    desk.clock.advance(1)
    claims = {"account_status": status, "may_act": may_act}
    token = desk.login("kim", sid=f"s-{actor}", claims=claims, actor=actor, actor_pseudonym=actor and "p-actor")
    return await desk.ask(operation, token, body=PURCHASE, method="GET" if operation == "balance" else "POST")


async def test_a_teenager_asks_and_looks_and_for_a_purchase_a_person_takes_over() -> None:
    desk = EnforcerHarness(TEXT)
    assert (await ask(desk, "chat")).fallback.kind == "allow"
    assert (await ask(desk, "balance")).fallback.kind == "allow"
    assert (await ask(desk, "refund")).fallback.kind == "handoff"


async def test_her_guardian_acts_for_her_in_what_the_mandate_names_and_the_rest_is_refused() -> None:
    desk = EnforcerHarness(TEXT)
    allowed = await ask(desk, "balance", actor="gus")
    assert (allowed.fallback.kind, allowed.cell[-1]) == ("allow", "representative")
    refused = await ask(desk, "refund", actor="gus")
    assert (refused.fallback.kind, refused.cell[-1]) == ("deny", "stranger")


async def test_what_costs_goes_to_a_person_although_her_guardian_may_ask_for_it() -> None:
    desk = EnforcerHarness(TEXT)
    asked = await ask(desk, "refund", actor="gus", may_act={"sub": "gus", "for": ["refund"]})
    assert (asked.fallback.kind, asked.cell[-1]) == ("handoff", "representative")


async def test_a_delegate_with_power_over_chats_sees_no_balance() -> None:
    desk = EnforcerHarness(TEXT)
    power = [{"sub": "dora", "for": ["chat"]}, {"sub": "gus", "for": ["balance"]}]
    assert (await ask(desk, "chat", actor="dora", status="ward", may_act=power)).fallback.kind == "allow"
    assert (await ask(desk, "balance", actor="dora", status="ward", may_act=power)).fallback.kind == "deny"
    assert (await ask(desk, "balance", actor="gus", status="ward", may_act=power)).fallback.kind == "allow"


@pytest.mark.parametrize("status", ["ok", "locked"])
async def test_the_standard_policy_takes_a_representative_in_no_other_state(status: str) -> None:
    desk = EnforcerHarness(TEXT)
    refused = await ask(desk, "chat", actor="gus", status=status)
    assert (refused.fallback.kind, refused.cell[-1]) == ("deny", "representative")


async def test_a_rule_may_take_a_representative_in_another_state() -> None:
    own = (
        "decisions:\n  - {when: {account: normal, actor: representative, session: active, credential: good,"
        " scope: granted, risk: routine, effect: read, service: live, limit: within}, do: allow}\n"
    )
    desk = EnforcerHarness(TEXT + own)
    assert (await ask(desk, "chat", actor="gus", status="ok")).fallback.kind == "allow"
    assert (await ask(desk, "chat", actor="otto", status="ok")).fallback.kind == "deny"


async def test_an_operation_for_the_subject_alone_takes_no_representative_and_one_for_others_does() -> None:
    for demand, answer in (("forbidden", ("deny", "stranger")), ("required", ("allow", "representative"))):
        text = TEXT.replace("name: chat,", f"name: chat, actor: {demand},")
        assert text != TEXT
        found = await ask(EnforcerHarness(text), "chat", actor="gus")
        assert (found.fallback.kind, found.cell[-1]) == answer


async def test_a_mandate_that_was_taken_away_acts_at_the_next_look_on_every_session() -> None:
    desk = EnforcerHarness(TEXT)
    claims = {"account_status": "kid", "may_act": GUS}
    old = desk.login("kim", sid="s-gus", claims=claims, actor="gus")
    assert (await desk.ask("chat", old)).fallback.kind == "allow"
    desk.clock.advance(1)
    await desk.ask("chat", desk.login("kim", sid="s-kim", claims={"account_status": "kid"}))
    assert (await desk.ask("chat", old)).fallback.kind == "deny"


async def test_a_policy_without_delegations_takes_none_that_were_stored_under_an_earlier_one() -> None:
    source = "  - from: claim\n    claim: guardians\n    map: {kid: minor}\n    delegations: /may_act\n"
    later = POLICY + "decisions:\n  - {when: {operation: refund, account: dormant}, do: to_a_person}\n"
    desk = EnforcerHarness(later.replace("operations:\n", source + "operations:\n", 1))
    claims = {"account_status": "kid", "guardians": "kid", "may_act": GUS}
    taken = await desk.ask("chat", desk.login("kim", sid="s-gus", claims=claims, actor="gus"))
    assert taken.cell[-1] == "representative"
    desk = EnforcerHarness(later, store=desk.store)
    desk.clock.advance(1)
    refused = await desk.ask("chat", desk.login("kim", sid="s-gus", claims=claims, actor="gus"))
    assert (refused.fallback.kind, refused.cell[-1]) == ("deny", "stranger")
    assert not find_impossible(desk.policy)


@pytest.mark.parametrize("odd", ["gus", {"sub": "gus"}, [GUS, 7], {"sub": "gus", "for": ["chat"], "forever": True}])
async def test_a_report_whose_mandates_cannot_be_read_is_not_recognised_and_names_nobody(odd: Any) -> None:
    desk = EnforcerHarness(TEXT)
    answer = await ask(desk, "chat", actor="gus", may_act=odd)
    assert (answer.fallback.kind, answer.snapshot.account.state) == ("deny", "unrecognised")
    assert (await ask(desk, "balance", may_act=odd)).fallback.kind == "handoff"


async def test_an_agent_that_the_policy_knows_needs_no_mandate_to_speak_for_her_and_gains_nothing_by_one() -> None:
    desk = EnforcerHarness(TEXT)
    assert (await ask(desk, "chat", actor="concierge")).fallback.kind == "allow"
    named = {"sub": "concierge", "for": ["refund"]}
    assert (await ask(desk, "refund", actor="concierge", may_act=named)).fallback.kind == "handoff"


async def test_the_briefing_of_a_guardian_names_what_the_mandate_names() -> None:
    desk = EnforcerHarness(TEXT)
    answer = await ask(desk, "balance", actor="gus", may_act={"sub": "gus", "for": ["balance"]})
    steps = preview(desk.policy, answer)
    assert (steps["balance"], steps["refund"]) == ("now", steps["chat"])
    assert "gus" not in briefing(desk.policy, answer)
