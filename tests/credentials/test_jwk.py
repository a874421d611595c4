"""A weak key is left out of a set, and a strong one verifies only its algorithms."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authguard.core.outcomes import Reason
from authguard.credentials.jwk import MAX_KEYS, Key, KeySet, allowed_algorithms, build_secret_key, load_jwks
from authguard.testing import SigningKey

EVERYTHING = allowed_algorithms(
    "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 ES256K EdDSA HS256 HS384 HS512".split()  # noqa: SIM905 - reads as a list
)


@cache
def _public(alg: str) -> dict[str, Any]:
    match alg:
        case "ES384":
            key: Any = ec.generate_private_key(ec.SECP384R1()).public_key()
        case "ES512":
            key = ec.generate_private_key(ec.SECP521R1()).public_key()
        case "ES256K":
            key = ec.generate_private_key(ec.SECP256K1()).public_key()
        case _:
            return SigningKey.generate(alg, kid="k").jwk()
    return dict(jwt.get_algorithm_by_name(alg).to_jwk(key, as_dict=True)) | {"kid": "k"}


def _jwk(kind: str, **changes: Any) -> dict[str, Any]:
    whole = _public(kind) | changes
    return {name: value for name, value in whole.items() if value is not ...}


def _sound(*members: object, algorithms: frozenset[str] = EVERYTHING) -> tuple[Key, ...]:
    return load_jwks({"keys": list(members)}, algorithms).keys


@pytest.mark.parametrize(
    ("alg", "fits"),
    [
        ("RS256", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ("ES256", {"ES256"}),
        ("ES384", {"ES384"}),
        ("ES512", {"ES512"}),
        ("ES256K", {"ES256K"}),
        ("EdDSA", {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_without_alg_verifies_what_its_type_and_curve_can(alg: str, fits: set[str]) -> None:
    (key,) = _sound(_jwk(alg, alg=...))
    assert set(key.verifiers) == fits
    assert all(verifier.key is not None for verifier in key.verifiers.values())


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_ed25519_key_goes_by_both_names_whichever_it_has(alg: str) -> None:
    (key,) = _sound(_jwk("EdDSA", alg=alg))
    assert set(key.verifiers) == {"EdDSA", "Ed25519"}


def test_a_key_with_alg_verifies_nothing_else() -> None:
    (key,) = _sound(_jwk("RS256", alg="PS384"))
    assert set(key.verifiers) == {"PS384"}


def test_keys_are_built_only_for_the_algorithms_of_the_policy() -> None:
    (key,) = _sound(_jwk("RS256", alg=...), _jwk("ES256", kid="e"), algorithms=frozenset({"RS256", "ES384"}))
    assert set(key.verifiers) == {"RS256"}


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(_jwk("ES256", alg="RS256"), id="alg of another type"),
        pytest.param(_jwk("ES256", alg="ES384"), id="alg of another curve"),
        pytest.param(_jwk("ES256", alg="none"), id="none"),
        pytest.param(_jwk("ES256", alg="HS256"), id="symmetric alg on an elliptic key"),
        pytest.param(_jwk("ES256", alg=["ES256"]), id="alg is a list"),
        pytest.param(_jwk("ES256", crv="P-384"), id="another curve's name"),
        pytest.param(_jwk("ES256", crv=["P-256"]), id="crv is a list"),
        pytest.param(_jwk("ES256", crv=...), id="no curve"),
        pytest.param(_jwk("ES256", kty="RSA"), id="another type"),
        pytest.param(_jwk("ES256", kty=...), id="no type"),
        pytest.param(_jwk("ES256", kty=["EC"]), id="kty is a list"),
        pytest.param(_jwk("EdDSA", crv="Ed448", x="A" * 76), id="Ed448"),
        pytest.param(_jwk("EdDSA", crv="X25519"), id="for key agreement"),
        pytest.param(_jwk("ES256", use="enc"), id="for encryption"),
        pytest.param(_jwk("ES256", use=["sig"]), id="use is a list"),
        pytest.param(_jwk("ES256", key_ops=["sign"]), id="for signing only"),
        pytest.param(_jwk("ES256", key_ops=[]), id="for nothing"),
        pytest.param(_jwk("ES256", key_ops="verify"), id="key_ops is a text"),
        pytest.param(_jwk("ES256", key_ops=["verify", "verify"]), id="key_ops with a duplicate"),
        pytest.param(_jwk("ES256", key_ops=["verify", "encrypt"]), id="key_ops with something unrelated"),
        pytest.param(_jwk("ES256", key_ops=["verify", 7]), id="key_ops with a number"),
        pytest.param(_jwk("ES256", d="AAAA"), id="private half of an elliptic key"),
        pytest.param(_jwk("RS256", p="AAAA"), id="a prime of an RSA key"),
        pytest.param(_jwk("EdDSA", d="AAAA"), id="private half of an Edwards key"),
        pytest.param(_jwk("ES256", x="AAAA"), id="a coordinate too short"),
        pytest.param(_jwk("ES256", x=["AAAA"]), id="a coordinate is a list"),
        pytest.param(_jwk("ES256", x=7), id="a coordinate is a number"),
        pytest.param(_jwk("ES256", x="A" * 43, y="A" * 43), id="not on the curve"),
        pytest.param(_jwk("RS256", e="AQ"), id="an exponent of one"),
        pytest.param(_jwk("RS256", e="Aw"), id="an exponent of three"),
        pytest.param(_jwk("EdDSA", x="AQ" + "A" * 41), id="a point of small order"),
        pytest.param(_jwk("RS256", e="AQ" * 40), id="an exponent without end"),
        pytest.param(_jwk("RS256", n="AQAB" * 700), id="a modulus beyond 8192 bits"),
        pytest.param(_jwk("ES256", kid=7), id="kid is a number"),
        pytest.param(_jwk("ES256", kid=["k"]), id="kid is a list"),
        pytest.param(_jwk("ES256", kid="k" * 256), id="kid without end"),
        pytest.param({"kty": "oct", "k": "A" * 43, "alg": "HS256", "kid": "k"}, id="symmetric"),
        pytest.param({"kty": "oct", "k": "A" * 43, "kid": "k"}, id="symmetric without alg"),
        pytest.param({"kty": "oct", "alg": "HS256", "kid": "k"}, id="symmetric without its secret"),
        pytest.param("text", id="no object"),
        pytest.param(None, id="null"),
    ],
)
def test_a_key_that_is_not_sound_is_not_there_and_harms_no_other(member: object) -> None:
    good = SigningKey.generate("EdDSA", kid="good").jwk()
    assert [key.name for key in _sound(member, good)] == ["good"]


def test_rsa_below_2048_bits_is_not_there() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the weakness is the test
    member = dict(jwt.get_algorithm_by_name("RS256").to_jwk(short.public_key(), as_dict=True)) | {"kid": "short"}
    assert _sound(member) == ()


def test_all_keys_that_share_a_name_are_gone() -> None:
    good = SigningKey.generate("ES256", kid="good").jwk()
    twins = [_jwk("ES256", kid="twin"), _jwk("EdDSA", kid="twin"), {"kid": "twin", "kty": "oct"}]
    assert [key.name for key in _sound(*twins, good)] == ["good"]
    assert [key.name for key in _sound(good, {"kid": "good", "use": "enc"})] == []


def test_keys_without_a_name_do_not_share_one() -> None:
    assert len(_sound(_jwk("ES256", kid=...), _jwk("EdDSA", kid=...))) == 2


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"keys": [{}] * (MAX_KEYS + 1)}])
def test_what_is_no_set_or_too_large_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="JWK Set"):
        load_jwks(document, EVERYTHING)


def test_an_empty_set_is_a_set() -> None:
    assert load_jwks({"keys": []}, EVERYTHING) == KeySet()


def test_a_token_is_verified_by_the_key_that_it_names_and_by_no_other() -> None:
    found = KeySet(_sound(_jwk("ES256", kid="a"), _jwk("EdDSA", kid="b")))
    assert found.choose("a", "ES256") is found.keys[0]
    assert found.choose("a", "EdDSA") is Reason.ALGORITHM_REFUSED
    assert found.choose("A", "ES256") is Reason.KEY_UNKNOWN
    assert found.choose("", "ES256") is Reason.KEY_UNKNOWN
    assert found.choose("../../dev/null", "ES256") is Reason.KEY_UNKNOWN


def test_a_token_without_kid_takes_the_only_key_that_fits() -> None:
    found = KeySet(_sound(_jwk("ES256", kid="a"), _jwk("EdDSA", kid=...)))
    assert found.choose(None, "ES256") is found.keys[0]
    assert found.choose(None, "Ed25519") is found.keys[1]
    assert found.choose(None, "RS256") is Reason.KEY_UNKNOWN
    two = KeySet((*found.keys, *_sound(SigningKey.generate("ES256").jwk())))
    assert two.choose(None, "ES256") is Reason.KEY_UNKNOWN


def test_a_key_that_is_published_again_goes_on_and_one_that_is_gone_is_retired() -> None:
    stays, goes, comes = (SigningKey.generate(kid=name).jwk() for name in ("stays", "goes", "comes"))
    before = KeySet(_sound(stays, goes))
    after = before.replace_with(KeySet(_sound(comes, stays)))
    assert [key.name for key in after.keys] == ["comes", "stays"]
    assert after.keys[1] is before.keys[0]
    assert [key.retired for key in before.keys] == [False, True]
    assert not after.keys[0].retired


def test_another_key_under_the_old_name_is_another_key() -> None:
    before = KeySet(_sound(SigningKey.generate(kid="k").jwk()))
    after = before.replace_with(KeySet(_sound(SigningKey.generate(kid="k").jwk())))
    assert before.keys[0].retired
    assert not after.keys[0].retired


def test_a_key_that_may_verify_something_else_now_is_another_key() -> None:
    before = KeySet(_sound(_jwk("RS256", alg="RS256")))
    assert before.replace_with(KeySet(_sound(_jwk("RS256", alg="PS256")))).keys[0] is not before.keys[0]
    assert before.keys[0].retired


@pytest.mark.parametrize(("alg", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(alg: str, least: int) -> None:
    (key,) = build_secret_key(b"s" * least, frozenset({alg})).keys
    assert set(key.verifiers) == {alg}
    with pytest.raises(ValueError, match=f"at least {least} bytes"):
        build_secret_key(b"s" * (least - 1), frozenset({"HS256", alg}))


def test_a_secret_is_for_nothing_but_hmac() -> None:
    (key,) = build_secret_key(b"s" * 64, frozenset({"HS256", "ES256"})).keys
    assert set(key.verifiers) == {"HS256"}
    with pytest.raises(ValueError, match="a secret requires HS256"):
        build_secret_key(b"s" * 64, frozenset({"ES256"}))


def test_a_public_key_is_no_secret() -> None:
    for value in (
        SigningKey.generate("RS256").public_pem(),
        b'{"kty":"oct","k":"' + urlsafe_b64encode(b"s" * 64) + b'"}',
    ):
        with pytest.raises(ValueError, match="not a secret") as caught:
            build_secret_key(value if isinstance(value, bytes) else value.encode(), frozenset({"HS256"}))
        assert caught.value.__suppress_context__


def test_none_is_never_allowed_and_ed25519_goes_by_both_names() -> None:
    assert allowed_algorithms(["none", "NONE", "ES256"]) == {"ES256"}
    assert allowed_algorithms(["EdDSA"]) == allowed_algorithms(["Ed25519"]) == {"EdDSA", "Ed25519"}


def test_no_key_is_in_a_repr() -> None:
    assert "s" * 32 not in repr(build_secret_key(b"s" * 32, frozenset({"HS256"})))
    member = _jwk("ES256")
    assert member["x"] not in repr(_sound(member))
