"""Verification of DPoP proofs: the checks of RFC 9449 4.3; the replay check of ``jti`` (11.1) is up to the store.

Rules:
- A valid nonce of ours shows when a proof was made, whatever the clock of the client, so it stands in for ``iat`` (RFC
  9449 4.3, 11 and 11.1).
- The key in a proof only shows that its holder signed the proof. Which key is required comes from the token.
- No message contains any part of a proof, and the caller does not learn which check failed.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from authguard.core.outcomes import Reason
from authguard.core.request import PROOF_ALGORITHMS, NotProven
from authguard.credentials.jwk_set import load_jwks
from authguard.formats.strict_json import decode_base64url, parse_object
from authguard.formats.urls import normalize

if TYPE_CHECKING:
    from authguard.core.deployment import Issuer
    from authguard.core.request import Evidence
    from authguard.credentials.jwk import SignatureVerifier
    from authguard.credentials.nonce import NonceGenerator

#: maximum length of a proof: one with a key of 4096 bits has less than two thousand bytes
MAX_PROOF_BYTES: Final = 4_096
#: number of cached keys of recent proofs; one takes about two kilobytes
MAX_PROOF_KEYS: Final = 1_024

INVALID: Final = NotProven("rejected", Reason.PROOF_INVALID)
_WRONG_KEY: Final = NotProven("rejected", Reason.BOUND_TOKEN)

_ALGORITHMS: Final = frozenset(PROOF_ALGORITHMS)
#: members of a thumbprint, in the order of their names (RFC 7638 3.2, RFC 8037 2)
_THUMBPRINT_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PARTS: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class _Claims(msgspec.Struct):
    """The claims of a proof (RFC 9449 4.2)."""

    jti: Annotated[str, Meta(min_length=1, max_length=255)]
    htm: Annotated[str, Meta(max_length=32)]
    htu: str
    iat: Annotated[float, Meta(ge=0, le=1e11)]
    ath: Annotated[str, Meta(max_length=64)]
    nonce: Annotated[str, Meta(max_length=64)] = ""


@dataclass(frozen=True, slots=True)
class _ProofKey:
    """The key in the header of a proof.

    Attributes:
        thumbprint: SHA-256 thumbprint (RFC 7638), base64url.
        verifier: the key with the algorithm of the header.
    """

    thumbprint: str
    verifier: SignatureVerifier = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A valid proof; the caller must still check that it was not used before.

    Attributes:
        name: 32 bytes that identify the proof in the store.
        until: epoch seconds UTC until which the proof could be replayed.
        nonce: the nonce for the next proof; empty if it has not changed.
    """

    name: bytes = field(repr=False)
    until: float
    nonce: str = ""


def verify_proof(  # noqa: PLR0911 - one return for each check
    evidence: Evidence, token_digest: bytes, thumbprint: str, *, issuer: Issuer, nonces: NonceGenerator, now: float
) -> VerifiedProof | NotProven:
    """Verify that the caller holds the key that a token is bound to (RFC 9449 4.3 and 7.1).

    Args:
        evidence: the proof, and the method and address that it must name.
        token_digest: SHA-256 of the access token as sent.
        thumbprint: of the key that the token is bound to.
        issuer: the issuer of the token; its policy sets the proof window, the leeway and whether a nonce is required.
        nonces: the generator of this deployment's nonces.
        now: epoch seconds UTC.
    """
    # check 1: one header field; several are joined by commas, which no part contains. check 2: well-formed
    parts = _PARTS.fullmatch(evidence.proof) if len(evidence.proof) <= MAX_PROOF_BYTES else None
    if parts is None or not evidence.address:
        return INVALID
    try:
        key = _proof_key(parts[1])  # 4 to 7
        claims = msgspec.convert(parse_object(decode_base64url(parts[2])), _Claims)  # 3
        signed = key.verifier.verify(evidence.proof[: parts.end(2)], decode_base64url(parts[3]))
        address = normalize(claims.htu)
    except Exception:  # noqa: BLE001 - if a library raises, the proof is invalid, not the guard
        return INVALID
    if not signed or claims.htm != evidence.method or address != evidence.address:  # 6, 8, 9
        return INVALID
    if not hmac.compare_digest(claims.ath.encode(), urlsafe_b64encode(token_digest).rstrip(b"=")):  # 12
        return INVALID
    if not hmac.compare_digest(key.thumbprint.encode(), thumbprint.encode()):
        return _WRONG_KEY  # a valid proof of another key: the token does not belong to this caller (RFC 9449 7.1)
    is_ours, following = nonces.validate(claims.nonce, now) if issuer.nonce else (True, "")
    if not is_ours:  # 10
        return NotProven("rejected", Reason.NONCE_WANTED, following)
    if not issuer.nonce and not now - issuer.proof_window <= claims.iat <= now + issuer.leeway:  # 11
        return INVALID
    until = nonces.valid_until(now) if issuer.nonce else claims.iat + issuer.proof_window
    name = sha256(key.thumbprint.encode() + b"\n" + claims.jti.encode("utf-8", "surrogatepass")).digest()
    return VerifiedProof(name, until + 1.0, following)


@lru_cache(maxsize=MAX_PROOF_KEYS)  # a client uses the same header for all its proofs
def _proof_key(segment: bytes) -> _ProofKey:
    """Build the key in the header of a proof; raise `ValueError` for a private, symmetric or weak key."""
    header = parse_object(decode_base64url(segment))
    algorithm, member = header.get("alg"), header.get("jwk")
    if header.get("typ") != "dpop+jwt" or algorithm not in _ALGORITHMS or not isinstance(member, dict):
        raise ValueError("not the header of a DPoP proof")
    if "crit" in header or "b64" in header:
        raise ValueError("no extension is supported")
    named: dict[str, Any] = {name: value for name, value in member.items() if name != "kid"}
    found = load_jwks({"keys": [named]}, frozenset({algorithm})).keys
    if len(found) != 1:
        raise ValueError("no strong public key for this algorithm")
    numbers = {name: str(member[name]) for name in _THUMBPRINT_MEMBERS[str(member["kty"])]}
    thumbprint = sha256(msgspec.json.encode(numbers)).digest()
    return _ProofKey(urlsafe_b64encode(thumbprint).rstrip(b"=").decode(), found[0].verifiers[algorithm])
