"""Validation of introspection responses: for an opaque token its only claims, for a JWT a second check (RFC 7662 2.2).

Rule: a response must be complete. It may lack a claim, or be about another token, another audience or a time in the
past. Then the token is neither refused nor accepted: it is ``unproven`` (WIRE 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.claims import BOUND_TOKEN, validate_claims
from authguard.credentials.introspection_client import UNCLEAR
from authguard.credentials.signature import check_audience, check_required
from authguard.credentials.token_kind import has_claims

if TYPE_CHECKING:
    from authguard.credentials.claims import LogNames, ValidatedToken
    from authguard.policy.deployment import Issuer

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
    if not isinstance(kind, str) or kind.lower() not in _TOKEN_TYPES or check_audience(response, issuer) is not True:
        return UNCLEAR
    if response.get("iss") != issuer.issuer or response.get("exp") is None:
        return UNCLEAR
    required = check_required(response, issuer)
    if required is not None:
        return UNCLEAR if required.reason is Reason.CLAIM_MISSING else required
    if not has_claims(issuer.token, "", response):
        return TYPE_REFUSED  # a refresh token is active too, but no access token (RFC 7662 4)
    if kind.lower() == "dpop" and issuer.sender_constraint == "none":
        return BOUND_TOKEN
    validated = validate_claims(response, issuer, names, token, now)
    return UNCLEAR if isinstance(validated, NotProven) and validated.reason in _CONTRADICTIONS else validated


def matches_jwt(response: dict[str, Any], claims: dict[str, Any], issuer: Issuer, now: float) -> bool:
    """Return whether an introspection response is about the JWT that the issuer signed.

    Args:
        response: the parsed response without ``active``, which was true.
        claims: of the verified JWT.
        issuer: the issuer that sent the response.
        now: epoch seconds UTC.
    """
    if response.get("sub") != claims.get("sub") or not has_claims(issuer.token, "", response):
        return False
    if response.get("aud") is not None and check_audience(response, issuer) is not True:
        return False
    if any(response.get(name) is not None and response[name] != claims.get(name) for name in _EQUAL_CLAIMS):
        return False
    expires_at = response.get("exp", claims["exp"])
    return isinstance(expires_at, int | float) and not isinstance(expires_at, bool) and now < expires_at + issuer.leeway
