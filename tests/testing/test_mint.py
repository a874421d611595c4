"""The in-process issuer signs what PyJWT believes, on the test's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest

from authguard.testing import FakeClock, Mint, SigningKey

if TYPE_CHECKING:
    from jwt.types import Options

    from authguard.testing.keys import Algorithm

PUBLISHED: tuple[Algorithm, ...] = ("ES256", "RS256", "EdDSA")
TIMELESS: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


def believed(mint: Mint, token: str) -> dict[str, Any]:
    """Verify as a resource server does, but for time, which is the fake clock's."""
    key = jwt.PyJWKSet.from_dict(mint.jwks())[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[key.algorithm_name], audience=mint.audience, issuer=mint.issuer, options=TIMELESS
    )
    return claims


@pytest.mark.parametrize("alg", PUBLISHED)
def test_a_token_of_each_published_algorithm_verifies_against_the_jwks(authguard_issuer: Mint, alg: Algorithm) -> None:
    token = authguard_issuer.mint(alg=alg)
    assert jwt.get_unverified_header(token) == {
        "alg": alg,
        "kid": authguard_issuer.keys[alg].kid,
        "typ": "at+jwt",
    }
    assert believed(authguard_issuer, token)["sub"] == "customer-1"


def test_a_shared_secret_verifies_what_it_signed(authguard_issuer: Mint) -> None:
    secret = authguard_issuer.keys["HS256"].private
    assert isinstance(secret, bytes)
    claims = jwt.decode(
        authguard_issuer.mint(alg="HS256"),
        secret,
        algorithms=["HS256"],
        audience=authguard_issuer.audience,
        options=TIMELESS,
    )
    assert claims["iss"] == authguard_issuer.issuer


def test_a_key_named_ed25519_signs_under_the_name_of_rfc_9864(authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint(alg="Ed25519")
    (published,) = authguard_issuer.jwks("Ed25519")["keys"]
    assert jwt.get_unverified_header(token)["alg"] == published["alg"] == "Ed25519"
    signed, _, signature = token.rpartition(".")
    verifier = jwt.get_algorithm_by_name("EdDSA")
    public = verifier.from_jwk(published)
    assert verifier.verify(signed.encode(), public, jwt.utils.base64url_decode(signature))


def test_the_jwks_names_use_and_alg_and_holds_no_secret(authguard_issuer: Mint) -> None:
    keys = authguard_issuer.jwks()["keys"]
    assert [(key["alg"], key["use"]) for key in keys] == [(alg, "sig") for alg in PUBLISHED]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k", "key_ops"} & {member for key in keys for member in key}
    assert authguard_issuer.jwks("HS256") == {"keys": []}


def test_an_rsa_key_has_2048_bits(authguard_issuer: Mint) -> None:
    (key,) = authguard_issuer.jwks("RS256")["keys"]
    assert len(jwt.utils.base64url_decode(key["n"])) * 8 == 2048


def test_time_comes_from_the_clock(authguard_issuer: Mint, authguard_clock: FakeClock) -> None:
    authguard_clock.advance(60.9)
    claims = authguard_issuer.claims(lifetime=120)
    assert (claims["iat"], claims["auth_time"], claims["exp"]) == (1_800_000_060, 1_800_000_060, 1_800_000_180)


def test_claims_can_be_replaced_added_and_dropped(authguard_issuer: Mint) -> None:
    claims = believed(authguard_issuer, authguard_issuer.mint(sub="ann", plan="gold", drop=("sid", "acr")))
    assert (claims["sub"], claims["plan"]) == ("ann", "gold")
    assert not {"sid", "acr"} & claims.keys()


def test_a_header_can_be_replaced_and_typ_left_out(authguard_issuer: Mint) -> None:
    header = jwt.get_unverified_header(authguard_issuer.mint(typ=None, header={"kid": "another"}))
    assert header == {"alg": "ES256", "kid": "another"}


def test_two_tokens_never_share_a_jti(authguard_issuer: Mint) -> None:
    assert len({authguard_issuer.claims()["jti"] for _ in range(100)}) == 100


def test_one_issuer_keeps_its_keys_and_two_never_share_one() -> None:
    clock = FakeClock()
    ours, again, other = (Mint.create(clock, issuer=f"https://{name}.test") for name in ("a", "a", "b"))
    assert ours.jwks() == again.jwks()
    kids = [{key["kid"] for key in mint.jwks()["keys"]} for mint in (ours, other)]
    assert not kids[0] & kids[1]


def test_rotation_replaces_the_named_keys_and_leaves_the_first_mint_alone(authguard_issuer: Mint) -> None:
    before = authguard_issuer.jwks()
    rotated = authguard_issuer.rotated("ES256")
    assert rotated.keys["ES256"].kid != authguard_issuer.keys["ES256"].kid
    assert rotated.keys["RS256"] is authguard_issuer.keys["RS256"]
    assert authguard_issuer.jwks() == before
    with pytest.raises(KeyError):
        believed(authguard_issuer, rotated.mint())


def test_a_security_event_token_says_whom_and_what(authguard_issuer: Mint) -> None:
    uri = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
    subject = {"format": "iss_sub", "iss": authguard_issuer.issuer, "sub": "customer-1"}
    token = authguard_issuer.mint_event(uri, subject, event_timestamp=1_800_000_000)
    claims = believed(authguard_issuer, token)
    assert jwt.get_unverified_header(token)["typ"] == "secevent+jwt"
    assert claims["events"] == {uri: {"event_timestamp": 1_800_000_000}}
    assert claims["sub_id"] == subject
    assert not {"sub", "exp"} & claims.keys()


def test_neither_a_key_nor_a_mint_shows_its_secret(authguard_issuer: Mint) -> None:
    key = SigningKey.generate("HS256", kid="shared")
    assert repr(key) == "SigningKey(kid='shared', alg='HS256')"
    assert "private" not in repr(authguard_issuer)


def test_a_shared_secret_has_no_public_half() -> None:
    key = SigningKey.generate("HS256")
    with pytest.raises(ValueError, match="no public half"):
        key.jwk()
    with pytest.raises(ValueError, match="no public half"):
        key.public_pem()
