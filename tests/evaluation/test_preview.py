"""The previewed next step is the outcome of the next request, without its reason."""

from __future__ import annotations

import pytest

from authguard.core.outcomes import RESPONSES, Outcome
from authguard.evaluation.preview import briefing, preview
from tests.support.harness import EnforcerHarness, outcome

REFUND = {"amount": 10, "currency": "EUR"}


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
