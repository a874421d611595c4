"""Any change to a valid proof makes it invalid: one byte, one claim, or one check at a time."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, NotProven
from authguard.credentials import dpop
from authguard.credentials.dpop import MAX_PROOF_BYTES, VerifiedProof, verify_proof
from authguard.credentials.nonce import NONCE_STEP_S, NonceGenerator
from authguard.formats.urls import normalize
from authguard.testing import DpopClient, FakeClock

from .conftest import UNHURRIED

if TYPE_CHECKING:
    from authguard.credentials.dpop import VerifiedProof as _Shown

URL = "https://agent.test/chat"
TOKEN = "the-token"
CLOCK = FakeClock()
CLIENT = DpopClient.create(CLOCK)
NONCES = NonceGenerator(lambda: b"k" * 32)
ISSUER = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), sender_constraint="dpop")
GOOD = CLIENT.proof("POST", URL, TOKEN, jti="one")


def shown(
    proof: str | bytes, thumbprint: str = CLIENT.thumbprint, issuer: Issuer = ISSUER, **asked: Any
) -> _Shown | NotProven:
    raw = proof.encode("utf-8", "surrogatepass") if isinstance(proof, str) else proof
    evidence = Evidence(proof=raw, **({"method": "POST", "address": normalize(URL)} | asked))
    digest = sha256(TOKEN.encode()).digest()
    return verify_proof(evidence, digest, thumbprint, issuer=issuer, nonces=NONCES, now=CLOCK.now())


def test_a_good_proof_has_a_name_of_its_own_key_and_its_end() -> None:
    found = shown(GOOD)
    assert isinstance(found, VerifiedProof)
    assert len(found.name) == 32
    assert found.until == CLOCK.now() + 61.0
    other = DpopClient.create(CLOCK)
    theirs = shown(other.proof("POST", URL, TOKEN, jti="one"), other.thumbprint)
    assert isinstance(theirs, VerifiedProof)
    assert theirs.name != found.name
    again = shown(CLIENT.proof("POST", URL, TOKEN, jti="one", iat=CLOCK.now() - 5))
    assert isinstance(again, VerifiedProof)
    assert again.name == found.name


@UNHURRIED
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=1))
def test_no_byte_of_a_proof_can_be_changed(place: int, byte: bytes) -> None:
    raw = GOOD.encode()
    changed = raw[:place] + byte + raw[place + 1 :]
    if changed != raw:
        assert shown(changed) == NotProven("rejected", Reason.PROOF_INVALID)


@UNHURRIED
@given(st.integers(0, len(GOOD)), st.binary(min_size=1, max_size=4))
def test_nothing_can_be_put_into_a_proof(place: int, more: bytes) -> None:
    raw = GOOD.encode()
    assert shown(raw[:place] + more + raw[place:]) == NotProven("rejected", Reason.PROOF_INVALID)


@UNHURRIED
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 8))
def test_nothing_can_be_taken_out_of_a_proof(place: int, less: int) -> None:
    assert shown(GOOD[:place] + GOOD[place + less :]) == NotProven("rejected", Reason.PROOF_INVALID)


@UNHURRIED
@given(st.binary(max_size=200))
def test_whatever_is_sent_is_a_bad_proof_and_never_an_error(raw: bytes) -> None:
    assert shown(raw) == NotProven("rejected", Reason.PROOF_INVALID)


@pytest.mark.parametrize("asked", [{"method": "GET"}, {"address": normalize("https://agent.test/x")}, {"address": ""}])
def test_a_proof_is_for_one_request(asked: dict[str, str]) -> None:
    assert shown(GOOD, **asked) == NotProven("rejected", Reason.PROOF_INVALID)


def test_another_key_is_told_apart_from_a_bad_proof() -> None:
    assert shown(GOOD, "A" * 43) == NotProven("rejected", Reason.BOUND_TOKEN)


def test_a_key_that_signs_again_is_built_once() -> None:
    dpop._proof_key.cache_clear()
    for number in range(5):
        assert isinstance(shown(CLIENT.proof("POST", URL, TOKEN, jti=str(number))), VerifiedProof)
    assert dpop._proof_key.cache_info().misses == 1


def test_a_flood_of_other_keys_is_bounded_and_a_bad_key_leaves_nothing() -> None:
    dpop._proof_key.cache_clear()
    assert shown(CLIENT.proof("POST", URL, TOKEN, header={"jwk": {"kty": "oct", "k": "AAAA"}})) == NotProven(
        "rejected", Reason.PROOF_INVALID
    )
    assert dpop._proof_key.cache_info().currsize == 0
    assert dpop._proof_key.cache_info().maxsize == dpop.MAX_PROOF_KEYS


def test_a_proof_at_the_bound_is_read_and_one_beyond_is_not() -> None:
    room = MAX_PROOF_BYTES - len(CLIENT.proof("POST", URL, TOKEN, more=""))
    least = [CLIENT.proof("POST", URL, TOKEN, more="x" * size) for size in range(room * 3 // 4 - 2, room * 3 // 4 + 4)]
    assert {len(proof) > MAX_PROOF_BYTES for proof in least} == {True, False}
    for proof in least:
        assert isinstance(shown(proof), VerifiedProof) is (len(proof) <= MAX_PROOF_BYTES)


@pytest.mark.parametrize("off", [-7_200, -61, 0, 31, 7_200])
def test_a_nonce_of_ours_stands_in_for_a_clock_that_is_off(off: int) -> None:
    now, with_nonce = CLOCK.now(), replace(ISSUER, nonce=True)
    fresh = CLIENT.proof("POST", URL, TOKEN, iat=now + off, nonce=NONCES.current(now))
    found = shown(fresh, issuer=with_nonce)
    assert isinstance(found, VerifiedProof)
    assert found.until > now + NONCE_STEP_S  # it could be replayed for as long as its nonce is accepted
    assert not NONCES.validate(NONCES.current(now), found.until)[0]
    theirs = CLIENT.proof("POST", URL, TOKEN, iat=now + off, nonce=NonceGenerator(lambda: b"j" * 32).current(now))
    wanted = NotProven("rejected", Reason.NONCE_WANTED)
    assert shown(theirs, issuer=with_nonce) == wanted
    assert shown(CLIENT.proof("POST", URL, TOKEN, iat=now + off), issuer=with_nonce) == wanted
    old = CLIENT.proof("POST", URL, TOKEN, iat=now + off, nonce=NONCES.current(now - 2 * NONCE_STEP_S))
    assert shown(old, issuer=with_nonce) == wanted
    assert isinstance(shown(fresh), VerifiedProof) is (off == 0)  # without `nonce: required` its time counts
