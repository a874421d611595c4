"""A weak key is left out of a set, and a strong one verifies only its algorithms."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authguard.core.outcomes import Reason
from authguard.credentials.jwk import Key, KeySet, allowed_algorithms, build_secret_key
from authguard.credentials.jwk_set import MAX_KEYS, MAX_SAME_NAME, load_jwks
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


def test_one_key_under_one_name_for_several_algorithms_is_one_key() -> None:
    member = _jwk("RS256", alg="RS256")
    (key,) = _sound(member, member | {"alg": "PS256"}, member)
    assert set(key.verifiers) == {"RS256", "PS256"}


def test_keys_of_one_name_for_several_algorithms_are_told_apart_by_the_algorithm() -> None:
    found = KeySet(_sound(_jwk("ES256"), _jwk("EdDSA"), {"kid": "k", "kty": "oct"}, _jwk("RS256", use="enc")))
    assert found.choose("k", "ES256") == (found.keys[0],)
    assert found.choose("k", "EdDSA") == (found.keys[1],)
    assert found.choose("k", "RS256") is Reason.ALGORITHM_REFUSED


def test_different_keys_of_one_name_and_algorithm_are_alternatives_up_to_a_bound() -> None:
    members = [SigningKey.generate("ES256", kid="k").jwk() for _ in range(MAX_SAME_NAME + 2)]
    found = load_jwks({"keys": members}, EVERYTHING)
    assert found.choose("k", "ES256") == found.keys
    assert len(found.keys) == MAX_SAME_NAME
    assert [(one.position, one.problem.code) for one in found.ignored] == [(5, "crowded"), (6, "crowded")]


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
    assert found.choose("a", "ES256") == (found.keys[0],)
    assert found.choose("a", "EdDSA") is Reason.ALGORITHM_REFUSED
    assert found.choose("A", "ES256") is Reason.KEY_UNKNOWN
    assert found.choose("", "ES256") is Reason.KEY_UNKNOWN
    assert found.choose("../../dev/null", "ES256") is Reason.KEY_UNKNOWN


def test_a_token_without_kid_takes_the_only_key_that_fits() -> None:
    found = KeySet(_sound(_jwk("ES256", kid="a"), _jwk("EdDSA", kid=...)))
    assert found.choose(None, "ES256") == (found.keys[0],)
    assert found.choose(None, "Ed25519") == (found.keys[1],)
    assert found.choose(None, "RS256") is Reason.KEY_UNKNOWN
    two = KeySet((*found.keys, *_sound(SigningKey.generate("ES256").jwk())))
    assert two.choose(None, "ES256") is Reason.KEY_UNKNOWN


def test_a_token_with_kid_takes_the_only_key_that_fits_if_the_set_gives_that_no_name() -> None:
    found = KeySet(_sound(_jwk("ES256", kid="a"), _jwk("EdDSA", kid=...)))
    assert found.choose("b", "EdDSA") == (found.keys[1],)
    assert found.choose("b", "ES256") is Reason.KEY_UNKNOWN  # the set names that key, and the token another
    two = KeySet((*found.keys, *_sound(SigningKey.generate("EdDSA", kid="c").jwk())))
    assert two.choose("b", "EdDSA") is Reason.KEY_UNKNOWN
    assert two.choose("c", "EdDSA") == (two.keys[2],)


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


def _certified(kid: str, **more: Any) -> dict[str, Any]:
    """Build an RSA key as most providers publish it, with a certificate of which nothing is read."""
    return SigningKey.generate("RS256", kid=kid).jwk() | {"x5c": ["MIICmzCCAYMCBgGX"], "x5t": "thumb"} | more


def _bare(kid: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in _certified(kid, **more).items() if name != "alg"}


#: key sets in the shapes that providers document: provider -> (members, usable names, causes of the others)
_PROVIDERS: dict[str, tuple[list[Any], list[str], list[str]]] = {
    "keycloak": (
        [_certified("enc", alg="RSA-OAEP", use="enc"), _certified("sig", use="sig"), _jwk("ES256", kid="ec")],
        ["sig", "ec"],
        ["encryption"],
    ),
    "entra": (
        [
            _bare("a", use="sig", issuer="https://login.test/{tenantid}/v2.0"),
            _bare("b", use="sig", issuer="https://login.test/t-1/v2.0"),
            _bare("c", use="sig", issuer="https://login.test/9188040d/v2.0"),
        ],
        ["a", "b"],
        ["other-issuer"],
    ),
    "google": ([_jwk("RS256", kid="g1", use="sig"), _jwk("RS256", kid="g2", use="sig")], ["g1", "g2"], []),
    "okta": ([_jwk("RS256", kid="o", use="sig", x5c=[], x5t=None, key_ops=None, crv=None)], ["o"], []),
    "cognito": ([_jwk("RS256", kid="id", use="sig"), _jwk("RS256", kid="access", use="sig")], ["id", "access"], []),
    "spiffe": (
        [
            _jwk("ES256", kid=..., alg=..., use="x509-svid", x5c=["MIIC"]),
            _jwk("ES256", kid="svid", alg=..., use="jwt-svid"),
        ],
        ["svid"],
        ["other-use"],
    ),
    "empty members": (
        [_jwk("RS256", oth=[], x5c=[], key_ops=[], use="", d=None, alg="")],
        ["k"],
        [],
    ),
    "one kid for signing and encryption": (
        [_jwk("RS256", kid="x", use="enc", alg="RSA-OAEP-256"), _jwk("RS256", kid="x", use="sig")],
        ["x"],
        ["encryption"],
    ),
    "for wrapping": (
        [_jwk("RS256", alg=..., key_ops=["wrapKey"]), _jwk("ES256", kid="good")],
        ["good"],
        ["encryption"],
    ),
    "secrets among keys": (
        [{"kty": "oct", "k": "A" * 43, "kid": "s"}, _jwk("ES256", d="AAAA"), _jwk("ES256", kid="good"), 7],
        ["good"],
        ["symmetric", "private", "malformed"],
    ),
}


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_a_key_set_in_the_shape_of_a_provider_is_used_and_what_is_ignored_is_told(provider: str) -> None:
    members, names, causes = _PROVIDERS[provider]
    found = load_jwks({"keys": members}, EVERYTHING, {"https://login.test/t-1/v2.0"})
    assert [key.name for key in found.keys] == names
    assert [one.problem.code for one in found.ignored] == causes


def test_a_key_of_one_of_several_issuers_is_for_that_one() -> None:
    issuers = {"https://login.test/1", "https://login.test/2"}
    members = [_bare("a", issuer="https://login.test/1"), _bare("b"), _bare("c", issuer="CN=a certificate authority")]
    found = load_jwks({"keys": members}, EVERYTHING, issuers)
    assert [key.issuer for key in found.keys] == ["https://login.test/1", "", ""]


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("text", "key 1 of the set (without `kid`) is malformed"),
        (_jwk("ES256", alg=["ES256"]), "key `k` is malformed"),
        (_jwk("ES256", kid=7), "key 1 of the set (without `kid`) is malformed: `kid`"),
        (_jwk("ES256", kid="a\x1b[2J", use="enc"), "key 1 of the set (without `kid`) is for encryption: enc"),
        (_jwk("ES256", use="<script>"), "key `k` is for another use than signatures"),
        (_jwk("RS256", alg="RSA-OAEP"), "key `k` is for encryption: RSA-OAEP"),
        (_jwk("EdDSA", crv="Ed448", alg=...), "key `k` is for an algorithm that is not supported: Ed448"),
        (_jwk("RS256", e="Aw"), "key `k` is weak, so others may be able to sign with it: RSA exponent"),
        (_jwk("ES256", d="AAAA"), "key `k` contains its private part, so anyone can sign with it"),
        (_jwk("ES256", kty="oct"), "key `k` is a published secret, so anyone can sign with it"),
    ],
)
def test_what_is_ignored_is_told_in_words_without_key_material(member: Any, told: str) -> None:
    (ignored,) = load_jwks({"keys": [member]}, EVERYTHING).ignored
    assert str(ignored) == told


def test_a_key_for_algorithms_that_the_policy_does_not_list_is_told_with_those() -> None:
    (ignored,) = load_jwks({"keys": [_jwk("RS256", alg="RS512")]}, frozenset({"ES256"})).ignored
    assert str(ignored) == "key `k` is for algorithms that the policy does not list: RS512"
