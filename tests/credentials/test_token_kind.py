"""Only the declared kind of token is accepted, in the forms that providers document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.credentials.token_kind import has_claims, has_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.testing import Mint

    from .conftest import ValidatorHarness

REFUSED = NotProven("rejected", Reason.TYPE_REFUSED)
#: header ``typ`` and claims of access tokens
ACCESS: dict[str, tuple[str, dict[str, Any]]] = {
    "rfc 9068": ("at+jwt", {"client_id": "web", "scope": "chat"}),
    "rfc 9068 with a nonce of its own": ("at+jwt", {"nonce": "n"}),
    "keycloak": ("jwt", {"typ": "Bearer", "azp": "web", "scope": "openid chat", "acr": "1"}),
    "keycloak before 25": ("jwt", {"typ": "Bearer", "azp": "web", "scope": "openid chat", "nonce": "n"}),
    "auth0": ("jwt", {"azp": "web", "scope": "openid chat", "permissions": []}),
    "entra v2": ("jwt", {"azp": "app", "scp": "chat", "ver": "2.0"}),
    "okta": ("", {"cid": "0oa1", "scp": ["openid", "chat"]}),
    "cognito": ("", {"token_use": "access", "client_id": "c", "scope": "openid chat"}),
    "supabase": ("jwt", {"role": "authenticated", "session_id": "S"}),
}
#: of ID tokens
ID: dict[str, tuple[str, dict[str, Any]]] = {
    "cognito": ("", {"token_use": "id", "cognito:username": "u"}),
    "keycloak": ("jwt", {"typ": "ID", "azp": "web", "nonce": "n", "at_hash": "h"}),
    "with a nonce": ("jwt", {"nonce": "n"}),
    "with a hash": ("jwt", {"at_hash": "h"}),
    "with a hash of the code": ("", {"c_hash": "h"}),
    "with a hash of the state": ("", {"s_hash": "h"}),
}
#: of ID tokens without a claim about their use
SILENT_ID = {"firebase": ("jwt", {"user_id": "u", "firebase": {"sign_in_provider": "password"}})}
#: of tokens that are never accepted
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "refresh": ("jwt", {"typ": "Refresh"}),
    "offline": ("jwt", {"typ": "Offline"}),
    "refresh by its use": ("", {"token_use": "refresh"}),
    "a use that is no text": ("", {"token_use": ["access"]}),
    "two uses": ("", {"token_use": "access", "typ": "ID"}),
    "a logout token without its type": ("jwt", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    "a logout token": ("logout+jwt", {"events": {}}),
    "a security event": ("secevent+jwt", {"events": {}}),
    "a proof of possession": ("dpop+jwt", {}),
    "a status list": ("statuslist+jwt", {}),
}
ASSERTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "id-jag": ("oauth-id-jag+jwt", {"client_id": "web", "resource": "https://agent.test", "scope": "chat"}),
    "an authorization grant": ("authorization-grant+jwt", {}),
}


def taken(token: str, wanted: str, kind: str, claims: dict[str, Any]) -> bool:
    return has_type(token, wanted, kind) and has_claims(token, kind, claims)


@pytest.mark.parametrize("name", ACCESS)
def test_an_access_token_is_taken_as_one_and_as_nothing_else(name: str) -> None:
    kind, claims = ACCESS[name]
    assert taken("access", "any", kind, claims)
    assert taken("access", "at+jwt", kind, claims) is (kind == "at+jwt")
    assert not taken("assertion", "any", kind, claims)
    if name != "supabase":  # does not state the use of the token
        assert not taken("id", "any", kind, claims)


@pytest.mark.parametrize("name", ID)
def test_an_id_token_is_taken_as_one_and_as_nothing_else(name: str) -> None:
    kind, claims = ID[name]
    assert taken("id", "any", kind, claims)
    assert not taken("access", "any", kind, claims)
    assert not taken("assertion", "any", kind, claims)


def test_an_id_token_that_says_nothing_is_one_where_the_policy_says_so() -> None:
    assert taken("id", "any", *SILENT_ID["firebase"])
    assert not taken("access", "at+jwt", *SILENT_ID["firebase"])


@pytest.mark.parametrize("name", ASSERTIONS)
def test_an_assertion_is_taken_as_one_and_as_nothing_else(name: str) -> None:
    kind, claims = ASSERTIONS[name]
    assert taken("assertion", "any", kind, claims)
    assert not taken("access", "any", kind, claims)
    assert not taken("access", "at+jwt", kind, claims)
    assert not taken("id", "any", kind, claims)


@pytest.mark.parametrize("token", ["access", "id", "assertion"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_token_for_something_else_is_never_taken(token: str, name: str) -> None:
    assert not taken(token, "any", *OTHERS[name])


def test_each_issuer_says_what_it_issues(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint
) -> None:
    plain = {"drop": ("scope",), "typ": None}
    access = authguard_issuer.mint(typ=None, token_use="access")
    identity = authguard_issuer.mint(**plain, token_use="id")
    jag = authguard_issuer.mint(typ="oauth-id-jag+jwt")
    accepted = {
        kind: [isinstance(build_harness(token=kind, type="any").ask(one), Proven) for one in (access, identity, jag)]
        for kind in ("access", "id", "assertion")
    }
    assert accepted == {
        "access": [True, False, False],
        "id": [False, True, False],
        "assertion": [False, False, True],
    }
    assert build_harness(type="any").ask(identity) == build_harness().ask(jag) == REFUSED


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "events", "scope", "token_use", "typ"])
def test_a_null_claim_says_nothing_about_the_kind(claim: str) -> None:
    assert has_claims("access", "jwt", {claim: None})
    assert has_claims("id", "jwt", {claim: None})
