"""Asks PyJWT whether a token is signed by a key, for us, by its issuer; the times are `claims`' to judge.

PyJWT is told everything and left no default: one algorithm, the audience, the issuer, what is required, and that short
keys are errors. Only its own reading of the wall clock is off, because the clock is a port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt
from jwt.exceptions import InvalidJTIError, InvalidSubjectError

from authguard.core.facts import NotProven
from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    from jwt.types import Options

    from authguard.credentials.compact import Unverified
    from authguard.credentials.keys import Key
    from authguard.policy.compiled import Issuer

_OPTIONS: Final[Options] = {
    "verify_signature": True,
    "verify_aud": True,
    "verify_iss": True,
    "verify_sub": True,
    "verify_jti": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "strict_aud": False,
    "require": ["iss", "aud", "exp", "sub"],
    "enforce_minimum_key_length": True,
}
_JWT: Final = jwt.PyJWT(_OPTIONS)
#: the first that an error is an instance of says why
_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], Reason], ...]] = (
    (jwt.InvalidSignatureError, Reason.SIGNATURE_INVALID),
    (jwt.InvalidAlgorithmError, Reason.ALGORITHM_REFUSED),
    (jwt.InvalidAudienceError, Reason.AUDIENCE_WRONG),
    (jwt.InvalidIssuerError, Reason.ISSUER_UNKNOWN),
    (jwt.MissingRequiredClaimError, Reason.CLAIM_MISSING),
    (InvalidSubjectError, Reason.CLAIM_MALFORMED),
    (InvalidJTIError, Reason.CLAIM_MALFORMED),
)


def verify(unverified: Unverified, key: Key, issuer: Issuer) -> dict[str, Any] | NotProven:
    """Check the signature, ``iss`` and ``aud``, and that ``exp`` and ``sub`` are there (RFC 7519 7.2, RFC 9068 4).

    Args:
        unverified: from this issuer by its own words, with an algorithm that the policy allows.
        key: chosen for that algorithm.
        issuer: whose key it is.

    Returns:
        The claims, in which the times are not judged yet.
    """
    algorithm = unverified.header.algorithm
    try:
        return _JWT.decode(
            unverified.token,
            key.verifiers[algorithm],
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
        )
    except jwt.PyJWTError as error:
        reason = next((why for kind, why in _REASONS if isinstance(error, kind)), Reason.CREDENTIAL_MALFORMED)
        return NotProven("rejected", reason)
    except Exception:  # noqa: BLE001 - a token that makes a library stumble is a bad token and no fault of the guard
        return NotProven("rejected", Reason.CREDENTIAL_MALFORMED)
