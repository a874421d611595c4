"""A staff route requires a role: a caller without one is refused, and the reply contains no scopes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.harness import Answer, Site, ask
from tests.attacks.names import HEAD, ok

if TYPE_CHECKING:
    from pathlib import Path

POLICY = (
    HEAD
    + """\
agents:
  - concierge
operations:
  - name: refunds
    match: {path: /staff, method: GET}
    risk: sensitive
    effect: read
    scopes: [desk]
    roles: [supervisor, manager]
"""
)


def asked(folder: Path, **claims: Any) -> Answer:
    """Request the staff route with a token with these claims."""
    site = Site(folder)
    site.policy(POLICY)

    async def run() -> Answer:
        guard = site.guard(ok)
        token = site.token(**({"scope": "desk"} | claims))
        first = await ask(guard, "GET", "/staff", token)
        again = await ask(guard, "GET", "/staff", token)
        assert (again.status, again.headers) == (first.status, first.headers)
        return first

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("claims", "status", "challenge"),
    [
        ({"roles": ["supervisor"]}, 200, ""),
        ({"roles": ["clerk", "manager"]}, 200, ""),
        ({"roles": "manager"}, 200, ""),
        ({}, 403, ""),
        ({"roles": ["clerk"]}, 403, ""),
        ({"roles": {"manager": True}}, 403, ""),
        ({"roles": ["supervisor"], "scope": "chat"}, 403, "insufficient_scope"),
        ({"scope": "chat"}, 403, "insufficient_scope"),
        ({"roles": ["supervisor"], "act": {"sub": "concierge"}}, 403, ""),
    ],
)
def test_one_of_the_roles_is_needed_by_the_person_who_acts(
    tmp_path: Path, claims: dict[str, Any], status: int, challenge: str
) -> None:
    answer = asked(tmp_path, **claims)
    assert answer.status == status
    assert challenge in answer.header("www-authenticate")
    assert bool(answer.header("www-authenticate")) == bool(challenge)


def test_the_log_says_that_a_role_was_missing(tmp_path: Path) -> None:
    asked(tmp_path)
    assert (tmp_path / "audit.jsonl").read_text("utf-8").count('"reason":"role-missing"') == 2
