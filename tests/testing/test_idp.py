"""The identity provider keeps to the RFCs over real HTTP, and fails as it is told to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import pytest

from authguard.testing import IdentityProvider, RefreshRefusedError
from authguard.testing.idp import RESOURCE_SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.testing.keys import Published

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


def introspected(web: httpx2.Client, token: str) -> dict[str, Any]:
    answer = web.post("/introspect", data={"token": token}, auth=RESOURCE_SERVER)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    claims: dict[str, Any] = answer.json()
    return claims


def test_both_metadata_documents_name_the_same_endpoints(idp: IdentityProvider, web: httpx2.Client) -> None:
    documents = [
        web.get(f"/.well-known/{name}").json() for name in ("openid-configuration", "oauth-authorization-server")
    ]
    assert documents[0] == documents[1]
    assert documents[0]["issuer"] == idp.issuer
    for name in ("jwks_uri", "token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        assert documents[0][name].startswith(f"{idp.issuer}/")


def test_the_jwks_holds_one_public_key_for_each_algorithm(web: httpx2.Client) -> None:
    keys = web.get("/jwks").json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256", "EdDSA"}
    assert all(key["use"] == "sig" and key["kid"] and "d" not in key for key in keys)


def test_the_jwks_is_not_sent_again_while_it_is_the_same(idp: IdentityProvider, web: httpx2.Client) -> None:
    first = web.get("/jwks")
    known = {"If-None-Match": first.headers["etag"]}
    again = web.get("/jwks", headers=known)
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "public, max-age=300")
    idp.rotate_keys()
    changed = web.get("/jwks", headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_token_of_each_algorithm_verifies(idp: IdentityProvider, web: httpx2.Client, alg: Published) -> None:
    token = idp.sign_in(alg=alg).access_token
    assert jwt.get_unverified_header(token)["alg"] == alg
    assert verified(web, token)["sub"] == "customer-1"


def test_an_access_token_carries_what_rfc_9068_requires(idp: IdentityProvider, web: httpx2.Client) -> None:
    act = {"sub": "agent-7"}
    sign_in = idp.sign_in(
        "ann",
        client_id="kiosk",
        audience=[AUDIENCE, "https://other.test"],
        scope="read pay",
        acr="aal2",
        amr=["pwd", "otp"],
        lifetime=120,
        act=act,
        account_status="ok",
        claims={"plan": "gold"},
    )
    claims = verified(web, sign_in.access_token)
    assert jwt.get_unverified_header(sign_in.access_token)["typ"] == "at+jwt"
    assert claims.pop("exp") - claims["iat"] == sign_in.expires_in == 120
    assert claims.pop("iat") == claims.pop("auth_time")
    assert claims.pop("jti")
    assert claims == {
        "iss": idp.issuer,
        "sub": "ann",
        "aud": [AUDIENCE, "https://other.test"],
        "client_id": "kiosk",
        "scope": "read pay",
        "acr": "aal2",
        "amr": ["pwd", "otp"],
        "sid": sign_in.sid,
        "act": act,
        "account_status": "ok",
        "plan": "gold",
    }


def test_a_sign_in_can_lack_a_session_name_and_an_assurance_level(idp: IdentityProvider, web: httpx2.Client) -> None:
    sign_in = idp.sign_in(sid=False, acr=None, amr=(), typ=None)
    assert sign_in.sid is None
    assert not {"sid", "acr", "amr", "act", "account_status"} & verified(web, sign_in.access_token).keys()
    assert "typ" not in jwt.get_unverified_header(sign_in.access_token)


def test_a_sign_in_can_lie_in_the_past_and_keep_a_given_session_name(idp: IdentityProvider, web: httpx2.Client) -> None:
    claims = verified(web, idp.sign_in(sid="mine", auth_time_offset=-3600).access_token)
    assert claims["sid"] == "mine"
    assert claims["iat"] - claims["auth_time"] == 3600
    assert verified(web, idp.sign_in(auth_time=12_345).access_token)["auth_time"] == 12_345


def test_a_token_can_be_born_expired(idp: IdentityProvider, web: httpx2.Client) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(web, idp.sign_in(lifetime=-1).access_token)


def test_a_refresh_keeps_who_signed_in_how_and_when(idp: IdentityProvider, web: httpx2.Client) -> None:
    first = idp.sign_in(scope="read pay", acr="aal2", amr=["otp"], auth_time_offset=-600, claims={"plan": "gold"})
    second = idp.refresh(first)
    before, after = verified(web, first.access_token), verified(web, second.access_token)
    assert before.pop("jti") != after.pop("jti")
    assert after.pop("iat") >= before.pop("iat")
    assert after.pop("exp") >= before.pop("exp")
    assert before == after
    assert second.sid == first.sid == after["sid"]


def test_a_reused_refresh_token_is_refused_and_ends_the_sign_in(idp: IdentityProvider, web: httpx2.Client) -> None:
    first = idp.sign_in()
    second = idp.refresh(first)
    with pytest.raises(RefreshRefusedError, match="invalid_grant"):
        idp.refresh(first)
    with pytest.raises(RefreshRefusedError) as refused:
        idp.refresh(second)
    assert refused.value.error == "invalid_grant"
    assert introspected(web, second.access_token) == {"active": False}


def test_of_parallel_refreshes_with_one_token_one_is_answered(idp: IdentityProvider) -> None:
    sign_in = idp.sign_in()

    def attempt(_: int) -> bool:
        try:
            idp.refresh(sign_in)
        except RefreshRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_refresh_may_ask_for_less_and_not_for_more(idp: IdentityProvider, web: httpx2.Client) -> None:
    less = idp.refresh(idp.sign_in(scope="read pay"), scope="read")
    assert verified(web, less.access_token)["scope"] == "read"
    with pytest.raises(RefreshRefusedError, match="invalid_scope"):
        idp.refresh(less, scope="read admin")


def test_another_clients_refresh_token_is_refused(idp: IdentityProvider, web: httpx2.Client) -> None:
    sign_in = idp.sign_in(client_id="ours")
    form = {"grant_type": "refresh_token", "refresh_token": sign_in.refresh_token, "client_id": "theirs"}
    assert web.post("/token", data=form).json() == {"error": "invalid_grant"}
    assert web.post("/revoke", data={"token": sign_in.refresh_token, "client_id": "theirs"}).status_code == 400
    assert idp.refresh(sign_in).sid == sign_in.sid


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "never-issued"}, "invalid_grant"),
    ],
)
def test_a_malformed_token_request_gets_the_error_of_rfc_6749(
    web: httpx2.Client, form: dict[str, str], error: str
) -> None:
    answer = web.post("/token", data=form)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_parameter_sent_twice_is_malformed(web: httpx2.Client) -> None:
    assert web.post("/revoke", content=b"token=one&token=two").status_code == 400


def test_revoking_the_refresh_token_ends_the_whole_sign_in(idp: IdentityProvider, web: httpx2.Client) -> None:
    sign_in = idp.sign_in()
    assert introspected(web, sign_in.access_token)["active"] is True
    idp.revoke(sign_in)
    assert introspected(web, sign_in.access_token) == {"active": False}
    with pytest.raises(RefreshRefusedError, match="invalid_grant"):
        idp.refresh(sign_in)
    idp.revoke(sign_in)


def test_revoking_an_access_token_leaves_the_sign_in(idp: IdentityProvider, web: httpx2.Client) -> None:
    sign_in = idp.sign_in()
    idp.revoke(sign_in, token="access_token")
    assert introspected(web, sign_in.access_token) == {"active": False}
    assert introspected(web, idp.refresh(sign_in).access_token)["active"] is True


def test_revoking_what_was_never_issued_is_no_error(web: httpx2.Client) -> None:
    assert web.post("/revoke", data={"token": "never-issued"}).status_code == 200


@pytest.mark.parametrize("opaque", [False, True])
def test_introspection_answers_with_the_claims(idp: IdentityProvider, web: httpx2.Client, *, opaque: bool) -> None:
    sign_in = idp.sign_in("ann", scope="read", opaque=opaque)
    assert ("." in sign_in.access_token) is not opaque
    answer = introspected(web, sign_in.access_token)
    assert answer["active"] is True
    assert (answer["sub"], answer["scope"], answer["token_type"]) == ("ann", "read", "Bearer")
    assert (answer["iss"], answer["aud"], answer["sid"]) == (idp.issuer, AUDIENCE, sign_in.sid)


def test_introspection_says_nothing_of_a_token_that_is_unknown_or_over(
    idp: IdentityProvider, web: httpx2.Client
) -> None:
    for token in ("never-issued", idp.sign_in(lifetime=-1).access_token):
        assert introspected(web, token) == {"active": False}


@pytest.mark.parametrize("authorization", ["", "Basic !", "Bearer x", "Basic cmVzb3VyY2Utc2VydmVyOndyb25n"])
def test_introspection_wants_to_know_who_asks(web: httpx2.Client, authorization: str) -> None:
    answer = web.post("/introspect", data={"token": "any"}, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert "active" not in answer.json()


def test_a_sign_in_hides_its_tokens_and_presents_one(idp: IdentityProvider) -> None:
    sign_in = idp.sign_in()
    assert sign_in.access_token not in repr(sign_in)
    assert sign_in.refresh_token not in repr(sign_in)
    assert sign_in.headers == {"Authorization": f"Bearer {sign_in.access_token}"}


async def test_an_async_test_can_use_it_while_its_loop_runs(idp: IdentityProvider) -> None:
    async with httpx2.AsyncClient(base_url=idp.issuer, trust_env=False) as client:
        token = idp.sign_in().access_token
        answer = await client.post("/introspect", data={"token": token}, auth=RESOURCE_SERVER)
    assert answer.json()["active"] is True
