"""Account states in claims: by name or JSON Pointer, as texts, booleans or numbers, as identity providers send them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from authguard.policy.loading.loader import load_draft
from tests.attacks.harness import Site, ask
from tests.attacks.names import HEAD, ok

if TYPE_CHECKING:
    from pathlib import Path

OPERATIONS = """\
operations:
  - {name: read, match: {path: /read, method: GET}, risk: routine, effect: read}
  - {name: write, match: {path: /write, method: POST}, risk: routine, effect: write}
"""


def state_of(folder: Path, source: str, **claims: Any) -> str:
    """Return the state of an account in a request with these claims, as the app sees it."""
    site = Site(folder)
    site.policy(HEAD.replace("accounts: none", f"accounts:\n  - {source}") + OPERATIONS)
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["authguard"].states["account"])
        await ok(scope, receive, send)

    asyncio.run(ask(site.guard(app), "GET", "/read", site.token(**claims)))
    return seen[0]


EMAIL = "{from: claim, claim: email_verified, map: {true: normal, false: restricted}}"
NESTED = "{from: claim, claim: /app_metadata/status, map: {active: normal, blocked: locked}}"
NUMBER = "{from: claim, claim: status, map: {0: normal, 1: locked, -1: suspended, 1.5: dormant}}"

NAMESPACED = "{from: claim, claim: 'https://shop.example/status', map: {ok: normal}}"
LONG = f"{{from: claim, claim: status, map: {{{'a' * 64}: normal}}}}"


@pytest.mark.parametrize(
    ("source", "claims", "state"),
    [
        (EMAIL, {"email_verified": True}, "normal"),
        (EMAIL, {"email_verified": False}, "restricted"),
        (EMAIL, {"email_verified": "true"}, "normal"),
        (EMAIL, {"email_verified": "True"}, "unrecognised"),
        (EMAIL, {"email_verified": 1}, "unrecognised"),
        (EMAIL, {"email_verified": 0}, "unrecognised"),
        (EMAIL, {"email_verified": ""}, "unrecognised"),
        (EMAIL, {"email_verified": []}, "unrecognised"),
        (EMAIL, {"email_verified": [True]}, "unrecognised"),
        (EMAIL, {"email_verified": {"true": True}}, "unrecognised"),
        (EMAIL, {"email_verified": None}, "unknown"),
        (EMAIL, {}, "unknown"),
        (NESTED, {"app_metadata": {"status": "active"}}, "normal"),
        (NESTED, {"app_metadata": {"status": "blocked"}}, "locked"),
        (NESTED, {"app_metadata": {"status": "else"}}, "unrecognised"),
        (NESTED, {"app_metadata": {"status": ["active"]}}, "unrecognised"),
        (NESTED, {"app_metadata": {"status": None}}, "unknown"),
        (NESTED, {"app_metadata": {}}, "unknown"),
        (NESTED, {"app_metadata": "active"}, "unknown"),
        (NESTED, {"/app_metadata/status": "active"}, "unknown"),
        (NUMBER, {"status": 0}, "normal"),
        (NUMBER, {"status": 0.0}, "normal"),
        (NUMBER, {"status": 1}, "locked"),
        (NUMBER, {"status": -1}, "suspended"),
        (NUMBER, {"status": 1.5}, "dormant"),
        (NUMBER, {"status": False}, "unrecognised"),
        (NUMBER, {"status": "x" * 5_000}, "unrecognised"),
        (
            "{from: claim, claim: 'https://shop.example/status', map: {ok: normal}}",
            {"https://shop.example/status": "ok"},
            "normal",
        ),
        (LONG, {"status": "a" * 64}, "normal"),
        (LONG, {"status": "a" * 65}, "unrecognised"),
        ("{from: claim, claim: status}", {"status": "locked"}, "locked"),
        ("{from: claim, claim: status}", {"status": True}, "unrecognised"),
    ],
)
def test_a_claim_is_mapped_by_its_text(tmp_path: Path, source: str, claims: dict[str, Any], state: str) -> None:
    assert state_of(tmp_path, source, **claims) == state


def test_a_status_that_is_none_cannot_be_mapped(tmp_path: Path) -> None:
    site = Site(tmp_path)
    path = site.policy(
        HEAD.replace("accounts: none", "accounts: [{from: claim, claim: s, map: {'': normal}}]") + OPERATIONS
    )
    checked = site.command("policy", "check", str(path))
    assert checked.code == 3
    assert "account-map" in checked.out + checked.err


@pytest.mark.parametrize("claim", ["/a~b", "/a/" + "b" * 300, "x" * 300])
def test_a_claim_that_no_token_could_have_is_refused(tmp_path: Path, claim: str) -> None:
    site = Site(tmp_path)
    path = site.policy(HEAD.replace("accounts: none", f"accounts: [{{from: claim, claim: '{claim}'}}]") + OPERATIONS)
    assert "malformed-value" in {problem.code for problem in load_draft(path).problems}
