"""Roles: what an issuer says in the claim that the policy names, and nothing that merely looks like it."""

from __future__ import annotations

import pytest

from authguard.core.staff import ROLE_CHARACTERS, ROLES_BOUND, roles


def test_roles_are_read_from_the_claim_that_the_policy_names() -> None:
    claims = {"roles": ["supervisor", "operations"], "realm": {"access": {"roles": ["auditor"]}}, "role": "boss"}
    assert roles(claims, "roles") == {"supervisor", "operations"}
    assert roles(claims, "/realm/access/roles") == {"auditor"}
    assert roles(claims, "role") == {"boss"}


@pytest.mark.parametrize("claim", ["", "groups", "/realm/access/none", "/role/0"])
def test_a_claim_that_is_not_there_makes_nobody_staff(claim: str) -> None:
    assert roles({"roles": ["supervisor"], "role": "boss"}, claim) == frozenset()


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
        "x" * (ROLE_CHARACTERS + 1),
        ["supervisor"] * (ROLES_BOUND + 1),
    ],
)
def test_what_is_no_list_of_texts_makes_nobody_staff(said: object) -> None:
    assert roles({"roles": said}, "roles") == frozenset()


def test_a_text_is_one_role_and_is_never_taken_apart() -> None:
    assert roles({"roles": "supervisor operations"}, "roles") == {"supervisor operations"}
