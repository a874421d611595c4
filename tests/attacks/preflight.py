"""Attacks by the shape of a CORS pre-flight (Fetch standard, CORS protocol)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import authguard
from tests.attacks.harness import Answer, Site, ask, attack
from tests.attacks.harness_ways import BODY, POLICY, plain_app

PREFLIGHT: Final = (("origin", "https://evil.test"), ("access-control-request-method", "POST"))


@attack(13)
def a_preflight_reaches_the_app(site: Site) -> None:
    """Send `OPTIONS` with a made-up origin and method, which an app that ignores the method acts on."""
    site.policy(POLICY)
    ran: list[str] = []
    asyncio.run(_ask(site.guard(plain_app(ran)), PREFLIGHT))
    assert not ran, "the app ran, undecided and unrecorded"


@attack(13)
def a_preflight_reaches_the_app_where_pages_of_an_origin_are_let_in(site: Site) -> None:
    """Send the same where the policy (or, before `cors` was a key, the app around the guard) lets an origin in."""
    ran: list[str] = []
    named = "cors: {allow_origins: ['https://shop.test'], allow_methods: [POST]}\n"
    try:
        site.policy(POLICY + named)
        guard = site.guard(plain_app(ran))
    except authguard.PolicyError:
        site.policy(POLICY)
        guard = site.guard(plain_app(ran))
    shop = (("origin", "https://shop.test"), PREFLIGHT[1])
    answers = [asyncio.run(_ask(guard, headers)) for headers in (PREFLIGHT, shop)]
    assert not ran, "the app ran, undecided and unrecorded"
    assert [answer.header("access-control-allow-origin") for answer in answers] == ["", "https://shop.test"]
    refused = asyncio.run(ask(guard, "POST", "/pay", headers=shop[:1], body=BODY))
    assert refused.status == 401, f"the answer is {refused.status}"
    assert "WWW-Authenticate" in refused.header("access-control-expose-headers"), "the page cannot read what to do"


async def _ask(guard: Any, headers: tuple[tuple[str, str], ...]) -> Answer:
    return await ask(guard, "OPTIONS", "/pay", headers=headers, body=BODY)
