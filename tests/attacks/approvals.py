"""Attacks on approvals: kept over a sign-out, voided from elsewhere, given for what can never run."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.attacks.harness import Site, ask, attack
from tests.attacks.money import PLACE, POLICY, Bank


@attack(14)
def an_approval_outlives_a_sign_out(site: Site) -> None:
    """Have a payment approved, sign out, sign in again where the issuer sends no `sid`, and run it."""
    bank = Bank(site)

    async def rob() -> None:
        def sign_in(**claims: Any) -> str:
            return site.mint.mint(sub="alice", scope="chat pay", acr="aal2", **claims)

        agent = {"act": {"sub": "concierge"}}
        headers = (("idempotency-key", "a"), ("content-type", "application/json"))
        held = await ask(bank.guard, "POST", "/pay", sign_in(**agent), headers, b'{"amount": 90}')
        await bank.decide(held.json()["next"]["transaction"])
        out = await ask(bank.guard, "POST", "/.authguard/session/end", sign_in(), body=b"{}")
        assert out.status in {200, 204}, f"the sign-out got {out.status}"
        site.clock.advance(5)
        again = await ask(bank.guard, "POST", "/pay", sign_in(**agent), headers, b'{"amount": 90}')
        assert again.json().get("outcome") == "deny", f"it got {again.body!r}"
        assert again.json()["next"].get("because") == "session-changed", "the caller is not told what to do"

    asyncio.run(rob())
    assert not bank.paid, "what was approved before the sign-out ran after it"


@attack(14)
def another_session_voids_what_waits(site: Site) -> None:
    """Have a payment approved, send it from another session of the same customer, then run it from the first."""
    bank = Bank(site)

    async def disturb() -> None:
        await bank.decide(await bank.hold("a"))
        headers = (("idempotency-key", "a"), ("content-type", "application/json"))
        elsewhere = site.token(sid="elsewhere", act={"sub": "concierge"})
        other = await ask(bank.guard, "POST", "/pay", elsewhere, headers, b'{"amount": 90}')
        assert other.status != 201, "an approval given for one session was used by another"
        await bank.pay("a")

    asyncio.run(disturb())
    assert len(bank.paid) == 1, "a request of another session voided the approval"


@attack(14)
def an_approver_approves_what_can_never_run(site: Site) -> None:
    """Deploy another policy while a payment waits, and have it approved in vain."""
    bank = Bank(site)
    store = site.folder / "authguard.db"
    bank.guard = site.guard(bank.app, store=store)

    async def approve() -> int:
        name = await bank.hold("a")
        site.policy(POLICY.replace("100 EUR", "101 EUR"))
        bank.guard = site.guard(bank.app, store=store)
        said = await bank.decide(name)
        assert (await bank.pay("a")).status != 201
        return said.status

    assert asyncio.run(approve()) == 409, "the approver is told that it is approved, and it never runs"


@attack(14)
def a_second_approver_binds_the_first_to_more(site: Site) -> None:
    """Let one approver agree within the limit, go over it, and let the second accept that: one person has."""
    site.policy(POLICY.replace("count: 1", "count: 2"), name="two.yaml")
    bank = Bank(site)
    bank.guard = site.guard(bank.app, site.folder / "two.yaml")

    async def rob() -> str:
        name = await bank.hold("a")
        await bank.decide(name, by="dana")
        await bank.pay("own", 50, agent=False)
        seen = await bank.see(name)
        over = seen["limits"][0]["limit"] if "limits" in seen else "pay/0"
        body = b'{"reason": "fine", "over": ["%s"]}' % over.encode() if "limits" in seen else b'{"reason": "fine"}'
        await bank.decide(name, by="erik", body=body)
        await bank.pay("a")
        return f"{PLACE}/{name}"

    asyncio.run(rob())
    assert len(bank.paid) == 1, "a payment over the limit ran, which one of two approvers never agreed to"
