"""ECDSA signatures are verified as PyJWT verifies them, for every curve and whatever bytes the signature has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from authguard.credentials.ecdsa import EcdsaAlgorithm
from authguard.credentials.jwk import SignatureVerifier

from .conftest import UNHURRIED

if TYPE_CHECKING:
    from collections.abc import Mapping

CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
PRIVATE = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
MESSAGE = b"header.payload"


def jwk(name: str) -> Mapping[str, object]:
    return {**ECAlgorithm.to_jwk(PRIVATE[name].public_key(), as_dict=True), "alg": name}


def sign(name: str, message: bytes = MESSAGE) -> bytes:
    built = PyJWK(dict(jwk(name)), name).Algorithm
    signature: bytes = built.sign(message, PRIVATE[name])
    return signature


def reference(name: str, message: bytes, signature: bytes) -> Any:
    built = PyJWK(dict(jwk(name)), name)
    return built.Algorithm.verify(message, built.key, signature)


@pytest.mark.parametrize("name", CURVES)
def test_a_signature_of_each_curve_is_verified(name: str) -> None:
    verifier = SignatureVerifier.of(jwk(name), name)
    assert isinstance(verifier.algorithm, EcdsaAlgorithm)
    assert verifier.verify(MESSAGE, sign(name))
    assert not verifier.verify(MESSAGE + b"x", sign(name))
    assert not verifier.verify(MESSAGE, sign(name)[:-1])
    assert not verifier.verify(MESSAGE, sign(name) + b"\0")
    assert not verifier.verify(MESSAGE, b"")


@pytest.mark.parametrize("name", CURVES)
def test_a_signature_of_zeros_is_refused(name: str) -> None:
    assert not SignatureVerifier.of(jwk(name), name).verify(MESSAGE, bytes(len(sign(name))))


@UNHURRIED
@given(st.sampled_from(sorted(CURVES)), st.binary(max_size=140), st.integers(0, 1_200), st.booleans())
def test_whatever_is_sent_the_answer_is_that_of_pyjwt(name: str, noise: bytes, bit: int, is_signed: object) -> None:
    signature = bytearray(sign(name) if is_signed else noise)
    if signature and bit < 8 * len(signature):
        signature[bit // 8] ^= 1 << bit % 8
    raw = bytes(signature)
    assert SignatureVerifier.of(jwk(name), name).verify(MESSAGE, raw) is reference(name, MESSAGE, raw)
