"""Attacks by the shape of a CORS pre-flight (Fetch standard, CORS protocol)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.attacks.harness import Site, ask, attack

POLICY = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts: none
operations:
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
otherwise: {risk: sensitive, effect: write}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


@attack(13)
def a_preflight_reaches_the_app(site: Site) -> None:
    """Send `OPTIONS` with a made-up origin and method, which an app that ignores the method acts on."""
    site.policy(POLICY)
    ran: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        ran.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    headers = (("origin", "https://evil.test"), ("access-control-request-method", "POST"))
    asyncio.run(_ask(site.guard(app), headers))
    assert not ran, "the app ran, undecided and unrecorded"


async def _ask(guard: Any, headers: tuple[tuple[str, str], ...]) -> None:
    await ask(guard, "OPTIONS", "/pay", headers=headers, body=b'{"amount": 1}')
