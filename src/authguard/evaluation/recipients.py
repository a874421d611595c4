"""Whether a token with a verified signature is for this service: its issuer, its audience and its required claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from authguard.core.claim_source import find, find_first
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.evaluation import claim_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import Issuer

_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN)


def check_recipients(claims: dict[str, Any], issuer: Issuer) -> NotProven | Literal[True]:
    """Return true if ``iss``, the audience and the required claims are right (RFC 7519 4.1), else the refusal."""
    named = claims.get("iss")
    if named is None:
        return refuse_missing("iss")
    if claims.get("exp") is None:
        return refuse_missing("exp")
    if named != issuer.issuer:
        return _ISSUER_UNKNOWN
    audience = check_audience(claims, issuer)
    if audience is not True or not issuer.require:
        return audience
    return check_required(claims, issuer) or True


def check_audience(claims: Mapping[str, Any], issuer: Issuer) -> NotProven | Literal[True]:
    """Return true if the token is for this service (RFC 7519 4.1.3), else the refusal with the claim."""
    found = find_first(claims, issuer.claims.audience)
    if found is None or not found[1]:
        return refuse_missing(issuer.claims.audience[0])
    source, named = found
    is_named = False
    for name in named if isinstance(named, list) else (named,):
        if not isinstance(name, str):
            return NotProven("rejected", Reason.AUDIENCE_WRONG, claim=source)
        is_named = is_named or name in issuer.audience
    return True if is_named else NotProven("rejected", Reason.AUDIENCE_WRONG, claim=source)


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
