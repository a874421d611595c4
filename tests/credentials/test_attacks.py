"""Every known attack on a bearer token is refused, and no mutation of a valid one passes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Proven
from authguard.testing import FakeClock, Forgery, Mint, forge
from authguard.testing.keys import compact

from .conftest import UNHURRIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import ValidatorHarness

_REASONS = {
    Forgery.OTHER_KEY: Reason.SIGNATURE_INVALID,
    Forgery.UNKNOWN_KID: Reason.KEY_UNKNOWN,
    Forgery.UNSIGNED: Reason.CREDENTIAL_MALFORMED,
    Forgery.UNSIGNED_ODD_CASE: Reason.CREDENTIAL_MALFORMED,
    Forgery.STRIPPED: Reason.CREDENTIAL_MALFORMED,
    Forgery.CONFUSED: Reason.ALGORITHM_REFUSED,
    Forgery.TAMPERED: Reason.SIGNATURE_INVALID,
    Forgery.EMBEDDED_KEY: Reason.SIGNATURE_INVALID,
    Forgery.REMOTE_KEY: Reason.KEY_UNKNOWN,
    Forgery.CRITICAL: Reason.CREDENTIAL_MALFORMED,
    Forgery.NO_ISSUER: Reason.ISSUER_UNKNOWN,
    Forgery.NO_SUBJECT: Reason.CLAIM_MISSING,
    Forgery.NO_AUDIENCE: Reason.CLAIM_MISSING,
    Forgery.NO_EXPIRY: Reason.CLAIM_MISSING,
    Forgery.OTHER_ISSUER: Reason.ISSUER_UNKNOWN,
    Forgery.OTHER_AUDIENCE: Reason.AUDIENCE_WRONG,
    Forgery.WRONG_TYPE: Reason.TYPE_REFUSED,
    Forgery.ENDLESS: Reason.CREDENTIAL_MALFORMED,
    Forgery.BOOLEAN_EXPIRY: Reason.CLAIM_MALFORMED,
    Forgery.REPEATED_CLAIM: Reason.CREDENTIAL_MALFORMED,
    Forgery.PADDED: Reason.CREDENTIAL_MALFORMED,
    Forgery.LOOSE_BITS: Reason.CREDENTIAL_MALFORMED,
}


@pytest.mark.parametrize("forgery", Forgery)
def test_every_forgery_is_refused_for_its_own_reason(
    harness: ValidatorHarness, authguard_issuer: Mint, forgery: Forgery
) -> None:
    assert harness.ask(forge(authguard_issuer, forgery)) == NotProven("rejected", _REASONS[forgery])


@pytest.mark.parametrize("forgery", Forgery)
def test_no_forgery_passes_after_the_honest_token_was_remembered(
    harness: ValidatorHarness, authguard_issuer: Mint, forgery: Forgery
) -> None:
    assert isinstance(harness.ask(authguard_issuer.mint()), Proven)
    assert isinstance(harness.ask(forge(authguard_issuer, forgery)), NotProven)


def test_all_refusals_look_alike_to_the_caller() -> None:
    assert {reason.public for reason in _REASONS.values()} == {"the access token is not valid"}


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_unsigned_is_refused_also_with_a_signature(harness: ValidatorHarness, authguard_issuer: Mint, alg: str) -> None:
    token = compact(authguard_issuer.header() | {"alg": alg}, authguard_issuer.claims(), lambda _: b"x" * 64)
    assert harness.ask(token) == NotProven("rejected", Reason.ALGORITHM_REFUSED)


def test_unsigned_is_refused_even_where_a_policy_names_it(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint
) -> None:
    harness = build_harness(algorithms=("none", "ES256"))
    token = compact(authguard_issuer.header() | {"alg": "none"}, authguard_issuer.claims(), lambda _: b"x")
    assert harness.ask(token) == NotProven("rejected", Reason.ALGORITHM_REFUSED)


def test_a_public_key_is_never_a_secret_even_where_a_policy_mixes_both(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint
) -> None:
    harness = build_harness(algorithms=("RS256", "HS256"))
    assert harness.ask(forge(authguard_issuer, Forgery.CONFUSED)) == NotProven("rejected", Reason.ALGORITHM_REFUSED)


@pytest.mark.parametrize("alg", ["RS256", "EdDSA", "Ed25519", "ES384", "PS256"])
def test_a_key_verifies_nothing_but_its_own_algorithm(
    build_harness: Callable[..., ValidatorHarness], authguard_issuer: Mint, alg: str
) -> None:
    harness = build_harness(algorithms=("ES256", "RS256", "EdDSA", "ES384", "PS256"))
    token = authguard_issuer.mint(header={"alg": alg})
    assert harness.ask(token) == NotProven("rejected", Reason.ALGORITHM_REFUSED)


@pytest.mark.parametrize("kid", ["../../../dev/null", "' OR 1=1 --", "file:///dev/null", "", "\x00", "*", "\u212a"])
def test_a_key_name_is_only_ever_compared(harness: ValidatorHarness, authguard_issuer: Mint, kid: str) -> None:
    assert harness.ask(authguard_issuer.mint(header={"kid": kid})) == NotProven("rejected", Reason.KEY_UNKNOWN)


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("groups", [[[1]] * 600, _nested(20)], ids=["many", "deep"])
def test_a_token_beyond_a_bound_is_refused_by_the_name_of_the_bound(
    harness: ValidatorHarness, authguard_issuer: Mint, groups: object
) -> None:
    assert harness.ask(authguard_issuer.mint(groups=groups)) == NotProven("rejected", Reason.TOKEN_TOO_COMPLEX)


def test_a_token_with_many_brackets_in_texts_is_accepted(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    roles = [f"{{[shop {number}]}}" for number in range(256)]
    assert isinstance(harness.ask(authguard_issuer.mint(roles=roles)), Proven)


def test_an_encrypted_token_is_refused(harness: ValidatorHarness) -> None:
    part = urlsafe_b64encode(json.dumps({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}).encode()).rstrip(b"=").decode()
    assert harness.ask(f"{part}..AAAA.AAAA.AAAA") == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)


def test_a_json_serialisation_is_refused(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    head, payload, signature = authguard_issuer.mint().split(".")
    flat = json.dumps({"protected": head, "payload": payload, "signature": signature})
    assert harness.ask(flat) == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)


@pytest.mark.parametrize("cnf", [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "x"}])
def test_a_bound_token_without_its_proof_is_refused(
    harness: ValidatorHarness, authguard_issuer: Mint, cnf: dict[str, str]
) -> None:
    assert harness.ask(authguard_issuer.mint(cnf=cnf)) == NotProven("rejected", Reason.BOUND_TOKEN)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "9" * 5_000, "1" + "0" * 400, "1e300"])
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
def test_huge_and_impossible_numbers_are_refused(
    harness: ValidatorHarness, authguard_issuer: Mint, number: str, claim: str
) -> None:
    claims = json.dumps(authguard_issuer.claims(**{claim: "@"})).replace('"@"', number).encode()
    found = harness.ask(compact(authguard_issuer.header(), claims, authguard_issuer.keys["ES256"].sign))
    if isinstance(found, Proven):  # an unusable sign-in time proves no sign-in
        assert (claim, found.principal.auth_time) == ("auth_time", 0)
    else:
        assert found.reason in (Reason.CREDENTIAL_MALFORMED, Reason.CLAIM_MALFORMED)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[" * 9_000, Reason.TOKEN_TOO_COMPLEX),
        (b'{"iss":' * 1_000, Reason.TOKEN_TOO_COMPLEX),
        (b"{" * 500 + b"}" * 500, Reason.CREDENTIAL_MALFORMED),
        (b'{"iss":"\\ud800"}', Reason.CREDENTIAL_MALFORMED),
    ],
)
def test_deep_and_broken_payloads_are_refused(
    harness: ValidatorHarness, authguard_issuer: Mint, payload: bytes, reason: Reason
) -> None:
    token = compact(authguard_issuer.header(), payload, authguard_issuer.keys["ES256"].sign)
    assert harness.ask(token) == NotProven("rejected", reason)


def test_no_text_of_a_token_is_one_that_no_log_could_hold(harness: ValidatorHarness, authguard_issuer: Mint) -> None:
    claims = json.dumps(authguard_issuer.claims(sub="\ud800")).encode()
    token = compact(authguard_issuer.header(), claims, authguard_issuer.keys["ES256"].sign)
    assert harness.ask(token) == NotProven("rejected", Reason.CREDENTIAL_MALFORMED)


_MINT = Mint.create(FakeClock())
_TOKENS = {alg: _MINT.mint(alg=alg, jti="fixed").encode() for alg in ("ES256", "EdDSA", "RS256")}


@UNHURRIED
@given(
    alg=st.sampled_from(sorted(_TOKENS)),
    place=st.integers(0, 10_000),
    byte=st.integers(0, 255),
    how=st.sampled_from(["replace", "insert", "delete", "cut", "swap"]),
)
@example(alg="ES256", place=0, byte=ord("e"), how="replace")
def test_no_mutation_of_a_good_token_is_ever_proven(
    harness: ValidatorHarness, alg: str, place: int, byte: int, how: str
) -> None:
    good = _TOKENS[alg]
    place %= len(good)
    match how:
        case "replace":
            mutant = good[:place] + bytes([byte]) + good[place + 1 :]
        case "insert":
            mutant = good[:place] + bytes([byte]) + good[place:]
        case "delete":
            mutant = good[:place] + good[place + 1 :]
        case "cut":
            mutant = good[:place]
        case _:
            mutant = good[:place] + good[place : place + 2][::-1] + good[place + 2 :]
    found = harness.ask(mutant)
    # blanks around a token are part of the header, not of the token
    if mutant.strip(b" \t") == good:
        assert isinstance(found, Proven)
    else:
        assert isinstance(found, NotProven)


@pytest.mark.parametrize("alg", sorted(_TOKENS))
def test_no_single_flipped_bit_passes(harness: ValidatorHarness, alg: str) -> None:
    good = _TOKENS[alg]
    for place in range(len(good)):
        mutant = bytearray(good)
        mutant[place] ^= 1 << place % 7
        assert isinstance(harness.ask(bytes(mutant)), NotProven)


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "zip", "enc"]), _JSON))
def test_any_header_gives_a_verdict(harness: ValidatorHarness, header: dict[str, Any]) -> None:
    token = compact(_MINT.header() | header, _MINT.claims(), _MINT.keys["ES256"].sign)
    assert isinstance(harness.ask(token), Proven | NotProven)


@UNHURRIED
@given(st.dictionaries(st.sampled_from("iss sub aud exp iat nbf sid act scope amr acr jti cnf x".split()), _JSON))  # noqa: SIM905 - reads as a list
def test_any_signed_claims_give_a_verdict(harness: ValidatorHarness, claims: dict[str, Any]) -> None:
    token = compact(_MINT.header(), _MINT.claims() | claims, _MINT.keys["ES256"].sign)
    assert isinstance(harness.ask(token), Proven | NotProven)


@UNHURRIED
@given(st.binary(max_size=300))
def test_any_bytes_give_a_verdict(harness: ValidatorHarness, token: bytes) -> None:
    assert isinstance(harness.ask(token), NotProven)
