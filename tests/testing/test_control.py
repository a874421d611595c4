"""What a test may steer at the identity provider: statuses, keys, outages, the clock, and no more than that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import pytest

from authguard.testing import IdentityProvider, IdentityProviderError
from authguard.testing.idp import RESOURCE_SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.testing.provider import Mode

AUDIENCE = "https://agent.test"


@pytest.fixture
def idp(authguard_fresh_idp: IdentityProvider) -> IdentityProvider:
    return authguard_fresh_idp


@pytest.fixture
def web(idp: IdentityProvider) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=idp.issuer, trust_env=False) as client:
        yield client


def verified(web: httpx2.Client, token: str) -> dict[str, Any]:
    """Verify as a resource server does: metadata, then keys, then the token."""
    metadata = web.get("/.well-known/oauth-authorization-server").json()
    keys = jwt.PyJWKSet.from_dict(web.get(metadata["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[key.algorithm_name], audience=AUDIENCE, issuer=metadata["issuer"]
    )
    return claims


def test_an_account_status_reaches_refreshed_tokens_and_can_be_taken_away(
    idp: IdentityProvider, web: httpx2.Client
) -> None:
    first = idp.sign_in("ann")
    idp.set_account_status("ann", "frozen")
    second = idp.refresh(first)
    assert verified(web, second.access_token)["account_status"] == "frozen"
    assert "account_status" not in verified(web, idp.sign_in("bob").access_token)
    idp.set_account_status("ann", None)
    assert "account_status" not in verified(web, idp.refresh(second).access_token)


def test_keys_rotate_with_an_overlap(idp: IdentityProvider, web: httpx2.Client) -> None:
    old = idp.sign_in()
    names = idp.rotate_keys("ES256")
    new = idp.sign_in()
    assert jwt.get_unverified_header(new.access_token)["kid"] == names["ES256"]
    assert verified(web, new.access_token)["sub"] == verified(web, old.access_token)["sub"]


def test_without_an_overlap_the_old_key_is_gone_at_once(idp: IdentityProvider, web: httpx2.Client) -> None:
    old = idp.sign_in()
    idp.rotate_keys(overlap=False)
    with pytest.raises(KeyError):
        verified(web, old.access_token)
    assert verified(web, idp.sign_in().access_token)
    assert len(web.get("/jwks").json()["keys"]) == 3


def test_down_answers_503_for_keys_and_metadata_and_nothing_else(idp: IdentityProvider, web: httpx2.Client) -> None:
    idp.outage("down")
    assert [web.get(path).status_code for path in ("/jwks", "/.well-known/openid-configuration")] == [503, 503]
    assert idp.refresh(idp.sign_in()).access_token
    idp.restore()
    assert web.get("/jwks").status_code == 200


def test_garbage_answers_200_with_no_json(idp: IdentityProvider, web: httpx2.Client) -> None:
    idp.outage("garbage")
    answer = web.get("/jwks")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match=r"utf-8|Expecting"):
        json.loads(answer.content)


def test_a_redirect_leads_elsewhere(idp: IdentityProvider, web: httpx2.Client) -> None:
    idp.outage("redirect", at=["jwks"])
    assert web.get("/jwks").status_code == 302
    assert web.get("/.well-known/openid-configuration").status_code == 200


def test_a_hang_outlasts_the_callers_patience_and_answers_well_when_it_is_over(
    idp: IdentityProvider, web: httpx2.Client
) -> None:
    idp.outage("hang", seconds=60, at=["jwks"])
    with pytest.raises(httpx2.ReadTimeout):
        web.get("/jwks", timeout=httpx2.Timeout(10, read=0.05))
    idp.outage("hang", seconds=0, at=["jwks"])
    assert web.get("/jwks").status_code == 200


@pytest.mark.parametrize("mode", ["down", "garbage"])
def test_introspection_and_refreshing_can_fail_too(idp: IdentityProvider, web: httpx2.Client, mode: Mode) -> None:
    sign_in = idp.sign_in()
    idp.outage(mode, at=["introspection", "token"])
    answer = web.post("/introspect", data={"token": sign_in.access_token}, auth=RESOURCE_SERVER)
    assert b"active" not in answer.content
    with pytest.raises((IdentityProviderError, ValueError)):
        idp.refresh(sign_in)


def test_requests_are_counted_by_path_also_during_an_outage(idp: IdentityProvider, web: httpx2.Client) -> None:
    idp.outage("down")
    for path in ("/jwks", "/jwks", "/.well-known/openid-configuration", "/who/knows", "/what"):
        web.get(path)
    assert idp.requests() == {"/jwks": 2, "/.well-known/openid-configuration": 1, "other": 2}
    idp.reset()
    assert idp.requests() == {}


def test_the_clock_can_be_offset_and_stopped(idp: IdentityProvider, web: httpx2.Client) -> None:
    assert idp.set_clock(at=1_500_000_000.5) == 1_500_000_000.5
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(web, idp.sign_in().access_token)
    ahead = idp.set_clock(offset=7200)
    claims = jwt.decode(idp.sign_in().access_token, options={"verify_signature": False})
    assert claims["iat"] >= int(ahead)
    with pytest.raises(jwt.ImmatureSignatureError):
        verified(web, idp.sign_in().access_token)
    idp.set_clock()
    assert verified(web, idp.sign_in().access_token)


def test_a_control_order_that_does_not_fit_is_refused_with_the_reason(idp: IdentityProvider) -> None:
    with pytest.raises(IdentityProviderError, match="claims may not hold iss"):
        idp.sign_in(claims={"iss": "https://another.test"})
    with pytest.raises(IdentityProviderError, match="400"):
        idp.outage("hang", seconds=61)


def test_a_web_page_can_neither_post_to_control_nor_come_by_another_name(web: httpx2.Client) -> None:
    assert web.post("/control/sign-in", data={"subject": "ann"}).status_code == 415
    assert web.post("/control/sign-in", json={}, headers={"Host": "evil.test"}).status_code == 421
    assert web.get("/control/sign-in").status_code == 405


def test_a_body_over_64_kib_is_refused(web: httpx2.Client) -> None:
    assert web.post("/control/sign-in", json={"subject": "a" * 70_000}).status_code == 413
    assert web.post("/token", data={"refresh_token": "a" * 70_000}).status_code == 413
