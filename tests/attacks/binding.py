"""Attacks by headers that choose what a transaction does, and that neither digest nor approver sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.attacks.harness import ask, attack
from tests.attacks.names import HEAD, ok

if TYPE_CHECKING:
    from tests.attacks.harness import Answer, Site

POLICY = (
    HEAD
    + """\
operations:
  - name: pay
    match: {path: /pay, method: POST}
    risk: high
    effect: write
    scopes: [pay]
"""
)
BOUND = POLICY + "    binds: [X-Tenant, Cookie]\n"


def policy(site: Site) -> None:
    """Write the policy with the headers that are bound, or without where the checkout knows no `binds`."""
    path = site.policy(BOUND)
    if site.command("policy", "check", str(path)).code:
        site.policy(POLICY)


def second(site: Site, first: list[tuple[str, str]], then: list[tuple[str, str]]) -> tuple[int, Answer]:
    """Pay twice under one key, with other headers the second time; give how often the app ran, and the answer."""
    policy(site)
    ran: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope["headers"])
        await ok(scope, receive, send)

    async def run() -> Answer:
        guard, key = site.guard(app), ("idempotency-key", "one")
        body, kind = b'{"to": "shop"}', ("content-type", "application/json")
        await ask(guard, "POST", "/pay", site.token(), [key, kind, *first], body)
        return await ask(guard, "POST", "/pay", site.token(), [key, kind, *then], body)

    answer = asyncio.run(run())
    return len(ran), answer


@attack(13)
def another_tenant_gets_the_first_ones_answer(site: Site) -> None:
    """Repeat a payment with another tenant or cookie in a header, so that it is taken for the same request."""
    for number, then in enumerate(
        (
            [("x-tenant", "two"), ("cookie", "a=1")],
            [("x-tenant", "one"), ("cookie", "a=2")],
            [("x-tenant", "one"), ("x-tenant", "two"), ("cookie", "a=1")],
            [("x-tenant", "one"), ("x_tenant", "two"), ("cookie", "a=1")],
            [("cookie", "a=1")],
        )
    ):
        place = type(site)(site.folder / str(number), site.clock)
        ran, answer = second(place, [("x-tenant", "one"), ("cookie", "a=1")], then)
        assert ran == 1, f"the app ran {ran} times"
        assert answer.status == 422, f"another request got the answer of the first: {then}"
