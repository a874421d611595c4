"""Attacks by names that two things share: operations, limits, attempts, headers (CWE-706, use of an incorrect name)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tests.attacks.harness import Answer, Site, ask, attack

HEAD: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts: none
budget: {request: 60s}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
verifiers:
  otp: {type: http, url: 'https://otp.test'}
methods:
  default: {all: [otp], attempts: 3, per: 15m}
  alternate: {all: [otp], attempts: 3, per: 15m}
"""


async def ok(scope: Any, _receive: Any, send: Any) -> None:
    """Answer 200 to whatever is asked, as an app that trusts its guard."""
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the app ran"})


def refused(site: Site, policy: str) -> bool:
    """Write a policy, and tell whether the checker refuses it with exit code 3."""
    path = site.policy(policy)
    return site.command("policy", "check", str(path)).code == 3


@attack(13)
def an_operation_called_otherwise_opens_what_nobody_named(site: Site) -> None:
    """Ask for a public operation that is called `otherwise`, then for what nobody named."""
    named = "{name: otherwise, match: {path: /healthz, method: GET}, risk: public, effect: read}"
    policy = f"{HEAD}operations:\n  - {named}\notherwise: {{risk: routine, effect: read}}\n"
    if refused(site, policy):
        return

    async def run() -> Answer:
        guard = site.guard(ok)
        for _ in range(3):
            await ask(guard, "GET", "/healthz")
        return await ask(guard, "GET", "/secret")

    assert asyncio.run(run()).status != 200, "a request without a credential reached what nobody named"


@attack(13)
def an_operation_has_the_name_of_the_guards_own(site: Site) -> None:
    """Call an operation as the guard's own endpoints are called in records."""
    named = "{name: authguard-session, match: {path: /healthz, method: GET}, risk: public, effect: read}"
    assert refused(site, f"{HEAD}operations:\n  - {named}\n"), "the name was taken"


@attack(13)
def attempts_are_shared_by_a_fallback_and_a_method(site: Site) -> None:
    """Spend a method's attempts by a fallback that is called `method`, at an operation called as the method is."""
    site.policy(
        HEAD
        + """\
operations:
  - name: default
    match: {path: /default, method: GET}
    risk: sensitive
    effect: read
    assurance: {acr: aal2}
  - {name: other, match: {path: /other, method: GET}, risk: sensitive, effect: read}
fallbacks:
  method: {kind: step_up, attempts: 9, per: 15m, then: to_a_person}
decisions:
  - {when: {risk: sensitive, credential: good, session: active, assurance: insufficient, actor: subject}, do: method}
"""
    )

    async def run() -> Answer:
        guard = site.guard(ok)
        for number in range(3):
            await ask(guard, "GET", "/default", site.token(acr="aal1", jti=str(number)))
        return await ask(
            guard, "POST", "/.authguard/verify", site.token(acr="aal1"), body=b'{"method": "default", "answers": {}}'
        )

    answer = asyncio.run(run())
    assert b"handoff" not in answer.body, "attempts to sign in were counted as attempts to prove identity"


@attack(13)
def two_limits_of_the_service_share_a_count(site: Site) -> None:
    """State two limits of the whole service, over times that differ by a second in a million."""
    site.policy(
        HEAD
        + """\
operations:
  - name: short
    match: {path: /short, method: GET}
    risk: routine
    effect: read
    limits: [{calls: 1, per: 1234567s, by: service}]
  - name: long
    match: {path: /long, method: GET}
    risk: routine
    effect: read
    limits: [{calls: 1, per: 1234568s, by: service}]
"""
    )

    async def run() -> Answer:
        guard = site.guard(ok)
        await ask(guard, "GET", "/short", site.token())
        return await ask(guard, "GET", "/long", site.token())

    assert asyncio.run(run()).status == 200, "one limit's calls were counted against the other"
