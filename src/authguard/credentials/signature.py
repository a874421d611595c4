"""Verification of the signature, issuer and audience of a JWT; `claims` validates the times.

PyJWT's algorithms verify the signature with the selected key and algorithm. `jws` has parsed the token, more strictly
than PyJWT's own parser, so nothing is parsed twice (docs/adr/0005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from authguard.core.claim_source import find, present
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials import claim_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.credentials.jwk import Key
    from authguard.credentials.jws import UnverifiedToken
    from authguard.policy.deployment import Issuer

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_SIGNATURE_INVALID: Final = NotProven("rejected", Reason.SIGNATURE_INVALID)
_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)


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
    """Validate ``iss``, the audience and the required claims (RFC 7519 4.1); a ``null`` claim is missing."""
    for name in ("iss", "exp"):
        if claims.get(name) is None:
            return refuse_missing(name)
    if claims["iss"] != issuer.issuer:
        return _ISSUER_UNKNOWN
    audience = check_audience(claims, issuer)
    if isinstance(audience, NotProven):
        return audience
    required = check_required(claims, issuer)
    return claims if required is None else required


def check_audience(claims: Mapping[str, Any], issuer: Issuer) -> NotProven | Literal[True]:
    """Return true if the token is for this service (RFC 7519 4.1.3), else the refusal with the claim."""
    source = issuer.claims.audience[0]
    found = next(present(claims, issuer.claims.audience), None)
    if found is None or not found[1]:
        return refuse_missing(source)
    named = [found[1]] if isinstance(found[1], str) else found[1]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return NotProven("rejected", Reason.AUDIENCE_WRONG, claim=found[0])
    is_named = any(name in issuer.audience for name in named)
    return True if is_named else NotProven("rejected", Reason.AUDIENCE_WRONG, claim=found[0])


def check_required(claims: Mapping[str, Any], issuer: Issuer) -> NotProven | None:
    """Return the refusal for a required claim that is missing or has another value; ``None`` for none."""
    for name, accepted in issuer.require.items():
        if find(claims, (name,)) is None:
            return refuse_missing(name)
        if not claim_reader.has_value(claims, name, accepted):
            return NotProven("rejected", Reason.CLAIM_REFUSED, claim=name)
    return None


def refuse_missing(claim: str) -> NotProven:
    """Return the refusal for a missing claim."""
    return NotProven("rejected", Reason.CLAIM_MISSING, claim=claim)
