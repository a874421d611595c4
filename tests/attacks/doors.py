"""Attacks by what only the guard's own endpoints may be, and by who staff is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.attacks.harness import ask, attack
from tests.attacks.names import HEAD, ok, refused

if TYPE_CHECKING:
    from tests.attacks.harness import Answer, Site


def status(site: Site, policy: str, method: str, path: str, token: str) -> int:
    """Ask once under a policy; 0 where the checker refuses the policy."""
    if refused(site, policy):
        return 0

    async def run() -> Answer:
        return await ask(site.guard(ok), method, path, token)

    return asyncio.run(run()).status


@attack(13)
def a_customer_walks_through_a_staff_route(site: Site) -> None:
    """Ask for a route of the app's own with `risk: staff`, without any role."""
    named = "{name: refunds, match: {path: /staff, method: POST}, risk: staff, effect: write}"
    assert status(site, f"{HEAD}operations:\n  - {named}\n", "POST", "/staff", site.token()) != 200, "it was let in"


@attack(13)
def the_deceased_are_served_by_a_route_of_their_own(site: Site) -> None:
    """Ask for a route of the app's own with `risk: self` for somebody whose account says that they are deceased."""
    named = "{name: letters, match: {path: /letters, method: POST}, risk: self, effect: write}"
    source = "accounts: [{from: claim, claim: state, map: {estate: deceased}}]"
    policy = HEAD.replace("accounts: none", source) + f"operations:\n  - {named}\n"
    assert status(site, policy, "POST", "/letters", site.token(state="estate")) != 200, "it was let in"
