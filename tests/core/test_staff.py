"""Staff roles: only from the policy's claim in tokens of the named issuers."""

from __future__ import annotations

import pytest

from authguard.core.staff import MAX_ROLE_CHARS, MAX_ROLES, parse_roles
from tests.support.harness import ISSUER, signed_in


def of(claims: dict[str, object], claim: str, *issuers: str, **facts: object) -> frozenset[str]:
    principal = signed_in(at=0.0, claims=claims, **facts).principal
    return parse_roles(principal, dict.fromkeys(issuers or {ISSUER}, (claim,)))


def test_only_the_issuers_that_the_policy_names_make_staff() -> None:
    claims: dict[str, object] = {"roles": ["supervisor"]}
    assert of(claims, "roles", "https://partner.test", ISSUER) == {"supervisor"}
    assert of(claims, "roles", "https://partner.test") == frozenset()
    assert parse_roles(signed_in(at=0.0, claims=claims).principal, {}) == frozenset()


def test_a_machine_is_no_staff() -> None:
    assert of({"roles": ["supervisor"]}, "roles", person=False) == frozenset()


def test_roles_are_read_from_the_claim_that_the_policy_names() -> None:
    claims: dict[str, object] = {
        "roles": ["supervisor", "operations"],
        "realm": {"access": {"roles": ["auditor"]}},
        "role": "boss",
    }
    assert of(claims, "roles") == {"supervisor", "operations"}
    assert of(claims, "/realm/access/roles") == {"auditor"}
    assert of(claims, "role") == {"boss"}


@pytest.mark.parametrize("claim", ["", "groups", "/realm/access/none", "/role/0"])
def test_a_claim_that_is_not_there_makes_nobody_staff(claim: str) -> None:
    assert of({"roles": ["supervisor"], "role": "boss"}, claim) == frozenset()


@pytest.mark.parametrize(
    "said",
    [
        None,
        True,
        7,
        {"supervisor": True},
        {"roles": ["supervisor"]},
        ["supervisor", 7],
        [["supervisor"]],
        ["supervisor", ""],
        "",
        "x" * (MAX_ROLE_CHARS + 1),
        ["supervisor"] * (MAX_ROLES + 1),
    ],
)
def test_what_is_no_list_of_texts_makes_nobody_staff(said: object) -> None:
    assert of({"roles": said}, "roles") == frozenset()


def test_a_text_is_one_role_and_is_never_taken_apart() -> None:
    assert of({"roles": "supervisor operations"}, "roles") == {"supervisor operations"}
