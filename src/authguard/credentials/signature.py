"""Is a token signed by a key, for us, by its issuer? The times are `claims`' to judge.

PyJWT's algorithms verify the signature with the one key and under the one name that were chosen for it. The token was
taken apart by `compact`, which is stricter than PyJWT's own reader, so nothing is read twice (docs/adr/0005).
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


def verify_signature(unverified: UnverifiedToken, key: Key, issuer: Issuer) -> dict[str, Any] | NotProven:
    """Check the signature, ``iss`` and ``aud``, and that what has to be there is (RFC 7519 7.2, RFC 9068 4).

    Args:
        unverified: from this issuer by its own words, with an algorithm that the policy allows.
        key: chosen for that algorithm.
        issuer: whose key it is.

    Returns:
        The claims, in which the times are not judged yet.
    """
    try:
        is_signed = key.verifiers[unverified.header.algorithm].verify(unverified.signed, unverified.signature)
    except Exception:  # noqa: BLE001 - a token that makes a library stumble is a bad token and no fault of the guard
        return _MALFORMED
    if not is_signed:
        return _SIGNATURE_INVALID
    return _for_us(unverified.claims, issuer)


def _for_us(claims: dict[str, Any], issuer: Issuer) -> dict[str, Any] | NotProven:
    """Check who says it, to whom, and that nothing is missing (RFC 7519 4.1); what is ``null`` is missing."""
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
