"""Check of a token, or of its claims alone, by everything but its signature; for explanations, never for access.

Rule: nothing here admits a request. A result says what the guard would find if the signature were right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jwk import allowed_algorithms
from authguard.credentials.jws import parse_compact
from authguard.credentials.token_kind import ACCESS_TYPE, accepted_types, has_claims
from authguard.evaluation.claims import LogNames, validate_claims
from authguard.evaluation.recipients import check_recipients

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import Issuer
    from authguard.core.request import Credential

_NAMES: Final = LogNames(pseudonym=lambda *_: "", fingerprint=lambda _: "")
_ISSUER_UNKNOWN: Final = NotProven("rejected", Reason.ISSUER_UNKNOWN, claim="iss")
_ALGORITHM_REFUSED: Final = NotProven("rejected", Reason.ALGORITHM_REFUSED)
_TYPE_REFUSED: Final = NotProven("rejected", Reason.TYPE_REFUSED)


def check_unverified_token(token: bytes, issuers: Mapping[str, Issuer], now: float) -> Credential:
    """Check a token as the guard does, except for its signature and its proof of possession.

    Args:
        token: without its scheme, of bounded length.
        issuers: ``iss`` -> issuer of the policy.
        now: epoch seconds UTC.
    """
    unverified = parse_compact(token)
    if isinstance(unverified, NotProven):
        return unverified
    issuer = issuers.get(unverified.issuer)
    if issuer is None:
        return _ISSUER_UNKNOWN
    header = unverified.header
    if header.algorithm not in allowed_algorithms(issuer.algorithms):
        return _ALGORITHM_REFUSED
    if header.kind not in accepted_types(issuer.token, issuer.type):
        return _TYPE_REFUSED
    return _check(unverified.claims, unverified.content, issuer, header.kind, now)


def check_claims(claims: dict[str, Any], issuers: Mapping[str, Issuer], now: float) -> Credential:
    """Check claims as those of a token with an accepted header.

    Args:
        claims: parsed, of bounded size.
        issuers: ``iss`` -> issuer of the policy.
        now: epoch seconds UTC.
    """
    named = claims.get("iss")
    issuer = issuers.get(named) if isinstance(named, str) else None
    if issuer is None:
        return NotProven("rejected", Reason.CLAIM_MISSING, claim="iss") if named is None else _ISSUER_UNKNOWN
    kinds = accepted_types(issuer.token, issuer.type)
    kind = ACCESS_TYPE if ACCESS_TYPE in kinds else min(kinds)
    return _check(claims, msgspec.json.encode(claims), issuer, kind, now)


def _check(claims: dict[str, Any], content: bytes, issuer: Issuer, kind: str, now: float) -> Credential:
    recipients = check_recipients(claims, issuer)
    if recipients is not True:
        return recipients
    if not has_claims(issuer.token, kind, claims):
        return _TYPE_REFUSED
    found = validate_claims(claims, content, issuer, _NAMES, b"", now)
    return found if isinstance(found, NotProven) else found.proven
