"""Attacks by what only the guard's own endpoints may be, and by who staff is."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from authguard.testing import DpopClient
from tests.attacks.harness import ask, attack, environment, known_source
from tests.attacks.names import HEAD, ok, refused

if TYPE_CHECKING:
    from tests.attacks.harness import Answer, Site

CHAT: Final = "operations:\n  - {name: chat, match: {path: /chat, method: GET}, risk: routine, effect: read}\n"
#: seconds for a process that does nothing but fail to start
START_S: Final = 60
HANGING: Final = """\
from starlette.testclient import TestClient
from authguard import AuthGuard

async def app(scope, receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})

with TestClient(AuthGuard(app, "policy.yaml", store="memory", audit_log="audit.jsonl", environ={})):
    pass
"""


def status(site: Site, policy: str, method: str, path: str, token: str) -> int:
    """Ask once under a policy; 0 where the checker refuses the policy."""
    if refused(site, policy):
        return 0

    async def run() -> Answer:
        return await ask(site.guard(ok), method, path, token)

    return asyncio.run(run()).status


@attack(13)
def a_customer_walks_through_a_staff_route(site: Site) -> None:
    """Ask for a route of the app's own with `risk: staff`, without any role."""
    named = "{name: refunds, match: {path: /staff, method: POST}, risk: staff, effect: write}"
    assert status(site, f"{HEAD}operations:\n  - {named}\n", "POST", "/staff", site.token()) != 200, "it was let in"


@attack(13)
def the_deceased_are_served_by_a_route_of_their_own(site: Site) -> None:
    """Ask for a route of the app's own with `risk: self` for somebody whose account says that they are deceased."""
    named = "{name: letters, match: {path: /letters, method: POST}, risk: self, effect: write}"
    source = "accounts: [{from: claim, claim: state, map: {estate: deceased}}]"
    policy = HEAD.replace("accounts: none", source) + f"operations:\n  - {named}\n"
    assert status(site, policy, "POST", "/letters", site.token(state="estate")) != 200, "it was let in"


@attack(13)
def a_subject_writes_to_the_terminal(site: Site) -> None:
    """Sign in as a subject that holds control characters, which an app greets and a console prints."""
    site.policy(HEAD + CHAT)

    async def run() -> list[int]:
        guard = site.guard(ok)
        names = ("a\x1b[2Jb", "a\nb", "a\u202eb", "a\x9b")
        return [(await ask(guard, "GET", "/chat", site.token(name))).status for name in names]

    assert 200 not in asyncio.run(run()), "the name became the user's"


@attack(13)
def another_scheme_is_told_of_tokens(site: Site) -> None:
    """Send `Authorization: Basic`, and be told that a token is not valid (RFC 6750 3.1)."""
    site.policy(HEAD + CHAT)

    async def run() -> Answer:
        return await ask(site.guard(ok), "GET", "/chat", headers=[("authorization", "Basic YTpi")])

    answer = asyncio.run(run())
    assert answer.status == 401, "it was let in"
    assert "error" not in answer.header("www-authenticate"), "an error was told of a token that nobody sent"


@attack(13)
def a_bound_token_is_asked_for_by_another_scheme(site: Site) -> None:
    """Lack a scope that an app requires, in a deployment whose tokens are bound (RFC 9449 7.1)."""
    url = "https://agent.test"
    policy = HEAD.replace("keys: {file: keys.json}", "keys: {file: keys.json}\n    sender_constraint: dpop")
    site.policy(f"{policy}settings: {{public_url: '{url}'}}\n{CHAT}")
    told: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        try:
            scope["state"]["authguard"].require("admin")
        except HTTPException as error:
            told.append((error.headers or {})["WWW-Authenticate"])
        await ok(scope, _receive, send)

    client = DpopClient.create(site.clock)
    token = site.token(cnf=client.confirmation)
    headers = list(client.headers(token, "GET", f"{url}/chat").items())

    async def run() -> None:
        await ask(site.guard(app), "GET", "/chat", headers=headers)

    asyncio.run(run())
    assert told[0].startswith("DPoP "), "the app asked for a bearer token"


@attack(13)
def a_guard_that_cannot_open_hangs_the_test_client(site: Site) -> None:
    """Run Starlette's test client with an issuer whose keys are missing."""
    site.policy(HEAD)
    (site.folder / "keys.json").unlink()
    try:
        done = subprocess.run(
            [sys.executable, "-c", known_source(HANGING)],
            cwd=site.folder,
            env=environment(),
            capture_output=True,
            timeout=START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError("it waited for ever") from None
    assert done.returncode == 1, "it began without keys"


@attack(13)
def an_app_without_a_lifespan_leaves_the_guard_open(site: Site) -> None:
    """Serve an app that raises on lifespan, as Django does, and stop the server."""
    site.policy(HEAD)

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError(scope["type"])

    async def run() -> None:
        guard = site.guard(app)
        waiting = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> Any:
            return waiting.pop(0)

        async def send(_: Any) -> None:
            await asyncio.sleep(0)

        try:
            await guard({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        except ValueError:
            await ask(guard, "GET", "/.authguard/healthz")  # the server takes it for an app without a lifespan

    asyncio.run(run())
    text = (site.folder / "audit.jsonl").read_text("utf-8")
    assert text.count('"act":"stopped"') == text.count('"act":"started"'), "the log was never closed"


@attack(13)
def a_first_policy_is_everybodys_to_change(site: Site) -> None:
    """Begin a policy in a process without a umask, and change it as another user."""
    before = os.umask(0)
    try:
        done = site.command("policy", "init", "made/by/init", "--yes")
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    made = [site.folder / "made", *(site.folder / "made").rglob("*")]
    open_to_all = [path.name for path in made if stat.S_IMODE(path.stat().st_mode) & 0o022]
    assert not open_to_all, f"others may write {', '.join(open_to_all)}"
