"""Each forgery attacks in the one way that its name says, and is honest otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from authguard.testing import Forgery, forge

if TYPE_CHECKING:
    from authguard.testing import Mint

BELIEVED_BY_PYJWT = {
    # PyJWT looks neither at `typ` nor for repeated names, and forgives padding: a guard must catch these itself.
    Forgery.WRONG_TYPE,
    Forgery.REPEATED_CLAIM,
    Forgery.PADDED,
}
BELIEVED_BY_SOME_PYJWT = {Forgery.LOOSE_BITS}  # 2.15 refuses it, earlier ones did not


def checked(mint: Mint, token: str) -> dict[str, Any]:
    """Verify with what PyJWT offers, at its strictest but for the wall clock."""
    key = jwt.PyJWKSet.from_dict(mint.jwks())[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=["ES256", "RS256", "EdDSA"],
        audience=mint.audience,
        issuer=mint.issuer,
        leeway=10**9,  # the fake clock and the wall may lie years apart, though not as far as `true` lies from both
        options={"require": ["iss", "sub", "aud", "exp"]},
    )
    return claims


def header(token: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(jwt.utils.base64url_decode(token.partition(".")[0]))
    return parsed


def payload(token: str) -> str:
    return jwt.utils.base64url_decode(token.split(".")[1]).decode()


@pytest.mark.parametrize("forgery", sorted(set(Forgery) - BELIEVED_BY_PYJWT - BELIEVED_BY_SOME_PYJWT))
def test_a_strict_use_of_pyjwt_refuses_it(authguard_issuer: Mint, forgery: Forgery) -> None:
    with pytest.raises((jwt.PyJWTError, KeyError, OverflowError)):
        checked(authguard_issuer, forge(authguard_issuer, forgery))


@pytest.mark.parametrize("forgery", sorted(BELIEVED_BY_PYJWT))
def test_what_pyjwt_believes_is_truly_signed_and_so_the_guards_to_refuse(
    authguard_issuer: Mint, forgery: Forgery
) -> None:
    assert checked(authguard_issuer, forge(authguard_issuer, forgery))["sub"] == "customer-1"


def test_an_honest_token_passes_the_same_check(authguard_issuer: Mint) -> None:
    assert checked(authguard_issuer, authguard_issuer.mint())["sub"] == "customer-1"


def test_claims_of_the_caller_reach_every_forgery_that_does_not_attack_them(authguard_issuer: Mint) -> None:
    for forgery in Forgery:
        assert json.loads(payload(forge(authguard_issuer, forgery, plan="gold")))["plan"] == "gold", forgery


def test_another_key_hides_under_the_published_kid(authguard_issuer: Mint) -> None:
    token = forge(authguard_issuer, Forgery.OTHER_KEY)
    assert header(token) == authguard_issuer.header()


def test_confusion_signs_with_the_published_rsa_key_as_the_secret(authguard_issuer: Mint) -> None:
    token = forge(authguard_issuer, Forgery.CONFUSED)
    signed, _, signature = token.rpartition(".")
    hmac = jwt.get_algorithm_by_name("HS256")
    pem = authguard_issuer.keys["RS256"].public_pem()
    assert header(token)["alg"] == "HS256"
    assert hmac.verify(signed.encode(), pem, jwt.utils.base64url_decode(signature))


@pytest.mark.parametrize(
    ("forgery", "alg"), [(Forgery.UNSIGNED, "none"), (Forgery.UNSIGNED_ODD_CASE, "nOnE"), (Forgery.STRIPPED, "ES256")]
)
def test_an_unsigned_token_ends_in_its_last_dot(authguard_issuer: Mint, forgery: Forgery, alg: str) -> None:
    token = forge(authguard_issuer, forgery)
    assert token.endswith(".")
    assert header(token)["alg"] == alg


def test_loose_bits_are_a_second_spelling_of_the_same_signature(authguard_issuer: Mint) -> None:
    for _ in range(20):
        token = forge(authguard_issuer, Forgery.LOOSE_BITS)
        signature = token.rpartition(".")[2]
        raw = jwt.utils.base64url_decode(signature)
        assert len(raw) == 64
        assert jwt.utils.base64url_encode(raw).decode() != signature


def test_a_repeated_claim_is_read_differently_by_the_first_and_by_the_last(authguard_issuer: Mint) -> None:
    text = payload(forge(authguard_issuer, Forgery.REPEATED_CLAIM))
    pairs = json.loads(text, object_pairs_hook=list)
    assert [value for name, value in pairs if name == "sub"] == ["another-subject", "customer-1"]


def test_an_endless_token_spells_infinity_in_valid_json(authguard_issuer: Mint) -> None:
    text = payload(forge(authguard_issuer, Forgery.ENDLESS, exp=5))
    assert '"exp":1e400' in text
    assert json.loads(text)["exp"] == float("inf")


def test_a_key_in_the_header_is_the_one_that_signed(authguard_issuer: Mint) -> None:
    token = forge(authguard_issuer, Forgery.EMBEDDED_KEY)
    embedded = jwt.PyJWK(header(token)["jwk"])
    assert jwt.decode(token, embedded, algorithms=["ES256"], options={"verify_aud": False, "verify_iat": False})
    assert header(token)["kid"] == authguard_issuer.keys["ES256"].kid


def test_an_attack_can_be_named_by_its_string_and_an_unknown_one_is_an_error(authguard_issuer: Mint) -> None:
    assert forge(authguard_issuer, "unsigned").endswith(".")
    with pytest.raises(ValueError, match="astonish"):
        forge(authguard_issuer, "astonish")
