"""PyJWT's algorithms verify the signature, and any error of theirs refuses the token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jwk import SignatureVerifier, allowed_algorithms, build_secret_key
from authguard.credentials.jwk_set import load_jwks
from authguard.credentials.jws import parse_compact
from authguard.credentials.signature import verify_signature
from authguard.testing.keys import SigningKey, compact

from .conftest import UNHURRIED

if TYPE_CHECKING:
    from authguard.testing import Mint

_ALGORITHMS = allowed_algorithms(["ES256", "RS256", "EdDSA"])


def _verify(
    mint: Mint, token: str, alg: str = "ES256", audience: str = "", require: tuple[str, ...] = ()
) -> dict[str, Any] | NotProven:
    found = parse_compact(token.encode())
    keys = load_jwks(mint.jwks("ES256", "RS256", "EdDSA", "Ed25519"), _ALGORITHMS).choose(found.header.key, alg)
    described = Issuer(
        issuer=mint.issuer, audience=(audience or mint.audience,), algorithms=(alg,), require=dict.fromkeys(require, ())
    )
    verified = verify_signature(found, keys, described)
    return verified if isinstance(verified, NotProven) else verified[0]


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "Ed25519"])
def test_a_good_signature_gives_the_claims(authguard_issuer: Mint, alg: Any) -> None:
    assert _verify(authguard_issuer, authguard_issuer.mint(alg=alg), alg)["sub"] == "customer-1"


@pytest.mark.parametrize(("header", "key"), [("Ed25519", "EdDSA"), ("EdDSA", "Ed25519")])
def test_an_ed25519_key_verifies_under_both_names(authguard_issuer: Mint, header: str, key: Any) -> None:
    token = authguard_issuer.mint(alg=key, header={"alg": header})
    assert _verify(authguard_issuer, token, header)["sub"] == "customer-1"


def test_the_wall_clock_has_no_say(authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint(exp=1, iat=99_999_999_999, nbf=99_999_999_999)
    assert _verify(authguard_issuer, token)["exp"] == 1


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "other"}, Reason.AUDIENCE_WRONG),
        ({"aud": ["other", "another"]}, Reason.AUDIENCE_WRONG),
        ({"aud": [1]}, Reason.AUDIENCE_WRONG),
        ({"aud": {"a": 1}}, Reason.AUDIENCE_WRONG),
        ({"aud": "https://agent.test/"}, Reason.AUDIENCE_WRONG),
        ({"aud": "HTTPS://AGENT.TEST"}, Reason.AUDIENCE_WRONG),
        ({"aud": ""}, Reason.CLAIM_MISSING),
        ({"aud": []}, Reason.CLAIM_MISSING),
        ({"aud": None}, Reason.CLAIM_MISSING),
        ({"exp": None}, Reason.CLAIM_MISSING),
        ({"iss": "https://other.test"}, Reason.ISSUER_UNKNOWN),
    ],
)
def test_what_is_wrong_has_its_own_code(authguard_issuer: Mint, claims: dict[str, Any], reason: Reason) -> None:
    assert _verify(authguard_issuer, authguard_issuer.mint(**claims)) == NotProven("rejected", reason)


def test_one_audience_among_several_is_enough(authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint(aud=["other", authguard_issuer.audience])
    assert _verify(authguard_issuer, token)["sub"] == "customer-1"


def test_a_forged_signature_is_said_before_anything_else(authguard_issuer: Mint) -> None:
    token = compact(authguard_issuer.header(), {"exp": 1}, lambda _: b"x" * 64)
    assert _verify(authguard_issuer, token) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_what_the_policy_requires_beside_has_to_be_there(authguard_issuer: Mint) -> None:
    for claims, good in (({}, True), ({"drop": ["jti"]}, False), ({"jti": None}, False)):
        found = _verify(authguard_issuer, authguard_issuer.mint(**claims), require=("client_id", "jti"))
        assert isinstance(found, dict) is good


_WILD: Any = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9), max_size=2)


@UNHURRIED
@given(
    claims=st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "jti"]), _WILD, max_size=3),
    drop=st.sets(st.sampled_from(["iss", "aud", "sub", "exp", "jti"]), max_size=1),
    forged=st.booleans(),
)
def test_nothing_passes_that_pyjwt_itself_would_refuse(
    authguard_issuer: Mint,
    claims: dict[str, Any],
    drop: set[str],
    forged: bool,  # noqa: FBT001 - both kinds
) -> None:
    mint = authguard_issuer
    key = SigningKey.generate(kid=mint.keys["ES256"].kid) if forged else mint.keys["ES256"]
    token = compact(mint.header(), mint.claims(drop=drop, **claims), key.sign)
    found = _verify(mint, token)
    try:
        oracle = jwt.decode(
            token,
            mint.keys["ES256"].private.public_key(),
            algorithms=["ES256"],
            audience=(mint.audience,),
            issuer=mint.issuer,
            options={
                "require": ["iss", "aud", "exp"],
                "verify_sub": False,  # `claims` validates the subject, wherever the issuer states it
                "verify_jti": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError:
        assert isinstance(found, NotProven)
    else:
        assert found == oracle


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
@pytest.mark.parametrize("signature", [b"x", b"\0" * 64, b"\xff" * 64, b"x" * 63, b"x" * 65, b"x" * 4_000])
def test_a_signature_of_any_length_is_only_invalid(authguard_issuer: Mint, alg: Any, signature: bytes) -> None:
    token = compact(authguard_issuer.header(alg), authguard_issuer.claims(), lambda _: signature)
    assert _verify(authguard_issuer, token, alg) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_a_key_that_makes_the_library_stumble_is_a_verdict_too(authguard_issuer: Mint) -> None:
    (key,) = build_secret_key(b"s" * 32, frozenset({"HS256"})).keys
    key = replace(key, verifiers={"HS256": SignatureVerifier(key.verifiers["HS256"].algorithm, object())})
    found = parse_compact(authguard_issuer.mint(alg="HS256").encode())
    described = Issuer(issuer=authguard_issuer.issuer, audience=("a",), algorithms=("HS256",))
    assert verify_signature(found, (key,), described) == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
