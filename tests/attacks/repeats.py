"""Attacks by sending the same request again: under one key, from another sign-in, under another policy, as a form."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any, Final

import httpx2

from tests.attacks.harness import Answer, Site, ask, attack

POLICY: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - {issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {file: keys.json}}
accounts: none
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
operations:
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay], idempotency: required}
  - {name: post, match: {path: /post, method: POST}, risk: RISK, effect: write, scopes: [chat], idempotency: required}
otherwise: {risk: sensitive, effect: write}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
#: what an app says of a body beside its length; the body is compressed by the app itself
SAYS: Final = (
    ("content-type", "application/json"),
    ("content-encoding", "gzip"),
    ("content-language", "de"),
    ("content-location", "/receipts/7"),
    ("content-disposition", 'attachment; filename="receipt.json"'),
    ("etag", '"7"'),
    ("last-modified", "Sun, 29 Nov 2026 12:00:00 GMT"),
    ("location", "/receipts/7"),
    ("link", '</receipts>; rel="up"'),
)
COOKIE: Final = ("set-cookie", "session=secret")


class App:
    """Counts its runs and answers with a compressed body."""

    def __init__(self) -> None:
        self.ran = 0

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        self.ran += 1
        headers = [(name.encode(), value.encode()) for name, value in (*SAYS, COOKIE)]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": gzip.compress(b'{"paid": 7}', mtime=0)})


def again(app: Any, token: str, target: str = "/pay", times: int = 2, key: str = "k1") -> list[Answer]:
    """Send one request several times, one after the other."""

    async def send() -> list[Answer]:
        headers = (("idempotency-key", key), ("content-type", "application/json"))
        return [await ask(app, "POST", target, token, headers, b'{"amount": 7}') for _ in range(times)]

    return asyncio.run(send())


def runs_once(site: Site, risk: str) -> None:
    """Send a write three times under one key."""
    site.policy(POLICY.replace("RISK", risk))
    app = App()
    answers = again(site.guard(app), site.token(), "/post", 3)
    assert [one.status for one in answers] == [201, 201, 201], f"it was not admitted: {answers[0].body!r}"
    assert app.ran == 1, f"a {risk} write ran {app.ran} times under one Idempotency-Key"


@attack(14)
def a_sensitive_write_runs_again_under_its_key(site: Site) -> None:
    """Send a sensitive write with `idempotency: required` three times under one key."""
    runs_once(site, "sensitive")


@attack(14)
def a_routine_write_runs_again_under_its_key(site: Site) -> None:
    """Send a routine write with `idempotency: required` three times under one key."""
    runs_once(site, "routine")


@attack(14)
def a_race_under_one_key_runs_twice(site: Site) -> None:
    """Send a sensitive write ten times at once under one key."""
    site.policy(POLICY.replace("RISK", "sensitive"))
    app = App()
    guard, token = site.guard(app), site.token()

    async def send() -> None:
        headers = (("idempotency-key", "k1"),)
        await asyncio.gather(*(ask(guard, "POST", "/post", token, headers, b"{}") for _ in range(10)))

    asyncio.run(send())
    assert app.ran == 1, f"it ran {app.ran} times"


@attack(14)
def a_policy_demands_a_key_that_nobody_keeps(site: Site) -> None:
    """Deploy `idempotency: required` on a public write, where no key can be anybody's."""
    site.policy(POLICY.replace("RISK", "public").replace(", scopes: [chat]", ""))
    checked = site.command("policy", "check", "policy.yaml")
    assert checked.code == 3, "the policy is accepted, and the write runs as often as it is sent"


@attack(14)
def a_repeat_loses_what_its_body_is(site: Site) -> None:
    """Repeat a payment whose answer is compressed, named and linked; then look for the first caller's cookie."""
    site.policy(POLICY.replace("RISK", "routine"))
    first, repeated = again(site.guard(App()), site.token())
    assert repeated.header("idempotency-replayed") == "true"
    assert repeated.body == first.body
    lost = [name for name, value in SAYS if repeated.header(name) != value]
    assert not lost, f"the repeat lost {', '.join(lost)}"
    assert not repeated.header("set-cookie"), "the repeat sets the first answer's cookie"


@attack(14)
def the_same_form_is_another_request(site: Site) -> None:
    """Send the same form twice by a client that draws a new multipart boundary each time, as all do."""
    site.policy(POLICY.replace("RISK", "routine"))
    app = App()
    guard, token = site.guard(app), site.token()

    async def send() -> Answer:
        request = httpx2.Request("POST", "http://x/", data={"to": "bob"}, files={"slip": ("slip.txt", b"--7\r\n--8")})
        headers = (("idempotency-key", "k1"), ("content-type", request.headers["content-type"]))
        return await ask(guard, "POST", "/pay", token, headers, request.read())

    async def twice() -> list[Answer]:
        return [await send(), await send()]

    first, repeated = asyncio.run(twice())
    assert (first.status, repeated.status, app.ran) == (201, 201, 1), f"the same form got {repeated.status}"


@attack(14)
def a_new_sign_in_loses_the_first_answer(site: Site) -> None:
    """Pay, lose the connection and the sign-in with it, sign in again with the same client, and repeat."""
    site.policy(POLICY.replace("RISK", "routine"))
    app = App()
    guard = site.guard(app)
    again(guard, site.token(sid="before", client_id="shop"), times=1)
    site.clock.advance(1)
    (repeated,) = again(guard, site.token(sid="after", client_id="shop"), times=1)
    assert (repeated.status, app.ran) == (201, 1), f"the repeat got {repeated.status}, which invites a new key"
    (other,) = again(guard, site.token(sid="after", client_id="elsewhere"), times=1)
    assert (other.status, app.ran) == (422, 1), "another client reads the first answer"


@attack(14)
def a_deploy_leaves_what_waits_without_a_word(site: Site) -> None:
    """Let a payment wait, deploy another policy, repeat it, and read what there is to do."""
    holding = POLICY.replace("RISK", "routine").replace(
        "scopes: [pay],", "scopes: [pay], amount: {at: /amount, currency: EUR}, limits: [{amount: 5 EUR, per: call}],"
    )
    site.policy(holding)
    store = site.folder / "authguard.db"
    (held,) = again(site.guard(App(), store=store), site.token(), times=1)
    assert held.status == 202, "it does not wait"
    site.policy(holding.replace("5 EUR", "6 EUR"))
    deployed = site.guard(App(), store=store)
    for told in again(deployed, site.token()):
        assert told.json().get("outcome") == "deny", f"it got {told.body!r}"
        assert "again" in told.json()["detail"], f"the caller is told only: {told.json()['detail']}"
        assert told.json()["next"].get("because") == "policy-changed"
