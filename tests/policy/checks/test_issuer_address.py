"""An issuer is written as its tokens name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.deployment import Issuer
from authguard.policy.checks.checker import check
from authguard.policy.checks.issuer_address import check_issuer_addresses
from authguard.policy.loading.preset import list_presets, load_preset

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

IDP = Issuer(issuer="https://idp.example", audience=("us",), algorithms=("ES256",), discovery=True)


def found(draft: Draft, **fields: object) -> list[str]:
    return [str(one) for one in check_issuer_addresses(replace(draft, issuers=(replace(IDP, **fields),)))]


@pytest.mark.parametrize(
    ("issuer", "says"),
    [
        ("https://*.idp.example", "has a wildcard, and is compared character by character"),
        (" https://idp.example", "has a blank, and `iss` has none; write `https://idp.example`"),
        ("https://idp.example/a b", "write `https://idp.example/ab`"),
        ("https://idp.example\n", "has a blank"),
        ("idp.example", "is no URL, so nothing can be discovered there; write `https://idp.example`, or other `keys`"),
        (
            "https://idp.example/realms/a/.well-known/openid-configuration",
            "is the address of its metadata; write `https://idp.example/realms/a`, as `issuer` in that document has it",
        ),
        ("https://idp.example/.well-known/oauth-authorization-server/a", "write `https://idp.example/a`"),
        ("https://idp.example/.well-known/jwks.json", "is the address of its keys"),
        ("https://idp.example/realms/a/protocol/openid-connect/certs", "is the address of its keys"),
        ("https://idp.example?tenant=a", "has a query or a fragment, and an issuer has neither; write"),
        ("https://idp.example/a#b", "write `https://idp.example/a` (RFC 8414 2)"),
        ("https://idp.example/{tenant}", "fill it in, or write `https://idp.example/{tenantid}` with `tenants: [ID]`"),
        ("https://idp.example/<tenant>/v2.0", "has a placeholder that is not filled in"),
        (
            "https://login.microsoftonline.com/common/v2.0",
            "names `common`, and a token names its own tenant; write `https://login.microsoftonline.com/{tenantid}/v2.0`",
        ),
    ],
)
def test_an_address_that_no_token_has_is_refused_with_what_to_write(
    standard_draft: Draft, issuer: str, says: str
) -> None:
    (problem,) = found(standard_draft, issuer=issuer)
    assert "error[issuer-address]: issuer `" in problem
    assert says in problem
    assert "\n" not in problem


def test_the_address_of_the_keys_is_no_issuer(standard_draft: Draft) -> None:
    (problem,) = found(
        standard_draft, issuer="https://idp.example/k", discovery=False, jwks_uri="https://idp.example/k"
    )
    assert "is the address of its keys; write `iss` of a token here" in problem


@pytest.mark.parametrize(
    ("issuer", "provider", "says"),
    [
        ("https://IDP.example", "", "has upper-case letters in its host; write `idp.example` unless"),
        ("https://idp.example//a", "", "has a double slash; write `https://idp.example/a` unless"),
        ("https://shop.eu.auth0.com", "auth0", "does not end in a slash, and those of `auth0` do; write"),
        ("https://keycloak.example/realms/a/", "keycloak", "ends in a slash, and those of `keycloak` do not; write"),
    ],
)
def test_what_hardly_any_token_has_is_noted(standard_draft: Draft, issuer: str, provider: str, says: str) -> None:
    (problem,) = found(standard_draft, issuer=issuer, provider=provider)
    assert "note[issuer-address]" in problem
    assert says in problem


@pytest.mark.parametrize("name", list_presets())
def test_the_issuer_of_a_preset_is_no_problem(standard_draft: Draft, name: str) -> None:
    assert found(standard_draft, issuer=load_preset(name).example["issuer"], provider=name) == []


@pytest.mark.parametrize(
    ("issuer", "fields"),
    [
        ("https://idp.example/", {}),
        ("https://idp.example:8443/auth", {"provider": "hydra"}),
        ("https://idp.example/{tenantid}/v2.0", {"tenants": ("a",)}),
        ("accounts.example", {"discovery": False, "key_file": "keys.json"}),
        ("accounts.example", {"discovery_url": "https://accounts.example/.well-known/openid-configuration"}),
    ],
)
def test_what_a_provider_may_choose_is_no_problem(
    standard_draft: Draft, issuer: str, fields: dict[str, object]
) -> None:
    assert found(standard_draft, issuer=issuer, **fields) == []


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    text = (
        "authguard: 1\nname: a\nextends: support-desk\nissuers:\n"
        "  - {issuer: 'https://joe:hunter2@idp.example', audience: us, algorithms: [ES256], keys: discovery}\n"
    )
    said = [str(one) for one in check("policy.yaml", text=text.encode()).problems if one.severity == "error"]
    assert len(said) == 1
    assert "error[issuer-address]: `https://...@idp.example` is not valid for `issuer`" in said[0]
    assert "hunter2" not in said[0]
