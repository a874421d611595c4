"""Attacks on limits: what is held for another reason, raced, freed by a tool, or booked twice."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tests.attacks.harness import Answer, Site, ask, attack

POLICY: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - {issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {file: keys.json}}
agents: [concierge]
accounts: none
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
operations:
  - name: pay
    match: {path: /pay, method: POST}
    risk: high
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: EUR}
    limits: [{amount: 100 EUR, per: 1d, by: subject}]
    idempotency: required
otherwise: {risk: sensitive, effect: write}
fallbacks:
  await_approval: {kind: hold, approvers: {role: supervisor, count: 1}}
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
PLACE: Final = "/.authguard/transactions"


class Bank:
    """Pays what it is let pay, and has a supervisor."""

    def __init__(self, site: Site) -> None:
        site.policy(POLICY)
        self.site = site
        self.paid: list[bytes] = []
        self.guard = site.guard(self.app)

    async def app(self, _scope: Any, receive: Any, send: Any) -> None:
        self.paid.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def pay(self, key: str, amount: int = 90, *, agent: bool = True) -> Answer:
        """Ask for a payment, by an agent unless told otherwise: every one of those is held."""
        claims: dict[str, Any] = {"act": {"sub": "concierge"}} if agent else {}
        headers = (("idempotency-key", key), ("content-type", "application/json"))
        return await ask(self.guard, "POST", "/pay", self.site.token(**claims), headers, b'{"amount": %d}' % amount)

    async def hold(self, key: str, amount: int = 90) -> str:
        """Have a payment held; return its id."""
        held = await self.pay(key, amount)
        assert held.status == 202, f"it is not held: {held.body!r}"
        return str(held.json()["next"]["transaction"])

    async def decide(
        self, name: str, act: str = "approve", by: str = "dana", body: bytes = b'{"reason": "fine"}'
    ) -> Answer:
        """Let a supervisor decide."""
        token = self.site.token(by, roles=["supervisor"])
        return await ask(self.guard, "POST", f"{PLACE}/{name}/{act}", token, body=body)

    async def see(self, name: str) -> Any:
        """Let a supervisor look."""
        return (await ask(self.guard, "GET", f"{PLACE}/{name}", self.site.token("dana", roles=["supervisor"]))).json()


@attack(14)
def payments_held_for_another_reason_pass_the_limit(site: Site) -> None:
    """Let an agent ask for three payments of 90 under 100 a day; have each approved without a look; run all."""
    bank = Bank(site)

    async def rob() -> None:
        names = [await bank.hold(key) for key in ("a", "b", "c")]
        for name in names:
            await bank.decide(name)
        for key in ("a", "b", "c"):
            await bank.pay(key)

    asyncio.run(rob())
    assert len(bank.paid) == 1, f"{90 * len(bank.paid)} were paid under a limit of 100 a day, and nobody was told"


@attack(14)
def approvals_given_at_once_pass_the_limit(site: Site) -> None:
    """Have ten held payments of 90 approved at the same moment under 100 a day, and run all at the same moment."""
    bank = Bank(site)

    async def rob() -> None:
        names = [await bank.hold(str(number)) for number in range(10)]
        said = await asyncio.gather(*(bank.decide(name, by=f"boss{place}") for place, name in enumerate(names)))
        assert [one.status for one in said].count(200) == 1, "more than one approval booked the last 100"
        await asyncio.gather(*(bank.pay(str(number)) for number in range(10)))

    asyncio.run(rob())
    assert len(bank.paid) == 1, f"{90 * len(bank.paid)} were paid under a limit of 100 a day"


@attack(14)
def an_approved_payment_leaves_room_for_another(site: Site) -> None:
    """Have 90 of 100 approved, pay another 90 oneself before it runs, then let it run."""
    bank = Bank(site)

    async def rob() -> None:
        await bank.decide(await bank.hold("a"))
        await bank.pay("b", agent=False)
        await bank.pay("a")

    asyncio.run(rob())
    assert len(bank.paid) == 1, f"{90 * len(bank.paid)} were paid under a limit of 100 a day"


@attack(14)
def an_approver_is_not_told_which_limit(site: Site) -> None:
    """Have an approver decide on a payment without what was spent, what is booked and which limit it is over."""
    bank = Bank(site)

    async def look() -> Any:
        await bank.pay("own", 5, agent=False)
        await bank.decide(await bank.hold("a", 80))
        return await bank.see(await bank.hold("b"))

    seen = asyncio.run(look())
    assert seen.get("limits"), "the approver sees no limit"
    (limit,) = seen["limits"]
    told = {name: limit[name] for name in ("spent", "booked", "cost", "most", "exceeded")}
    assert told == {"spent": "5", "booked": "80", "cost": "90", "most": "100", "exceeded": True}
    assert seen["tripped"] == [limit["limit"]], "the approver is not told that it was held for a limit too"


@attack(14)
def what_is_void_keeps_its_booking(site: Site) -> None:
    """Have payments approved, then denied, taken back and lapsed; the next one within the limit must not wait."""
    bank = Bank(site)

    async def void() -> list[int]:
        free: list[int] = []
        for number, end in enumerate(("deny", "withdraw", "lapse")):
            name = await bank.hold(end)
            assert (await bank.decide(name)).status == 200
            (blocked,) = (await bank.see(await bank.hold(f"blocked by {end}".replace(" ", "-"))))["limits"]
            assert blocked["booked"] == "90", "the approval booked nothing"
            if end == "deny":
                await bank.decide(name, "deny")
            elif end == "withdraw":
                await ask(bank.guard, "POST", f"{PLACE}/{name}/withdraw", site.token(), body=b"{}")
            else:
                site.clock.advance(301)
            (limit,) = (await bank.see(await bank.hold(f"next-{number}")))["limits"]
            free.append(int(limit["booked"]))
        return free

    assert asyncio.run(void()) == [0, 0, 0], "what can never run is booked still"


@attack(14)
def a_small_window_forgets_what_is_booked(site: Site) -> None:
    """Approve under a limit of a minute, spend again once the minute is over, then run what was approved."""
    site.policy(POLICY.replace("per: 1d", "per: 1m"), name="minute.yaml")
    bank = Bank(site)
    bank.guard = site.guard(bank.app, site.folder / "minute.yaml")

    async def rob() -> None:
        await bank.decide(await bank.hold("a"))
        site.clock.advance(61)
        await bank.pay("b", agent=False)
        await bank.pay("a")

    asyncio.run(rob())
    assert len(bank.paid) == 1, "180 were paid within a second under a limit of 100 a minute"
