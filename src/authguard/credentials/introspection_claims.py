"""Judges what an authorization server said of a token: for an opaque one all that is known, for a JWT a second opinion.

Rule: a server that is believed at all must say what it means. What it leaves out, or says of another token, of another
service or of a time that is over, is no refusal of the token: nobody knows, so nobody passes (WIRE 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.claims import BOUND_TOKEN, validate_claims
from authguard.credentials.introspection_client import UNCLEAR
from authguard.credentials.token_kind import has_claims

if TYPE_CHECKING:
    from authguard.credentials.claims import LogNames, ValidatedToken
    from authguard.policy.deployment import Issuer

TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)
#: findings that contradict a server's "active", which then cannot be meant
_CONTRADICTIONS: Final = frozenset(
    {Reason.TOKEN_EXPIRED, Reason.TOKEN_NOT_YET_VALID, Reason.CLAIM_MISSING, Reason.CLAIM_MALFORMED}
)
_KINDS: Final = frozenset({"bearer", "dpop", "access_token"})
#: what a JWT and the answer about it have to say alike, where the answer says it
_ALIKE: Final = ("iss", "client_id", "cnf", "jti")


def validate_response(
    said: dict[str, Any], issuer: Issuer, names: LogNames, token: bytes, now: float
) -> ValidatedToken | NotProven:
    """Tell what an active opaque token proves (RFC 7662 2.2).

    Args:
        said: the answer, strictly read, without ``active``.
        issuer: who said it.
        names: for the log.
        token: the credential, for its fingerprint.
        now: epoch seconds UTC.
    """
    kind = said.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _KINDS or not _is_for(issuer.audience, said.get("aud")):
        return UNCLEAR
    if said.get("iss") != issuer.issuer or any(said.get(name) is None for name in ("sub", "exp", *issuer.require)):
        return UNCLEAR
    if not has_claims(issuer.token, "", said):
        return TYPE_REFUSED  # a refresh token is active too, and no access token (RFC 7662 4)
    if kind.lower() == "dpop" and issuer.sender_constraint == "none":
        return BOUND_TOKEN
    validated = validate_claims(said, issuer, names, token, now)
    return UNCLEAR if isinstance(validated, NotProven) and validated.reason in _CONTRADICTIONS else validated


def matches_jwt(said: dict[str, Any], claims: dict[str, Any], issuer: Issuer, now: float) -> bool:
    """Whether an issuer vouches for the very token that its key signed.

    Args:
        said: the answer, strictly read, without ``active``.
        claims: of the token, verified.
        issuer: who said it.
        now: epoch seconds UTC.
    """
    if said.get("sub") != claims["sub"] or not has_claims(issuer.token, "", said):
        return False
    if "aud" in said and not _is_for(issuer.audience, said["aud"]):
        return False
    if any(said.get(name) is not None and said[name] != claims.get(name) for name in _ALIKE):
        return False
    ends = said.get("exp", claims["exp"])
    return isinstance(ends, int | float) and not isinstance(ends, bool) and now < ends + issuer.leeway


def _is_for(audience: str, said: object) -> bool:
    """Whether an answer names us, alone or among others (RFC 7662 2.2)."""
    return said == audience or (isinstance(said, list) and audience in said)
