"""Proofs of possession: the twelve checks of RFC 9449 4.3, but for the one that needs the store (`jti`, 11.1).

Rules: a proof's own key is believed for nothing but that its holder signed this; which key it has to be, the token
says. Nothing of a proof is in a message, and the caller is not told which check failed.
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
from authguard.core.strict_json import decode_base64url, parse_object
from authguard.core.urls import normalize
from authguard.credentials.jwk import load_jwks

if TYPE_CHECKING:
    from authguard.core.request import Evidence
    from authguard.credentials.jwk import SignatureVerifier
    from authguard.credentials.nonce import NonceGenerator
    from authguard.policy.deployment import Issuer

#: bytes of a proof at the most: a key of 4096 bits takes less than two thousand
MAX_PROOF_BYTES: Final = 4_096
#: of the keys that signed lately, how many are remembered; one takes about two kilobytes
MAX_PROOF_KEYS: Final = 1_024

INVALID: Final = NotProven("rejected", Reason.PROOF_INVALID)
_OTHER_KEY: Final = NotProven("rejected", Reason.BOUND_TOKEN)

_ALGORITHMS: Final = frozenset(PROOF_ALGORITHMS)
#: members of a thumbprint, in the order of their names (RFC 7638 3.2, RFC 8037 2)
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PARTS: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class _Claims(msgspec.Struct):
    """What a proof says (RFC 9449 4.2)."""

    jti: Annotated[str, Meta(min_length=1, max_length=255)]
    htm: Annotated[str, Meta(max_length=32)]
    htu: str
    iat: Annotated[float, Meta(ge=0, le=1e11)]
    ath: Annotated[str, Meta(max_length=64)]
    nonce: Annotated[str, Meta(max_length=64)] = ""


@dataclass(frozen=True, slots=True)
class _ProofKey:
    """Who signs proofs with one header.

    Attributes:
        thumbprint: of the key (RFC 7638), base64url.
        verifier: the key under the algorithm that the header names.
    """

    thumbprint: str
    verifier: SignatureVerifier = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A proof that is good, if it was not used before.

    Attributes:
        name: under which its use is remembered, 32 bytes.
        until: epoch seconds UTC to which it could be used again.
        nonce: to use next, where that changed; empty else.
    """

    name: bytes = field(repr=False)
    until: float
    nonce: str = ""


def verify_proof(  # noqa: PLR0911 - as many ways out as there are checks
    evidence: Evidence, token_digest: bytes, thumbprint: str, *, issuer: Issuer, nonces: NonceGenerator, now: float
) -> VerifiedProof | NotProven:
    """Check that the caller holds the key that a token is bound to (RFC 9449 4.3 and 7.1).

    Args:
        evidence: the proof, and what it has to be for.
        token_digest: SHA-256 of the access token as it was sent.
        thumbprint: of the key that the token is bound to.
        issuer: whose policy counts: the window, the leeway, the nonce.
        nonces: ours.
        now: epoch seconds UTC.
    """
    # 1: one field; several are joined by commas, which no part of a proof holds. 2: well-formed
    parts = _PARTS.fullmatch(evidence.proof) if len(evidence.proof) <= MAX_PROOF_BYTES else None
    if parts is None or not evidence.address:
        return INVALID
    try:
        holder = _proof_key(parts[1])  # 4 to 7
        claims = msgspec.convert(parse_object(decode_base64url(parts[2])), _Claims)  # 3
        signed = holder.verifier.verify(evidence.proof[: parts.end(2)], decode_base64url(parts[3]))
        address = normalize(claims.htu)
    except Exception:  # noqa: BLE001 - a proof that makes a library stumble is a bad proof and no fault of the guard
        return INVALID
    if not signed or claims.htm != evidence.method or address != evidence.address:  # 6, 8, 9
        return INVALID
    if not hmac.compare_digest(claims.ath.encode(), urlsafe_b64encode(token_digest).rstrip(b"=")):  # 12
        return INVALID
    if not hmac.compare_digest(holder.thumbprint.encode(), thumbprint.encode()):
        return _OTHER_KEY  # a good proof of another key: the token is not this caller's (RFC 9449 7.1)
    is_ours, following = nonces.validate(claims.nonce, now) if issuer.nonce else (True, "")
    if not is_ours:  # 10
        return NotProven("rejected", Reason.NONCE_WANTED, following)
    if not now - issuer.proof_window <= claims.iat <= now + issuer.leeway:  # 11
        return INVALID
    name = sha256(holder.thumbprint.encode() + b"\n" + claims.jti.encode("utf-8", "surrogatepass")).digest()
    return VerifiedProof(name, claims.iat + issuer.proof_window + 1.0, following)


@lru_cache(maxsize=MAX_PROOF_KEYS)  # one client signs all its proofs under the same header
def _proof_key(segment: bytes) -> _ProofKey:
    """Read a proof's header and build its key.

    Raises:
        ValueError: it is not of a proof, brings a private or symmetric key, or a key that is not sound.
    """
    header = parse_object(decode_base64url(segment))
    algorithm, member = header.get("alg"), header.get("jwk")
    if header.get("typ") != "dpop+jwt" or algorithm not in _ALGORITHMS or not isinstance(member, dict):
        raise ValueError("not the header of a proof")
    if "crit" in header or "b64" in header:
        raise ValueError("an extension, and no extension is understood")
    named: dict[str, Any] = {name: value for name, value in member.items() if name != "kid"}
    found = load_jwks({"keys": [named]}, frozenset({algorithm})).keys
    if len(found) != 1:
        raise ValueError("no sound public key for this algorithm")
    numbers = {name: str(member[name]) for name in _MEMBERS[str(member["kty"])]}
    thumbprint = sha256(msgspec.json.encode(numbers)).digest()
    return _ProofKey(urlsafe_b64encode(thumbprint).rstrip(b"=").decode(), found[0].verifiers[algorithm])
