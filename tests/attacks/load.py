"""Attacks by which one customer would make everybody's requests wait."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.attacks.harness import Answer, Site, ask, attack

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
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}
  - name: buy
    match: {path: /buy, method: POST}
    risk: sensitive
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 1000000 EUR, per: 1d}]
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
otherwise: {risk: sensitive, effect: write}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
#: every payment waits for an approver
HELD = (
    POLICY
    + """\
staff: {claim: roles}
decisions:
  - {when: {credential: good, risk: high, transaction: [none, held], actor: subject}, do: wait_for_payments}
"""
).replace("fallbacks:", "fallbacks:\n  wait_for_payments: {kind: hold, approvers: {role: payments, count: 1}}")
JSON = (("content-type", "application/json"),)


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answer 200 to anything."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def entries(site: Site) -> list[dict[str, Any]]:
    """Read the audit log."""
    return [json.loads(line) for line in (site.folder / "audit.jsonl").read_bytes().splitlines()]


@attack(14)
def a_burst_of_one_account_degrades_the_service(site: Site) -> None:
    """Send 900 writes of one account at once, after which everybody's payments wait for approvers."""
    site.policy(POLICY)
    guard = site.guard(app, store=site.folder / "store.db")

    async def attempt() -> Answer:
        body = b'{"amount": 1, "currency": "EUR"}'
        mallory = site.token("mallory")
        await asyncio.gather(*(ask(guard, "POST", "/buy", mallory, JSON, body) for _ in range(900)))
        return await ask(guard, "POST", "/pay", site.token("alice"), (*JSON, ("idempotency-key", "1")), b"{}")

    answer = asyncio.run(attempt())
    moved = {
        entry["event"] for entry in entries(site) if entry["kind"] == "transition" and entry["machine"] == "service"
    }
    assert not moved, f"the service moved by {moved}"
    assert answer.status == 200, f"somebody else's payment was answered {answer.status}"


@attack(14)
def a_stranger_fills_the_disk(site: Site) -> None:
    """Send requests without a credential as fast as one connection can, each of which costs a line of the log."""
    site.policy(POLICY)
    guard = site.guard(app)

    async def attempt() -> list[Answer]:
        return [await ask(guard, "POST", "/chat") for _ in range(3_000)]

    answers = asyncio.run(attempt())
    assert all(answer.status == 401 for answer in answers)
    size = (site.folder / "audit.jsonl").stat().st_size
    assert size < 60_000, f"3,000 refusals within a second cost {size:,} bytes of log"
    known = {entry["id"] for entry in entries(site)}
    named = {answer.json()["instance"].rpartition(":")[2] for answer in answers}
    assert named <= known, "a refusal names a record that is not in the log"


@attack(14)
def a_body_of_many_values_holds_the_event_loop(site: Site) -> None:
    """Send one mebibyte of numbers beside ten small writes of the same account."""
    site.policy(POLICY)
    guard = site.guard(app, store=site.folder / "store.db")
    numbers = b'{"amount": 1, "currency": "EUR", "more": [' + b"0.12345," * 130_000 + b"1]}"

    async def attempt() -> tuple[Answer, Answer]:
        mallory = site.token("mallory")
        small = b'{"amount": 1, "currency": "EUR"}'
        large, *_ = await asyncio.gather(
            ask(guard, "POST", "/buy", mallory, JSON, numbers[:1_048_576].rpartition(b",")[0] + b"]}"),
            *(ask(guard, "POST", "/buy", mallory, JSON, small) for _ in range(10)),
        )
        alice = await ask(guard, "POST", "/pay", site.token("alice"), (*JSON, ("idempotency-key", "1")), b"{}")
        return large, alice

    large, alice = asyncio.run(attempt())
    assert large.status == 413, f"a body of 130,000 values was answered {large.status}"
    assert alice.status == 200, f"somebody else's payment was answered {alice.status}"


@attack(16)
def bodies_that_trickle_hold_their_places_for_ever(site: Site) -> None:
    """Send 100 bodies of which a byte comes now and then and no end, beside a payment of somebody else."""
    site.policy_of(POLICY + "budget: {body_idle_timeout: 500ms, body_timeout: 5s}\n", POLICY)
    guard = site.guard(app, store=site.folder / "store.db")

    async def trickle(token: str) -> int:
        status = 0
        headers = [(b"authorization", b"Bearer " + token.encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/buy", "query_string": b"", "headers": headers}

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.1)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        await guard(scope, receive, send)
        return status

    async def attempt() -> tuple[list[int], Answer]:
        mallory = site.token("mallory")
        trickling = [asyncio.ensure_future(trickle(mallory)) for _ in range(100)]
        await asyncio.sleep(0)
        alice = await ask(guard, "POST", "/pay", site.token("alice"), (*JSON, ("idempotency-key", "1")), b"{}")
        done, endless = await asyncio.wait(trickling, timeout=60)
        for one in endless:
            one.cancel()
        assert not endless, f"{len(endless)} of 100 bodies still hold their places after a minute"
        return [one.result() for one in done], alice

    statuses, alice = asyncio.run(attempt())
    assert alice.status == 200, f"somebody else's payment was answered {alice.status}"
    assert set(statuses) <= {408, 429}, f"the bodies were answered {sorted(set(statuses))}"


@attack(14)
def held_transactions_of_one_account_fill_the_approvers_page(site: Site) -> None:
    """Have 300 payments held, so that everybody else's are behind them on the approvers' first page."""
    site.policy(HELD)
    guard = site.guard(app)

    async def attempt() -> list[dict[str, Any]]:
        for number in range(300):
            await ask(guard, "POST", "/pay", site.token("mallory"), (*JSON, ("idempotency-key", f"m{number}")), b"{}")
        site.clock.advance(60)
        await ask(guard, "POST", "/pay", site.token("alice"), (*JSON, ("idempotency-key", "a")), b'{"for": "alice"}')
        site.clock.advance(60)
        staff = site.token("dana", roles=["payments"], auth_time=int(site.clock.now()))
        listed = await ask(guard, "GET", "/.authguard/transactions", staff)
        assert listed.status == 200, f"the approvers' list was answered {listed.status}"
        found: list[dict[str, Any]] = listed.json()["transactions"]
        return found

    listed = asyncio.run(attempt())
    assert len(listed) <= 50, f"one account has {len(listed)} payments waiting"
    place = next(index for index, one in enumerate(listed) if "alice" in json.dumps(one["shown"]))
    assert place <= 3, f"the payment of somebody else is number {place + 1} of the list"


@attack(14)
def lapsed_transactions_stay_in_the_way(site: Site) -> None:
    """Have payments held and let them lapse, after which each listing walks them all."""
    site.policy(HELD)
    store = site.folder / "store.db"
    guard = site.guard(app, store=store)

    async def attempt() -> None:
        for number in range(100):
            sub = f"m{number % 10}"
            await ask(guard, "POST", "/pay", site.token(sub), (*JSON, ("idempotency-key", str(number))), b"{}")
        site.clock.advance(400 * 86_400)
        staff = site.token("dana", roles=["payments"], auth_time=int(site.clock.now()))
        listed = await ask(guard, "GET", "/.authguard/transactions", staff)
        assert listed.json()["transactions"] == []

    asyncio.run(attempt())
    lapsed = [entry for entry in entries(site) if entry["kind"] == "transition" and entry["event"] == "lapsed"]
    assert len(lapsed) == 100, f"{len(lapsed)} of 100 lapsed transactions were filed as such"
