"""Amounts as people write them, from the request to the reply, the log and the approver; the app is Starlette."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.attacks.harness import Answer, Site, ask
from tests.attacks.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

POLICY = (
    HEAD
    + """\
operations:
  - name: cents
    match: {path: /cents, method: POST}
    risk: sensitive
    effect: write
    amount: {at: /amount_cents, scale: 2, currency: EUR}
    payee: {at: /to}
    limits: [{amount: 20 EUR, per: call}, {calls: 9, per: 1d, by: payee}]
  - name: text
    match: {path: /text, method: POST}
    risk: sensitive
    effect: write
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 20 EUR, per: call}, {calls: 9, per: 1d, by: client}]
  - name: form
    match: {path: /form, method: POST}
    risk: high
    effect: write
    amount: {form: amount, currency: {form: currency}}
    payee: {form: to}
    limits: [{amount: 20 EUR, per: call}, {amount: 30 EUR, per: 1d, by: payee}]
    idempotency: required
fallbacks:
  await_approval: {kind: hold, approvers: {role: 'Shop Supervisor'}}
"""
)
JSON = (("content-type", "application/json"),)
FORM = (("content-type", "application/x-www-form-urlencoded"),)


class Shop:
    """A shop behind the guard, which keeps what it read."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.policy(POLICY)
        self.read: list[dict[str, Any]] = []
        routes = [Route(f"/{name}", self.pay, methods=["POST"]) for name in ("cents", "text", "form")]
        self.guard = self.site.guard(Starlette(routes=routes))
        self._keys = 0

    async def pay(self, request: Request) -> JSONResponse:
        if request.url.path == "/form":
            async with request.form() as fields:
                self.read.append(dict(fields))
        else:
            self.read.append(await request.json())
        return JSONResponse({"paid": True})

    async def ask(self, path: str, body: object, key: str = "", client: str = "web") -> Answer:
        self._keys += 1
        headers = FORM if path.startswith("/form") else JSON
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if path.startswith("/form") and isinstance(body, dict):
            content = urlencode(body).encode()
        headers += (("idempotency-key", key or str(self._keys)),)
        token = self.site.token(**{"client_id": client} if client else {"drop": ("client_id",)})
        return await ask(self.guard, "POST", path, token, headers, content)


def test_minor_units_text_and_forms_reach_the_app_as_they_were_measured(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    async def run() -> list[int]:
        return [
            (await shop.ask("/cents", {"amount_cents": 1999, "to": "bob"})).status,
            (await shop.ask("/cents", {"amount_cents": 2001, "to": "bob"})).status,
            (await shop.ask("/text", {"amount": "19.99", "currency": "eur"})).status,
            (await shop.ask("/text", {"amount": "20.01", "currency": "eur"})).status,
            (await shop.ask("/form", {"amount": "19.99", "currency": "eur", "to": "bob"})).status,
            (await shop.ask("/form", {"amount": "19.99", "currency": "EUR", "to": "B.O.B."})).status,
        ]

    # held: over the limit of a call, and over the limit of a payee
    assert asyncio.run(run()) == [200, 202, 200, 202, 200, 202]
    assert shop.read == [
        {"amount_cents": 1999, "to": "bob"},
        {"amount": "19.99", "currency": "eur"},
        {"amount": "19.99", "currency": "eur", "to": "bob"},
    ]


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        (
            "/cents",
            {"to": "b"},
            "amount-missing",
            "no readable amount at `/amount_cents`; send a whole number of minor",
        ),
        ("/cents", {"amount_cents": 19.99, "to": "b"}, "amount-malformed", "minor units such as 1999"),
        ("/cents", {"amount_cents": 1}, "payee-missing", "no readable payee at `/to`; send a text"),
        ("/cents", {"amount_cents": 1, "to": "-"}, "payee-malformed", "no readable payee at `/to`"),
        (
            "/text",
            {"currency": "EUR"},
            "amount-missing",
            "no readable amount at `/amount`; send a decimal number such as",
        ),
        ("/text", {"amount": "1,000", "currency": "EUR"}, "amount-malformed", "no readable amount at `/amount`"),
        ("/text", {"amount": 1}, "currency-missing", "no readable currency at `/currency`; send three letters"),
        ("/text", {"amount": 1, "currency": "EURO"}, "currency-malformed", "no readable currency at `/currency`"),
        ("/text", {"amount": 1, "currency": "usd"}, "currency-refused", "not accepted here; send EUR"),
        ("/text", b"amount=1", "body-unreadable", "send it as `application/json` in UTF-8, with each name once"),
        (
            "/form",
            {"currency": "EUR", "to": "b"},
            "amount-missing",
            "in the form field `amount`; send a decimal number",
        ),
        ("/form", b"amount=1&amount=9&currency=EUR&to=b", "amount-malformed", "such as 19.99, once"),
        ("/form", b"amount=1&to=b", "currency-missing", "in the form field `currency`"),
        ("/form?amount=1", b"amount=1&currency=EUR&to=b", "amount-malformed", "in the form field `amount`"),
        ("/form", b"amount=1&currency=EUR", "payee-missing", "in the form field `to`"),
        ("/form", b'{"amount": 1}', "body-unreadable", "send it as `application/x-www-form-urlencoded`"),
    ],
)
def test_the_caller_is_told_what_is_missing(tmp_path: Path, path: str, body: object, code: str, said: str) -> None:
    shop = Shop(tmp_path)
    answer = asyncio.run(shop.ask(path, body))
    problem = answer.json()
    assert (answer.status, problem["outcome"], problem["next"]) == (403, "deny", {"action": "stop", "because": code})
    assert said in problem["detail"]
    assert f'"reason":"{code}"' in (tmp_path / "audit.jsonl").read_text("utf-8")
    assert not shop.read


