"""Attacks that make a router or an adapter behind the guard read a request as another one than was judged."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Route

from tests.attacks.harness import Site, ask, attack

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
  - {name: look, match: {path: /pay, method: GET}, risk: public, effect: read}
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
otherwise: {risk: sensitive, effect: write}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
#: what a payment may be, under a policy that admits what nobody named
METHOD_NAMED = """\
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
  - name: pay
    match: {path: /pay, method: POST}
    risk: sensitive
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 100 EUR, per: call}]
otherwise: {risk: sensitive, effect: write}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


@attack(13)
def an_underscore_carries_a_method_override_to_a_wsgi_app(site: Site) -> None:
    """Spell a method override with underscores, which WSGI (PEP 3333) reads as the same header as with hyphens."""
    site.policy(POLICY)
    methods: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        # what WSGI adapters make of headers: CGI names (RFC 3875 4.1.18), in which both spellings are one
        environ = {
            "HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in scope["headers"]
        }
        methods.append(environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", scope["method"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    spellings = ("X_HTTP_Method_Override", "X-HTTP_Method-Override", "x_http-method-override")
    guard = site.guard(app)
    for name in spellings:
        asyncio.run(_ask(guard, name))
    assert set(methods) == {"GET"}, "a read that nobody signed in for was made a payment"
    assert len(methods) == len(spellings)


async def _ask(guard: Any, name: str) -> None:
    await ask(guard, "GET", "/pay", headers=((name, "POST"),))


SPLIT = POLICY.replace(
    "operations:\n",
    """operations:
  - {name: files, match: {path: '/files/{rest:path}', method: POST}, risk: public, effect: read}
""",
)


@attack(13)
def a_root_path_further_on_names_another_operation(site: Site) -> None:
    """Name the root path in the middle of an open path: Litestar routes what follows its first occurrence."""
    site.policy(SPLIT)
    routed: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        routed.append(scope["path"].split(scope["root_path"], maxsplit=1)[-1])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    # a server that does not put the root path in front of the path, as hypercorn
    answer = asyncio.run(ask(site.guard(app), "POST", "/files/srv/pay", root_path="/srv"))
    assert "/pay" not in routed, "an open operation's path ran another one"
    assert answer.status in {400, 404}


HOSTS = POLICY.replace(
    "operations:\n",
    """operations:
  - name: transfer
    match: {path: /transfer, method: POST}
    hosts: [pay.test]
    risk: high
    effect: write
    scopes: [pay]
  - {name: talk, match: {path: /transfer, method: POST}, risk: public, effect: read}
""",
)


@attack(13)
def a_second_host_hides_the_one_that_is_routed(site: Site) -> None:
    """Send `Host` twice, or with an odd port: Starlette routes by the first, and the guard saw none of the two."""
    # the old checkout knows no `hosts`
    old = (
        HOSTS.replace("    hosts: [pay.test]\n", "")
        .replace("name: transfer", "name: never")
        .replace("path: /transfer, method: POST}\n    risk: high", "path: /never, method: POST}\n    risk: high")
    )
    routed: list[str] = []

    async def transfer(_request: Any) -> PlainTextResponse:
        routed.append("transfer")
        return PlainTextResponse("paid")

    async def talk(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("said")

    paid = Starlette(routes=[Route("/transfer", transfer, methods=["POST"])])
    app = Starlette(routes=[Host("pay.test", app=paid), Route("/transfer", talk, methods=["POST"])])
    site.policy(HOSTS)
    if "hosts" in site.command("policy", "check", "policy.yaml").out:
        site.policy(old)
    for hosts in (("pay.test", "agent.test"), ("pay.test:80", "agent.test"), ("pay.test:", "x y")):
        asyncio.run(_ask_hosts(site.guard(app), hosts))
    assert not routed, "a host's own operation ran as an open one"


async def _ask_hosts(guard: Any, hosts: tuple[str, ...]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"host", host.encode()) for host in hosts]
        await guard({**scope, "headers": headers}, receive, send)

    await ask(app, "POST", "/transfer")


@attack(13)
def another_method_runs_a_view_that_ignores_it(site: Site) -> None:
    """Send another method than the named one to a view that does not look at methods, as Django's by default."""
    site.policy(METHOD_NAMED)
    ran: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        ran.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = site.guard(app)
    body = b'{"amount": 5000, "currency": "EUR"}'

    async def attempt() -> None:
        for method in ("TRACE", "PUT", "GET", "OPTIONS", "DELETE", "PATCH"):
            await ask(guard, method, "/pay", site.token(), (("content-type", "application/json"),), body)

    asyncio.run(attempt())
    assert not ran, f"a payment over its limit ran by {ran[0]}"
