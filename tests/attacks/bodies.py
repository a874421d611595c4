"""Attacks by bodies that the guard and the app read differently (RFC 8259, RFC 9110 8.3 and 8.4)."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.attacks.harness import ask, attack
from tests.attacks.names import HEAD

if TYPE_CHECKING:
    from tests.attacks.harness import Site

POLICY = (
    HEAD
    + """\
operations:
  - name: pay
    match: {path: /pay, method: POST}
    risk: sensitive
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: EUR}
    payee: {at: /to}
    limits: [{amount: 100 EUR, per: call}, {calls: 1, per: 1d, by: payee}]
"""
)
SMALL = b'{"amount": 1, "to": "shop"}'
#: a form that is JSON too: 1 EUR to whoever reads JSON, a million to whoever reads the form
FORM = b'{"to": "shop", "amount": 1, "x": "&amount=1000000&y="}'
#: what a body is said to be -> its bytes; each is read by some framework as something else than plain JSON
BODIES: tuple[tuple[tuple[tuple[str, str], ...], bytes], ...] = (
    ((("content-type", "application/x-www-form-urlencoded"),), FORM),
    ((), FORM),
    ((("content-type", "text/plain"),), FORM),
    ((("content-type", "multipart/form-data; boundary=x"),), FORM),
    ((("content-type", "application/json"), ("content-type", "application/x-www-form-urlencoded")), FORM),
    ((("content-type", "application/json, application/x-www-form-urlencoded"),), FORM),
    ((("content-type", "application/json; charset=utf-16"),), SMALL),
    ((("content-type", "application/json; charset=utf-8; charset=utf-7"),), SMALL),
    ((("content-type", 'application/json; a="; charset=utf-7'),), SMALL),
    ((("content-type", "application/json; charset*=utf-7''utf-7"),), SMALL),
    ((("content-type", "application/json"), ("content-encoding", "gzip")), SMALL),
    ((("content-type", "application/json"), ("content-encoding", "gzip")), gzip.compress(SMALL)),
    ((("content-type", "application/json"), ("transfer-encoding", "gzip, chunked")), SMALL),
    ((("content-type", "application/json"),), b"\xef\xbb\xbf" + SMALL),
    ((("content-type", "application/json"),), b'{"amount": 1, "amount": 1000000, "to": "shop"}'),
    ((("content-type", "application/json"),), b'{"amount": 1, "to": "shop", "x": NaN}'),
    ((("content-type", "application/json"),), b'{"amount": 1, "to": "shop", "x": "\\ud800"}'),
    ((("content-type", "application/json"),), b'{"amount": 1, "to": "shop", "\\uDFFF": 1}'),
)


@attack(13)
def a_body_that_is_no_plain_json_is_measured(site: Site) -> None:
    """Pay with bodies that hold 1 EUR as JSON, and are said to be something else or are read otherwise by some."""
    site.policy(POLICY)
    paid: list[bytes] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        paid.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        for number, (headers, body) in enumerate(BODIES):
            await ask(
                site.guard(app, audit_log=site.folder / f"{number}.jsonl"), "POST", "/pay", site.token(), headers, body
            )
        assert not paid, f"{len(paid)} of {len(BODIES)} went through, the first with {parse_qs(paid[0].decode())}"
        plain = (("content-type", 'application/json; charset="UTF-8"'),)
        await ask(site.guard(app), "POST", "/pay", site.token(), plain, SMALL)

    asyncio.run(run())
    assert len(paid) == 1, "plain JSON is refused too, so nothing was shown"
