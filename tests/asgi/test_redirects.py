"""A framework that redirects a trailing slash runs nothing, so a payment sent there reserves no amount."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

from tests.attacks.harness import Site, ask

if TYPE_CHECKING:
    from pathlib import Path

POLICY: Final = """\
authguard: 1
name: redirected
extends: standard
issuers:
  - {issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {file: keys.json}}
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
    limits: [{amount: 100 EUR, per: 1d}]
    idempotency: required
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


async def test_a_payment_that_was_redirected_holds_no_money(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.policy(POLICY)
    api = FastAPI()
    paid: list[int] = []

    @api.post("/pay", status_code=201)
    def pay(order: dict[str, int]) -> None:
        paid.append(order["amount"])

    guard = site.guard(api)

    async def send(target: str, key: str) -> int:
        headers = (("idempotency-key", key), ("content-type", "application/json"))
        return (await ask(guard, "POST", target, site.token(), headers, b'{"amount": 90}')).status

    assert await send("/pay/", "slash") == 307
    assert paid == []
    assert await send("/pay", "plain") == 201
    assert paid == [90]
    await guard.enforcer.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()]
    moved = [line["event"] for line in lines if line.get("machine") == "transaction"]
    assert "failed" in moved, f"the redirected payment is {moved}"
    assert "lost" not in moved
