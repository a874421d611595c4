"""A staff route requires a role: a caller without one is refused, and the reply contains no scopes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.approvers import Approvers
from authguard.core.sections import Authority
from authguard.core.staff import MAX_ROLES
from authguard.credentials.bearer import MAX_TOKEN_BYTES
from authguard.policy.loading.loader import load_draft
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


#: roles as identity providers write them
WORLDLY = (
    "Shop Supervisor",
    "https://example.com/roles/admin",
    "shop:admin",
    "CN=Supervisors,OU=Groups,DC=corp",
    "realm/[shop] {owner}",
    "Geschäftsführung",
    'the "boss"',
    "DOMAIN\\Supervisors",
    "roles.*",
    "a" * 256,
)


def asked(folder: Path, policy: str = POLICY, **claims: Any) -> Answer:
    """Request the staff route with a token with these claims."""
    site = Site(folder)
    site.policy(policy)

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


@pytest.mark.parametrize("role", WORLDLY)
def test_a_role_is_any_printable_text_and_is_compared_exactly(tmp_path: Path, role: str) -> None:
    policy = POLICY.replace("[supervisor, manager]", json.dumps([role], ensure_ascii=False))
    for number, (sent, status) in enumerate(
        (
            ([role], 200),
            (role, 200),
            (["clerk", role], 200),
            (f"clerk {role}", 403),
            (role.swapcase(), 403),
            (f"{role} ", 403),
            (role[:-1], 403),
            (role.split(","), 200 if "," not in role else 403),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert asked(folder, policy, roles=sent).status == status, sent


@pytest.mark.parametrize("role", ["", " admin", "admin ", "\u00a0admin", "a\tb", "a\nb", "a" * 257, "\x7f", 7, True])
def test_a_role_that_no_token_could_match_is_refused_by_the_checker(tmp_path: Path, role: object) -> None:
    site = Site(tmp_path)
    path = site.policy(POLICY.replace("[supervisor, manager]", json.dumps([role])))
    assert {"malformed-value", "refused-character"} & {problem.code for problem in load_draft(path).problems}


def test_a_hold_and_staff_acts_take_such_roles(tmp_path: Path) -> None:
    site = Site(tmp_path)
    path = site.policy(
        POLICY
        + "fallbacks: {await_approval: {kind: hold, approvers: {role: 'Shop Supervisor'}}}\n"
        + "staff: {claim: roles, authority: {reinstate: 'shop:admin', reset: 'CN=A,DC=b'}}\n"
        + "rollback: {authority: {engage: {role: 'On Call'}, release: {role: 'On Call', count: 2}}}\n"
    )
    draft = load_draft(path).draft
    assert draft is not None
    assert draft.fallbacks["await_approval"].approvers == (Approvers("Shop Supervisor"),)
    assert draft.staff_roles == {"reinstate": "shop:admin", "reset": "CN=A,DC=b"}
    assert draft.rollback.authority == {
        "engage": Authority(role="On Call"),
        "release": Authority(role="On Call", count=2),
    }


def test_256_roles_count_and_one_more_is_told_as_a_bound(tmp_path: Path) -> None:
    many = [f"realm-management-{{view}}-[{number:03}]-users" for number in range(MAX_ROLES - 1)]
    # as large as a normal token of Keycloak with these roles, and within the bound of a token
    assert 12_000 < len(Site(tmp_path).token(roles=[*many, "manager"])) < MAX_TOKEN_BYTES
    for name, roles, status in (("fits", [*many, "manager"], 200), ("exceeds", [*many, "one", "manager"], 403)):
        folder = tmp_path / name
        folder.mkdir()
        answer = asked(folder, roles=roles)
        assert (answer.status, answer.header("www-authenticate")) == (status, "")
    log = (tmp_path / "exceeds" / "audit.jsonl").read_text("utf-8")
    assert log.count('"reason":"roles-exceeded"') == 2
    assert "role-missing" not in log


def test_an_approver_with_too_many_roles_is_told_in_the_log(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.policy(POLICY)
    token = site.token(roles=["supervisor"] + [str(number) for number in range(MAX_ROLES)])
    seen = asyncio.run(ask(site.guard(ok), "GET", "/.authguard/transactions", token))
    assert seen.json()["transactions"] == []
    assert '"reason":"roles-exceeded"' in (tmp_path / "audit.jsonl").read_text("utf-8")
