"""Keys of an issuer: audience, claims, requirements, levels, in each form that the policy language accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.issuer_settings import ClaimSources, Levels
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from authguard.core.deployment import Issuer

POLICY = """\
authguard: 1
name: shop
extends: standard
accounts: none
assurance: {order: [aal1, aal2, aal3]}
identity: {credential: aal2}
issuers:
  - issuer: https://idp.example
    algorithms: [ES256]
    keys: discovery
"""


def issuer(keys: str) -> Issuer:
    loaded = load_draft("policy.yaml", text=(POLICY + keys).encode())
    assert loaded.draft is not None, loaded.problems
    return loaded.draft.issuers[0]


def codes(keys: str) -> set[str]:
    return {problem.code for problem in load_draft("policy.yaml", text=(POLICY + keys).encode()).problems}


@pytest.mark.parametrize(
    ("written", "values", "claim"),
    [
        ("shop", ("shop",), ("aud",)),
        ("[shop, 'https://shop.example/mcp']", ("shop", "https://shop.example/mcp"), ("aud",)),
        ("{claim: client_id, values: client-1}", ("client-1",), ("client_id",)),
        ("{claim: /a/b, values: [x, z]}", ("x", "z"), ("/a/b",)),
    ],
)
def test_the_audience_is_a_text_a_list_or_another_claim(
    written: str, values: tuple[str, ...], claim: tuple[str, ...]
) -> None:
    found = issuer(f"    audience: {written}\n")
    assert found.audience == values
    assert found.claims.audience == claim


@pytest.mark.parametrize("written", ["[]", "{claim: x}", "{values: x}", "7", "['']", "{claim: x, values: []}", "[[a]]"])
def test_an_audience_that_names_nobody_is_refused(written: str) -> None:
    assert "malformed-value" in codes(f"    audience: {written}\n")


def test_claims_are_names_pointers_or_alternatives() -> None:
    found = issuer(
        "    audience: shop\n"
        "    claims: {subject: oid, client: [azp, appid], roles: [/realm_access/roles, groups],"
        " auth_time: '/amr/*/timestamp', session: session_id, acr: acrs, scopes: scp}\n"
    )
    assert found.claims == ClaimSources(
        subject=("oid",),
        client=("azp", "appid"),
        scopes=("scp",),
        roles=("/realm_access/roles", "groups"),
        acr=("acrs",),
        auth_time=("/amr/*/timestamp",),
        session=("session_id",),
    )


@pytest.mark.parametrize("written", ["' a'", "'a '", "''", "7", "'/'", "{a: b}", "[sub, ' a']"])
def test_a_source_that_is_no_claim_is_refused(written: str) -> None:
    refused = {"malformed-value", "wrong-type"}
    assert codes(f"    audience: shop\n    claims: {{subject: {written}}}\n") & refused or written == "'/'"


@pytest.mark.parametrize(
    ("written", "required"),
    [
        ("[jti]", {"jti": ()}),
        ("{token_use: access}", {"token_use": ("access",)}),
        (
            "{typ: [Bearer, DPoP], email_verified: true, ver: 2}",
            {"typ": ("Bearer", "DPoP"), "email_verified": ("true",), "ver": ("2",)},
        ),
        ("{jti: []}", {"jti": ()}),
    ],
)
def test_requirements_are_names_or_values(written: str, required: dict[str, tuple[str, ...]]) -> None:
    assert issuer(f"    audience: shop\n    require: {written}\n").require == required


@pytest.mark.parametrize("written", ["7", "{a: {b: c}}", "[[a]]", "{'': x}", "{a: 1.5}", "{a: ''}"])
def test_a_malformed_requirement_is_refused(written: str) -> None:
    assert "malformed-value" in codes(f"    audience: shop\n    require: {written}\n")


def test_levels_are_ordered_by_strength() -> None:
    levels = "    audience: shop\n    levels: {claim: amr, map: {pwd: aal1, hwk: aal3, mfa: aal2}, none: aal1}\n"
    assert issuer(levels).levels == Levels(
        claim=("amr",), map={"hwk": "aal3", "mfa": "aal2", "pwd": "aal1"}, none="aal1"
    )
    assert list(issuer(levels).levels.map) == ["hwk", "mfa", "pwd"]  # type: ignore[union-attr]


def test_two_claims_of_the_audience_are_refused() -> None:
    keys = "    audience: {claim: client_id, values: [x]}\n    claims: {audience: aud}\n"
    assert "key-not-for-kind" in codes(keys)
