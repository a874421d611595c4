"""Validation of introspection responses: for an opaque token its only claims, for a JWT a second check (RFC 7662 2.2).

Rule: a response must be complete, apart from the claims that the policy declares as optional. If it lacks a claim, or
is about another token, another audience or a time in the past, the token is neither refused nor accepted: it is
``unproven`` (WIRE 1). A missing claim is a misconfiguration, and is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.introspection_client import UNCLEAR
from authguard.credentials.token_kind import has_claims
from authguard.evaluation.claims import BOUND_TOKEN, validate_claims
from authguard.evaluation.recipients import check_audience, check_required

if TYPE_CHECKING:
    from authguard.core.deployment import Issuer
    from authguard.evaluation.claims import LogNames, ValidatedToken

TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)
#: findings that contradict ``active: true``; such a response is unclear
_CONTRADICTIONS: Final = frozenset(
    {Reason.TOKEN_EXPIRED, Reason.TOKEN_NOT_YET_VALID, Reason.CLAIM_MISSING, Reason.CLAIM_MALFORMED}
)
_TOKEN_TYPES: Final = frozenset({"bearer", "dpop", "access_token"})
#: claims that must be equal in a JWT and its introspection response, if the response has them
_EQUAL_CLAIMS: Final = ("iss", "client_id", "cnf", "jti")


def validate_response(
    response: dict[str, Any], issuer: Issuer, names: LogNames, token: bytes, now: float
) -> ValidatedToken | NotProven:
    """Build the principal of an opaque token from its introspection response (RFC 7662 2.2).

    Args:
        response: the parsed response without ``active``, which was true.
        issuer: the issuer that sent the response.
        names: functions for the names in the log.
        token: the credential, for its fingerprint.
        now: epoch seconds UTC.
    """
    kind = response.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _TOKEN_TYPES:
        return UNCLEAR
    mismatch = _check_recipients(response, issuer) or check_required(response, issuer)
    if mismatch is not None:
        return _incomplete(mismatch.claim) if mismatch.reason is Reason.CLAIM_MISSING else mismatch
    if not has_claims(issuer.token, "", response):
        return TYPE_REFUSED  # a refresh token is active too, but no access token (RFC 7662 4)
    if kind.lower() == "dpop" and issuer.sender_constraint == "none":
        return BOUND_TOKEN
    asked = issuer.introspection
    assumed_end = now + asked.cache if asked is not None and "exp" in asked.optional else 0.0
    validated = validate_claims(response, msgspec.json.encode(response), issuer, names, token, now, assumed_end)
    if not isinstance(validated, NotProven) or validated.reason not in _CONTRADICTIONS:
        return validated
    return _incomplete(validated.claim) if validated.reason is Reason.CLAIM_MISSING else UNCLEAR


def check_jwt_response(
    response: dict[str, Any], claims: dict[str, Any], issuer: Issuer, now: float
) -> NotProven | None:
    """Return why an introspection response is not about the JWT that the issuer signed; ``None`` if it is.

    Args:
        response: the parsed response without ``active``, which was true.
        claims: of the verified JWT.
        issuer: the issuer that sent the response.
        now: epoch seconds UTC.
    """
    subject = response.get("sub")
    if subject is None and not _may_lack(issuer, "sub"):
        return _incomplete("sub")
    if subject is not None and subject != claims.get("sub"):
        return UNCLEAR
    if response.get("aud") is not None and check_audience(response, issuer) is not True:
        return UNCLEAR
    if not has_claims(issuer.token, "", response) or any(
        response.get(name) is not None and response[name] != claims.get(name) for name in _EQUAL_CLAIMS
    ):
        return UNCLEAR
    expires_at = claims["exp"] if response.get("exp") is None else response["exp"]
    is_time = isinstance(expires_at, int | float) and not isinstance(expires_at, bool)
    return None if is_time and now < expires_at + issuer.leeway else UNCLEAR


def _check_recipients(response: dict[str, Any], issuer: Issuer) -> NotProven | None:
    """Check ``iss``, the audience and the presence of ``exp``; each may lack only if the policy says so."""
    for name in ("iss", "exp"):
        if response.get(name) is None and not _may_lack(issuer, name):
            return _incomplete(name)
    if response.get("iss", issuer.issuer) != issuer.issuer:
        return UNCLEAR
    audience = check_audience(response, issuer)
    if audience is True:
        return None
    if audience.reason is not Reason.CLAIM_MISSING:
        return UNCLEAR
    return None if _may_lack(issuer, "aud") else _incomplete(audience.claim)


def _may_lack(issuer: Issuer, name: str) -> bool:
    return issuer.introspection is not None and name in issuer.introspection.optional


def _incomplete(claim: str) -> NotProven:
    """Return the finding that a response lacks a claim, which the policy does not declare as optional."""
    return NotProven("unproven", Reason.INTROSPECTION_INCOMPLETE, claim=claim)
