"""The previewed next step is the outcome of the next request, without its reason."""

from __future__ import annotations

import pytest

from authguard.core.outcomes import RESPONSES, Outcome
from authguard.evaluation.preview import briefing, preview
from tests.support.harness import POLICY, EnforcerHarness, outcome
from tests.support.possible_cells import find_impossible

REFUND = {"amount": 10, "currency": "EUR"}

#: a policy whose rules tell operations apart, and where only a payee can be known
NAMED = (
    POLICY.replace("    idempotency: required\n", "    payee: {at: /to}\n    idempotency: required\n")
    .replace("scopes: [accounts]}", "scopes: [accounts], actor: forbidden}")
    .replace("agents:", "channels: {from: {claim: channel}, trusts: {chat: []}}\nagents:")
    + """
decisions:
  - {when: {operation: refund, known_payee: clear}, do: payee_first}
flags:
  known_payee: {by: [subject, payee], expires: 24h, set_by: [{operation: refund, event: committed}]}
fallbacks:
  payee_first: {kind: deny}
"""
)


@pytest.mark.parametrize("status", ["ok", "locked", "frozen", "estate", "kid", "a word that nobody knows"])
@pytest.mark.parametrize("acr", ["aal1", "aal2"])
async def test_each_operation_meets_what_was_foretold(status: str, acr: str) -> None:
    desk = EnforcerHarness()
    token = desk.login(claims={"account_status": status}, acr=acr)
    told = preview(desk.policy, await desk.ask("chat", token))
    assert set(told) == {"health", "chat", "live", "balance", "refund"}
    for operation, step in told.items():
        kind = Outcome(outcome(await desk.ask(operation, token, body=REFUND, idempotency="k"))[0])
        assert step == ("now" if kind in {Outcome.ALLOW, Outcome.RESTRICT} else RESPONSES[kind][2]), operation


async def test_who_proved_nothing_is_told_to_sign_in() -> None:
    desk = EnforcerHarness()
    told = preview(desk.policy, await desk.ask("chat"))
    assert told == dict.fromkeys(("chat", "live", "balance", "refund"), "authenticate") | {"health": "now"}


@pytest.mark.parametrize("status", ["locked", "frozen", "estate"])
async def test_a_briefing_never_says_what_is_the_matter_with_an_account(status: str) -> None:
    desk = EnforcerHarness()
    verdict = await desk.ask("chat", desk.login(claims={"account_status": status}))
    said = briefing(desk.policy, verdict)
    assert not any(word in said for word in ("lock", "suspend", "frozen", "deceased", "estate", "account"))
    assert "a colleague takes over: offer to connect them" in said


async def test_a_briefing_for_a_restricted_talk_says_so() -> None:
    desk = EnforcerHarness()
    said = briefing(desk.policy, await desk.ask("chat", desk.login(claims={"account_status": "locked"})))
    assert said.startswith("This customer may now use: health, chat, live (reading only).")


@pytest.mark.parametrize("caller", ["nobody", "subject", "agent"])
async def test_what_is_foretold_is_the_answer_to_a_possible_request(caller: str) -> None:
    desk = EnforcerHarness(NAMED)
    claims, actor = {"account_status": "estate", "channel": "chat"}, "concierge" if caller == "agent" else ""
    token = b"" if caller == "nobody" else desk.login(claims=claims, actor=actor)
    told = preview(desk.policy, await desk.ask("chat", token))
    assert not find_impossible(desk.policy)
    assert told["health"] == "now", "a public operation knows nobody, and so nobody's account"


async def test_an_actor_that_an_operation_forbids_is_told_so() -> None:
    desk = EnforcerHarness(NAMED)
    token = desk.login(claims={"account_status": "ok", "channel": "chat"}, actor="concierge")
    told = preview(desk.policy, await desk.ask("chat", token))
    kind = Outcome(outcome(await desk.ask("balance", token))[0])
    assert told["balance"] == RESPONSES[kind][2]
