"""Opaque tokens of somebody else's identity provider: they pass while it says so, and an outage is nobody's refusal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.foreign.conftest import POLICY, serve
from tests.foreign.issuer import Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.foreign.conftest import Agent
    from tests.foreign.issuer import Issuer

INTROSPECTION = """    evidence: auth_time
    introspection:
      url: "{issuer}/token/introspection"
      client_id: agent-endpoint
      secret_env: INTROSPECTION_SECRET
      cache: 0s
"""


@pytest.fixture
async def asking(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Agent]:
    policy = POLICY.read_text("utf-8").replace("    evidence: auth_time\n", INTROSPECTION)
    async with serve(tmp_path, issuer.url, policy) as started:
        yield started


@pytest.fixture
async def opaque(issuer: Issuer) -> AsyncIterator[Browser]:
    opened = Browser(issuer, "customer-1", resource="opaque")
    yield opened
    await opened.close()


async def test_an_opaque_token_passes_and_is_refused_once_it_was_taken_back(opaque: Browser, asking: Agent) -> None:
    tokens = await opaque.sign_in()
    answer = await asking.ask("orders", tokens.access)
    assert (answer.status_code, answer.json()) == (200, {"user": "customer-1"})
    await opaque.revoke(tokens.access)
    answer = await asking.ask("orders", tokens.access)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_that_nobody_issued_is_refused(asking: Agent) -> None:
    assert (await asking.ask("orders", "k" * 43)).status_code == 401


async def test_a_refreshed_opaque_token_goes_on_with_the_session(opaque: Browser, asking: Agent) -> None:
    tokens = await opaque.sign_in()
    first = await asking.ask("orders", tokens.access)
    second = await asking.ask("orders", (await opaque.refresh(tokens)).access)
    assert (first.status_code, second.status_code) == (200, 200)
    assert len({entry["session"] for entry in asking.log() if entry["kind"] == "decision"}) == 1


async def test_a_stolen_refresh_token_ends_what_both_got_from_it(opaque: Browser, asking: Agent) -> None:
    tokens = await opaque.sign_in()
    fresh = await opaque.refresh(tokens)
    assert (await asking.ask("orders", fresh.access)).status_code == 200
    with pytest.raises(Exception, match="400"):
        await opaque.refresh(tokens)  # used twice: the provider takes everything back (RFC 9700 4.14)
    assert (await asking.ask("orders", fresh.access)).status_code == 401


async def test_an_outage_is_later_and_never_a_bad_token(opaque: Browser, asking: Agent, issuer: Issuer) -> None:
    tokens = await opaque.sign_in()
    assert (await asking.ask("orders", tokens.access)).status_code == 200
    issuer.kill()
    answers = await asyncio.gather(*(asking.ask("orders", tokens.access) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    assert not any("invalid_token" in answer.headers.get("www-authenticate", "") for answer in answers)
