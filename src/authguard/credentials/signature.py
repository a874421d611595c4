"""Verification of the signature, issuer and audience of a JWT; `claims` validates the times.

PyJWT's algorithms verify the signature with the selected key and algorithm. `jws` has parsed the token, more strictly
than PyJWT's own parser, so nothing is parsed twice (docs/adr/0005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.evaluation.recipients import check_recipients

if TYPE_CHECKING:
    from authguard.core.deployment import Issuer
    from authguard.credentials.jwk import Key
    from authguard.credentials.jws import UnverifiedToken

_MALFORMED: Final = NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
_SIGNATURE_INVALID: Final = NotProven("rejected", Reason.SIGNATURE_INVALID)
_KEY_UNKNOWN: Final = NotProven("rejected", Reason.KEY_UNKNOWN)


def verify_signature(
    unverified: UnverifiedToken, keys: tuple[Key, ...], issuer: Issuer
) -> tuple[dict[str, Any], Key] | NotProven:
    """Verify the signature, ``iss``, ``aud`` and that all required claims are present (RFC 7519 7.2, RFC 9068 4).

    Args:
        unverified: a token that names this issuer, with an algorithm that the policy allows.
        keys: for that algorithm; each is tried if it is a key of this issuer.
        issuer: the issuer of the token.

    Returns:
        The claims, whose times are not validated yet, and the key that signed them.
    """
    algorithm, refusal = unverified.header.algorithm, _KEY_UNKNOWN
    for key in keys:
        if key.issuer and key.issuer != issuer.issuer:
            continue  # tenants may share a set
        try:
            is_signed = key.verifiers[algorithm].verify(unverified.signed, unverified.signature)
        except Exception:  # noqa: BLE001 - if a library raises, the token is malformed, not the guard
            refusal = _MALFORMED
            continue
        if is_signed:
            checked = check_recipients(unverified.claims, issuer)
            return (unverified.claims, key) if checked is True else checked
        refusal = _SIGNATURE_INVALID if refusal is _KEY_UNKNOWN else refusal
    return refusal
