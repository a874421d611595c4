"""Attacks on the log's file while the app runs: what is not recorded must not be admitted, remembered or not."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import Answer, Site, ask, attack, http_request, send_raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY: Final = """\
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
  - {name: read, match: {path: /read, method: POST}, risk: routine, effect: read, scopes: [chat]}
otherwise: {risk: sensitive, effect: write}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
APP: Final = """\
from authguard import AuthGuard

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

app = AuthGuard(app, "policy.yaml", store="authguard.db", audit_log="log/audit.jsonl")
"""
#: seconds after which a writer knows that its file has another name or none (`docs/operations.md`)
BOUND_S: Final = 0.1
REFUSED: Final = (0, 503)


def delete(log: Path) -> None:
    """Take the file away."""
    log.unlink()


def replace(log: Path) -> None:
    """Put a copy in its place."""
    shutil.copy(log, log.with_name("copy"))
    log.with_name("copy").replace(log)


def truncate(log: Path) -> None:
    """Empty the file where it lies."""
    os.truncate(log, 0)


def move(log: Path) -> None:
    """Take the name away, as a tool that rotates logs does."""
    log.rename(log.with_name("moved"))


def _attack(site: Site, harm: Callable[[Path], None]) -> None:
    site.policy(POLICY)
    token = _real_token(site)

    with site.served(APP) as port:

        def request() -> Answer:
            return send_raw(port, http_request("POST", "/read", body=b"{}", token=token))

        for _ in range(4):
            assert request().status == 200, "an honest customer is not served"
        harm(site.folder / "log/audit.jsonl")
        time.sleep(BOUND_S)
        before = _lines(site.folder / "log")
        first = request()
        again = request()
        after = _lines(site.folder / "log")
    assert first.status in REFUSED, "a remembered decision was admitted, and nobody heard that its log is gone"
    assert again.status == 200, "the log does not go on"
    assert after > before, "what was admitted is in no log"


def _lines(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("audit*.jsonl"))


def _real_token(site: Site) -> str:
    """Sign a token by the machine's own clock, which the served app goes by."""
    site.clock.set(time.time())
    return site.token()


@attack(14)
def the_log_is_deleted_under_a_running_app(site: Site) -> None:
    """Delete the log of a running app, and go on with a token that is remembered."""
    _attack(site, delete)


@attack(14)
def the_log_is_replaced_under_a_running_app(site: Site) -> None:
    """Put a copy in the place of the log of a running app, and go on with a token that is remembered."""
    _attack(site, replace)


@attack(14)
def the_log_is_emptied_under_a_running_app(site: Site) -> None:
    """Empty the log of a running app, and go on with a token that is remembered."""
    _attack(site, truncate)


@attack(14)
def the_log_is_moved_under_a_running_app(site: Site) -> None:
    """Move the log of a running app away, and go on with a token that is remembered."""
    _attack(site, move)


@attack(14)
def requests_at_the_moment_of_the_deletion_are_lost(site: Site) -> None:
    """Delete the log between two requests of the same millisecond: the second is admitted on a file without a name."""
    site.policy(POLICY)
    log = site.folder / "audit.jsonl"

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def run() -> tuple[list[int], int]:
        guard, token = site.guard(app), site.token()
        got = [(await ask(guard, "POST", "/read", token, body=b"{}")).status for _ in range(4)]
        log.unlink()
        got += [(await ask(guard, "POST", "/read", token, body=b"{}")).status for _ in range(3)]
        return got, log.read_bytes().count(b'"operation":"read"') if log.exists() else 0

    statuses, kept = asyncio.run(run())
    assert statuses[:4] == [200] * 4
    assert kept >= statuses[4:].count(200), "a request was admitted whose record is in no file"
    assert statuses[4] in REFUSED, "the request that found the log gone was admitted"