def test_the_log_is_explained_with_what_the_caller_was_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    problem = asyncio.run(shop.ask("/cents", {"amount_cents": "19.99", "to": "b"})).json()
    record = problem["instance"].rpartition(":")[2]
    explained = shop.site.command("audit", "explain", record, "--log", "audit.jsonl", "--policy", "policy.yaml").out
    assert f'the caller got: deny, HTTP 403, "{problem["detail"]}"' in " ".join(explained.split())


def test_a_token_without_a_client_is_told_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    answer = asyncio.run(shop.ask("/text", {"amount": 1, "currency": "EUR"}, client=""))
    assert answer.json()["next"]["because"] == "counter-unknown"
    assert "names no client" in answer.json()["detail"]


def test_an_approver_sees_a_form_and_another_one_does_not_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    body = {"amount": "25.50", "currency": "EUR", "to": "Müller & Co"}

    async def run() -> tuple[Any, list[int]]:
        held = await shop.ask("/form", body, "k")
        name = held.json()["next"]["transaction"]
        supervisor = shop.site.token("dana", roles=["Shop Supervisor"])
        place = f"/.authguard/transactions/{name}"
        seen = (await ask(shop.guard, "GET", place, supervisor)).json()
        await ask(shop.guard, "POST", f"{place}/approve", supervisor, JSON, b'{"reason": "called"}')
        other = await shop.ask("/form", body | {"amount": "25.51"}, "k")
        return seen, [held.status, other.status, (await shop.ask("/form", body, "k")).status]

    seen, statuses = asyncio.run(run())
    assert 'field "amount": "25.50"' in seen["shown"]
    assert any(line.startswith('field "to": "M\\u00fcller & Co"') for line in seen["shown"])
    assert [limit["cost"] for limit in seen["limits"]] == ["25.50", "25.50"]
    assert statuses == [202, 403, 403]
    assert not shop.read


def test_an_approved_form_runs_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    body = {"amount": "25.50", "currency": "EUR", "to": "bob"}

    async def run() -> list[int]:
        held = await shop.ask("/form", body, "k")
        name = held.json()["next"]["transaction"]
        supervisor = shop.site.token("dana", roles=["Shop Supervisor"])
        place = f"/.authguard/transactions/{name}/approve"
        await ask(shop.guard, "POST", place, supervisor, JSON, b'{"reason": "called"}')
        return [(await shop.ask("/form", body, "k")).status for _ in range(2)]

    assert asyncio.run(run()) == [200, 200]
    assert shop.read == [body]
