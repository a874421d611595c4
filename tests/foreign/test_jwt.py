"""Tokens that somebody else's identity provider signed: they pass, are refused, rotate and outlive an outage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.foreign.issuer import Browser

if TYPE_CHECKING:
    from tests.foreign.conftest import Agent
    from tests.foreign.issuer import Issuer


@pytest.mark.parametrize("kind", ["es256", "rs256", "eddsa"])
async def test_a_token_of_every_algorithm_passes(kind: str, issuer: Issuer, agent: Agent) -> None:
    browser = Browser(issuer, "customer-1", resource=kind)
    tokens = await browser.sign_in()
    await browser.close()
    answer = await agent.ask("orders", tokens.access)
    assert (answer.status_code, answer.json()) == (200, {"user": "customer-1"})


async def test_a_token_for_somebody_else_is_refused(issuer: Issuer, agent: Agent) -> None:
    browser = Browser(issuer, "customer-1", resource="https://other.test")
    tokens = await browser.sign_in()
    await browser.close()
    answer = await agent.ask("chat", tokens.access)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_refreshed_token_goes_on_with_the_session(browser: Browser, agent: Agent) -> None:
    tokens = await browser.sign_in()
    assert (await agent.ask("orders", tokens.access)).status_code == 200
    for _ in range(3):
        tokens = await browser.refresh(tokens)
        assert (await agent.ask("orders", tokens.access)).status_code == 200
    decisions = [entry for entry in agent.log() if entry["kind"] == "decision"]
    assert len({entry["session"] for entry in decisions}) == 1
    assert [entry["event"] for entry in agent.log() if entry["kind"] == "transition"].count("session.renewed") <= 1


async def test_a_step_up_is_asked_for_and_answered(browser: Browser, agent: Agent) -> None:
    weak = await browser.sign_in(acr_values="aal1")
    refused = await agent.ask("refund", weak.access)
    challenge = refused.headers["www-authenticate"]
    assert refused.status_code == 401
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'acr_values="aal2"' in challenge
    strong = await browser.sign_in(acr_values="aal2", prompt="login")
    assert (await agent.ask("refund", strong.access)).status_code == 200


async def test_an_issuer_that_answers_with_the_weak_sign_in_ends_at_a_person(browser: Browser, agent: Agent) -> None:
    outcomes = []
    for _ in range(5):  # single sign-on answers at once: `acr_values` is only a wish to this issuer
        tokens = await browser.sign_in(acr_values="aal2") if outcomes else await browser.sign_in(acr_values="aal1")
        outcomes.append((await agent.ask("refund", tokens.access)).json()["outcome"])
    assert outcomes == ["step_up", "step_up", "step_up", "handoff", "handoff"]


@pytest.mark.parametrize("overlap", [True, False])
async def test_a_rotation_of_keys_loses_no_request(
    browser: Browser, agent: Agent, issuer: Issuer, *, overlap: bool
) -> None:
    before = await browser.sign_in()
    assert (await agent.ask("chat", before.access)).status_code == 200
    issuer.rotate(overlap=overlap)
    tokens = [await browser.sign_in() for _ in range(5)]
    answers = await asyncio.gather(*(agent.ask("chat", each.access) for each in (before, *tokens) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}


async def test_killing_the_issuer_in_mid_traffic_drops_nothing_that_known_keys_can_serve(
    browser: Browser, agent: Agent, issuer: Issuer
) -> None:
    known = await browser.sign_in()
    fresh = [await browser.refresh(known)]
    for _ in range(9):
        fresh.append(await browser.refresh(fresh[-1]))
    assert (await agent.ask("chat", known.access)).status_code == 200
    traffic = [asyncio.create_task(agent.ask("chat", known.access)) for _ in range(50)]
    issuer.kill()
    answers = await asyncio.gather(*traffic, *(agent.ask("chat", each.access) for each in fresh))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_token_that_cannot_be_proved_in_an_outage_is_told_to_come_again(
    browser: Browser, agent: Agent, issuer: Issuer
) -> None:
    assert (await agent.ask("chat", (await browser.sign_in()).access)).status_code == 200
    issuer.rotate(overlap=True)  # the guard knows the keys from before
    tokens = await browser.sign_in()
    issuer.kill()
    answer = await agent.ask("chat", tokens.access)
    assert answer.status_code == 503, "401 for an outage would make the client throw a good token away"
    assert "retry-after" in answer.headers
    assert "invalid_token" not in answer.headers.get("www-authenticate", "")


async def test_a_frozen_issuer_holds_up_nobody_whose_keys_are_known(
    browser: Browser, agent: Agent, issuer: Issuer
) -> None:
    known = await browser.sign_in()
    other = await browser.refresh(known)
    assert (await agent.ask("chat", known.access)).status_code == 200
    issuer.freeze()
    try:
        answers = await asyncio.gather(*(agent.ask("chat", each.access) for each in (known, other) for _ in range(10)))
    finally:
        issuer.thaw()
    assert {answer.status_code for answer in answers} == {200}


async def test_an_issuer_that_comes_back_with_other_keys_is_believed_again(
    browser: Browser, agent: Agent, issuer: Issuer
) -> None:
    before = await browser.sign_in()
    assert (await agent.ask("chat", before.access)).status_code == 200
    issuer.kill()
    issuer.start()
    after = Browser(issuer, "customer-2")
    tokens = await after.sign_in()
    await after.close()
    answer = await agent.ask("chat", tokens.access)
    assert answer.status_code == 200
