"""Attacks by what an agent's tools hold of the guard: a talk frees money, stops everybody or closes an account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from authguard import current_guard
from tests.attacks.harness import Answer, Site, ask, attack
from tests.attacks.money import POLICY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHAT = "  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}\n"


class Agent:
    """An app that does with its `Guard` whatever an attack says, as a model does that was talked into it."""

    def __init__(self, site: Site) -> None:
        site.policy(POLICY.replace("\notherwise:", f"\n{CHAT}otherwise:"))
        self.site = site
        self.status = 201
        self.last = ""
        self.tool: Callable[[Any], Awaitable[None]] = self.nothing
        self.guard = site.guard(self.app)

    async def nothing(self, guard: Any) -> None:
        """Take note of the transaction."""
        self.last = guard.transaction

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.tool(current_guard(Request(scope)))
        except Exception:  # noqa: BLE001 - what it may not do, or what is not there, does nothing
            self.tool = self.nothing
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def pay(self, key: str, amount: int = 90, sub: str = "alice") -> Answer:
        """Pay, as oneself."""
        headers = (("idempotency-key", key), ("content-type", "application/json"))
        return await ask(self.guard, "POST", "/pay", self.site.token(sub), headers, b'{"amount": %d}' % amount)

    async def chat(self, sub: str = "alice") -> Answer:
        """Say something to the agent."""
        return await ask(self.guard, "POST", "/chat", self.site.token(sub), body=b"{}")


@attack(14)
def a_tool_frees_what_is_in_doubt(site: Site) -> None:
    """Pay 90 without the bank's answer, have a handler settle it as not happened, and pay 90 of 100 again."""
    agent = Agent(site)

    async def settle(guard: Any) -> None:
        await guard.settle(happened=False, transaction=agent.last)

    async def rob() -> Answer:
        agent.status = 500
        await agent.pay("a")
        assert agent.last, "the payment did not run"
        agent.status, agent.tool = 201, settle
        await agent.pay("small", 1)
        return await agent.pay("b")

    assert asyncio.run(rob()).status == 202, "the money of a payment in doubt was free again"


@attack(14)
def one_chat_stops_everybody(site: Site) -> None:
    """Have the agent report in one customer's chat that the service is impaired; then somebody else pays."""
    agent = Agent(site)

    async def report(guard: Any) -> None:
        await guard.report("service.impaired")

    async def stop() -> Answer:
        agent.tool = report
        await agent.chat("mallory")
        agent.tool = agent.nothing
        return await agent.pay("a")

    assert asyncio.run(stop()).status == 201, "one chat put everybody's payments on hold"


@attack(14)
def a_chat_closes_an_account(site: Site) -> None:
    """Have the agent report in a chat that the account is closed, locked or compromised, which only a person lifts."""
    agent = Agent(site)
    shut: list[str] = []

    async def close() -> None:
        for state in ("closed", "deceased", "compromised", "merged", "locked", "suspended", "restricted", "dormant"):

            async def report(guard: Any, state: str = state) -> None:
                await guard.report(f"account.{state}")

            agent.tool = report
            await agent.chat(state)
            agent.tool = agent.nothing
            site.clock.advance(1)
            paid = await agent.pay(f"key-{state}", 1, state)
            shut.extend([state] if paid.status != 201 else [])

    asyncio.run(close())
    assert not shut, f"a chat made accounts {', '.join(shut)}, and nothing but a person undoes it"
