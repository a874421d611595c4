"""Tokens that somebody else's identity provider bound to a client's key: worth nothing without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.testing import DpopClient
from tests.foreign.conftest import POLICY, serve
from tests.foreign.issuer import Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.foreign.conftest import Agent
    from tests.foreign.issuer import Issuer


@pytest.fixture
async def bound(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Agent]:
    policy = POLICY.read_text("utf-8").replace(
        "    evidence: auth_time\n", "    evidence: auth_time\n    sender_constraint: dpop\n"
    )
    async with serve(tmp_path, issuer.url, policy) as started:
        yield started


@pytest.fixture
def client() -> DpopClient:
    return DpopClient.create()


@pytest.fixture
async def token(issuer: Issuer, client: DpopClient) -> str:
    browser = Browser(issuer, "customer-1", dpop=client)
    tokens = await browser.sign_in()
    await browser.close()
    return tokens.access


async def test_a_bound_token_passes_with_a_proof_of_its_key(bound: Agent, client: DpopClient, token: str) -> None:
    for operation in ("chat", "orders", "chat"):
        proof = client.proof(*bound.address(operation), token)
        assert (await bound.ask(operation, token, scheme="DPoP", proof=proof)).status_code == 200


async def test_a_proof_is_taken_once(bound: Agent, client: DpopClient, token: str) -> None:
    proof = client.proof(*bound.address("chat"), token)
    assert (await bound.ask("chat", token, scheme="DPoP", proof=proof)).status_code == 200
    again = await bound.ask("chat", token, scheme="DPoP", proof=proof)
    assert again.status_code == 401
    assert 'error="invalid_dpop_proof"' in again.headers["www-authenticate"]


async def test_a_stolen_token_is_worth_nothing(bound: Agent, client: DpopClient, token: str) -> None:
    thief = DpopClient.create()
    method, url = bound.address("chat")
    for proof in (
        thief.proof(method, url, token),
        client.proof(method, url),
        client.proof("GET", url, token),
        client.proof(method, "http://elsewhere.test/chat", token),
    ):
        assert (await bound.ask("chat", token, scheme="DPoP", proof=proof)).status_code == 401
    assert (await bound.ask("chat", token)).status_code == 401, "a bound token is no bearer token (RFC 9449 7.1)"


async def test_a_bearer_token_does_not_become_bound_by_its_scheme(
    bound: Agent, issuer: Issuer, client: DpopClient
) -> None:
    browser = Browser(issuer, "customer-1")
    tokens = await browser.sign_in()
    await browser.close()
    proof = client.proof(*bound.address("chat"), tokens.access)
    assert (await bound.ask("chat", tokens.access, scheme="DPoP", proof=proof)).status_code == 401
    assert (await bound.ask("chat", tokens.access)).status_code == 401
