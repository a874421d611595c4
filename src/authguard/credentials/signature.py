"""Verification of the signature, issuer and audience of a JWT; `claims` validates the times.

PyJWT's algorithms verify the signature with the selected key and algorithm. `jws` has parsed the token, more strictly
than PyJWT's own parser, so nothing is parsed twice (docs/adr/0005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven

if TYPE_CHECKING:
    from authguard.credentials.jwk import Key
    from authguard.credentials.jws import UnverifiedToken
    from authguard.policy.deployment import Issuer

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_SIGNATURE_INVALID: Final = NotProven("rejected", Reason.SIGNATURE_INVALID)
_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)
_AUDIENCE_WRONG: Final = NotProven("rejected", Reason.AUDIENCE_WRONG)
_CLAIM_MISSING: Final = NotProven("rejected", Reason.CLAIM_MISSING)
_CLAIM_MALFORMED: Final = NotProven("rejected", Reason.CLAIM_MALFORMED)


def verify_signature(
    unverified: UnverifiedToken, keys: tuple[Key, ...], issuer: Issuer
) -> tuple[dict[str, Any], Key] | NotProven:
    """Verify the signature, ``iss``, ``aud`` and that all required claims are present (RFC 7519 7.2, RFC 9068 4).

    Args:
        unverified: a token that names this issuer, with an algorithm that the policy allows.
        keys: of this issuer, for that algorithm; each is tried.
        issuer: the issuer of the keys.

    Returns:
        The claims, whose times are not validated yet, and the key that signed them.
    """
    signed, algorithm, refusal = unverified.signed, unverified.header.algorithm, _SIGNATURE_INVALID
    for key in keys:
        try:
            is_signed = key.verifiers[algorithm].verify(signed, unverified.signature)
        except Exception:  # noqa: BLE001 - if a library raises, the token is malformed, not the guard
            refusal = _MALFORMED
            continue
        if is_signed:
            claims = _validate_recipients(unverified.claims, issuer)
            return claims if isinstance(claims, NotProven) else (claims, key)
    return refusal


def _validate_recipients(claims: dict[str, Any], issuer: Issuer) -> dict[str, Any] | NotProven:
    """Validate ``iss``, ``aud`` and the presence of required claims (RFC 7519 4.1); a ``null`` claim is missing."""
    for name in ("iss", "exp", "sub", *issuer.require):
        if claims.get(name) is None:
            return _CLAIM_MISSING
    if claims["iss"] != issuer.issuer:
        return _ISSUER_UNKNOWN
    audience = claims.get("aud")
    if not audience:
        return _CLAIM_MISSING
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named) or issuer.audience not in named:
        return _AUDIENCE_WRONG
    if not isinstance(claims["sub"], str) or not isinstance(claims.get("jti", ""), str):
        return _CLAIM_MALFORMED
    return claims
