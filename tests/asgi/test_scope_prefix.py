"""Scopes as an issuer's clients ask for them: with the prefix in challenges and metadata, without it in operations."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint

if TYPE_CHECKING:
    from pathlib import Path

PREFIXED = "https://prefixed.test"
PLAIN = "https://plain.test"
POLICY = """\
authguard: 1
name: shop
extends: standard
settings: {{public_url: 'https://shop.test'}}
issuers:
  - {{issuer: '{prefixed}', audience: shop, algorithms: [ES256], keys: {{file: keys.json}}, scope_prefix: 'api://shop/'}}
{more}
accounts: none
staff: {{claim: roles, issuer: []}}
operations:
  - {{name: chat, match: {{path: /chat, method: POST}}, risk: routine, effect: read, scopes: [chat, profile, openid]}}
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
"""


async def app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the app ran"})


class Shop:
    """A guarded app with one issuer that prefixes scopes, and perhaps one that does not."""

    def __init__(self, folder: Path, *, has_plain: bool) -> None:
        clock = FakeClock()
        self.prefixed, self.plain = (Mint.create(clock, issuer=name, audience="shop") for name in (PREFIXED, PLAIN))
        keys = {"keys": [*self.prefixed.jwks("ES256")["keys"]]}
        (folder / "keys.json").write_text(json.dumps(keys), "utf-8")
        (folder / "plain.json").write_text(json.dumps(self.plain.jwks("ES256")), "utf-8")
        plain = f"  - {{issuer: '{PLAIN}', audience: shop, algorithms: [ES256], keys: {{file: plain.json}}}}"
        text = POLICY.format(prefixed=PREFIXED, more=plain if has_plain else "")
        (folder / "policy.yaml").write_text(text, "utf-8")
        self._guard = AuthGuard(
            app, folder / "policy.yaml", store="memory", audit_log=folder / "audit.jsonl", clock=clock
        )

    async def chat(self, token: str = "") -> tuple[int, str]:
        """Return the status, and the scopes that the challenge asks for."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(app=self._guard)
        async with httpx2.AsyncClient(transport=transport, base_url="https://shop.test") as client:
            answer = await client.post("/chat", headers=headers)
        asked = re.search(r'scope="([^"]*)"', answer.headers.get("www-authenticate", ""))
        return answer.status_code, asked[1] if asked else ""

    async def supported(self) -> list[str]:
        """Return the scopes of the protected resource metadata (RFC 9728 2)."""
        transport = httpx2.ASGITransport(app=self._guard)
        async with httpx2.AsyncClient(transport=transport, base_url="https://shop.test") as client:
            document = (await client.get("/.well-known/oauth-protected-resource")).json()
        return list(document["scopes_supported"])


ASKED = "api://shop/chat api://shop/profile openid"


async def test_clients_are_told_the_scopes_as_they_ask_for_them(tmp_path: Path) -> None:
    shop = Shop(tmp_path, has_plain=False)
    assert await shop.chat() == (401, ASKED)
    assert await shop.chat(shop.prefixed.mint(scope="chat")) == (403, ASKED)
    assert await shop.supported() == ASKED.split()


@pytest.mark.parametrize("scope", ["chat profile openid", "api://shop/chat api://shop/profile openid"])
async def test_a_token_may_have_the_scopes_with_and_without_the_prefix(tmp_path: Path, scope: str) -> None:
    shop = Shop(tmp_path, has_plain=False)
    assert (await shop.chat(shop.prefixed.mint(scope=scope)))[0] == 200


async def test_each_issuer_gets_its_spelling_and_an_unknown_caller_that_of_no_issuer(tmp_path: Path) -> None:
    shop = Shop(tmp_path, has_plain=True)
    for _ in range(2):  # the second reply comes from the cache of replies
        assert await shop.chat(shop.prefixed.mint(scope="chat")) == (403, ASKED)
        assert await shop.chat(shop.plain.mint(scope="chat")) == (403, "chat openid profile")
        assert await shop.chat() == (401, "chat openid profile")
