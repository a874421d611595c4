"""Validation of the claims of a token with a verified signature: types, times, client and actors (RFC 9068 2.2).

Rules:
- The checks run in a fixed order: ``expired`` is returned only for a token that is otherwise valid.
- A refusal names the claim that causes it.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from authguard.core.claim_source import find
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key, identity_keys
from authguard.core.request import NotProven, Principal, Proven
from authguard.evaluation import claim_reader
from authguard.evaluation.claim_reader import MAX_SCOPE_TEXTS, ClaimError
from authguard.evaluation.oauth_client import find_client, is_person
from authguard.evaluation.sharing import share, share_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.deployment import Issuer

#: maximum length of a delegation chain (RFC 8693 4.1)
MAX_ACTORS: Final = 8
#: maximum number of scopes
MAX_SCOPES: Final = 512
#: maximum number of authentication methods
MAX_METHODS: Final = 32

BOUND_TOKEN: Final = NotProven("rejected", Reason.BOUND_TOKEN)
UNBOUND_TOKEN: Final = NotProven("rejected", Reason.UNBOUND_TOKEN)
_TOO_LONG: Final = NotProven("rejected", Reason.LIFETIME_EXCEEDED, claim="exp")
EXPIRED: Final = NotProven("expired", Reason.TOKEN_EXPIRED)


class _Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """The binding of a token (RFC 7800 3.1): the thumbprint of a key and nothing else (RFC 9449 6.1)."""

    jkt: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]


class LogNames(Struct, frozen=True, kw_only=True):
    """Functions that build the names of persons and credentials in the log.

    Attributes:
        pseudonym: ``(issuer, subject, account key)`` -> a keyed hash, or the subject itself if the policy has
            ``subjects: plain``.
        fingerprint: credential -> a short keyed hash.
    """

    pseudonym: Callable[[str, str, bytes], str]
    fingerprint: Callable[[bytes], str]


class ValidatedToken(msgspec.Struct, frozen=True, gc=False):
    """A valid token and its validity period.

    Attributes:
        proven: the result.
        since: epoch seconds UTC from which the token is valid, minus the leeway.
        until: epoch seconds UTC from which it is expired, plus the leeway.
        thumbprint: of the key that the caller must prove to hold (RFC 7638); empty for a bearer token.
    """

    proven: Proven
    since: float
    until: float
    thumbprint: str = ""


def validate_claims(  # noqa: PLR0917 - the parts of one token
    claims: dict[str, Any],
    content: bytes,
    issuer: Issuer,
    names: LogNames,
    token: bytes,
    now: float,
    assumed_end: float = 0.0,
) -> ValidatedToken | NotProven:
    """Build the principal of a token from its verified claims.

    Args:
        claims: verified by `authguard.credentials.signature`.
        content: the same claims as JSON.
        issuer: the issuer of the token, with its leeway and maximum lifetime.
        names: functions for the names in the log.
        token: the credential, for its fingerprint.
        now: epoch seconds UTC.
        assumed_end: time in epoch seconds UTC at which a token without ``exp`` must be validated again; 0 if ``exp`` is
            required.
    """
    is_bound = claims.get("cnf") is not None or issuer.sender_constraint != "none"
    thumbprint = _thumbprint(claims, issuer) if is_bound else ""
    if isinstance(thumbprint, NotProven):
        return thumbprint
    try:
        return _validate(claims, content, issuer, names, token, now, thumbprint, assumed_end)
    except ClaimError as error:
        return refuse_claim(error)


def refuse_claim(error: ClaimError) -> NotProven:
    """Return the refusal for a claim that is missing or not usable."""
    reason = Reason.CLAIM_MISSING if error.is_missing else Reason.CLAIM_MALFORMED
    return NotProven("rejected", reason, claim=error.claim)


def _validate(  # noqa: PLR0917 - as `validate_claims`
    claims: dict[str, Any],
    content: bytes,
    issuer: Issuer,
    names: LogNames,
    token: bytes,
    now: float,
    thumbprint: str,
    assumed_end: float,
) -> ValidatedToken | NotProven:
    sources = issuer.claims
    subject = claim_reader.read_text(claims, sources.subject)
    if not subject:
        raise ClaimError(sources.subject[0], is_missing=find(claims, sources.subject) is None)
    client = find_client(claims, sources.client)
    session = claim_reader.read_text(claims, sources.session)
    person = is_person(claims, subject, client, issuer.machine)
    if person and issuer.require_person and find(claims, issuer.require_person) is None:
        return NotProven("rejected", Reason.TYPE_REFUSED, claim=issuer.require_person[0])
    scopes = claim_reader.find_words(claims, sources.scopes, MAX_SCOPES)
    if issuer.scope_prefix:
        scopes = _without_prefix(scopes, issuer.scope_prefix)
    chain = () if claims.get("act") is None else _chain(claims, issuer.issuer)
    home, actor = chain[0] if chain else ("", "")
    auth_time = claim_reader.find_newest_time(claims, sources.auth_time)
    issued_at, expires_at = claim_reader.read_time(claims, "iat"), claim_reader.read_time(claims, "exp")
    ends = expires_at if not assumed_end or claims.get("exp") is not None else inf  # the caller validates it again
    span = _validity_period(claims, issuer, auth_time, issued_at, ends, now)
    if isinstance(span, NotProven):
        return span
    account, session_record = identity_keys(issuer.issuer, subject, client, session)
    principal = Principal(
        issuer=issuer.issuer,
        subject=subject,
        client=client,
        sid=session,
        actor=actor,
        actor_issuer="" if home == issuer.issuer else home,
        chain=chain,
        person=person,
        token_scopes=scopes,
        acr=_level(claims, issuer) if person else "",
        amr=claim_reader.read_texts(claims.get("amr"), MAX_METHODS),
        # unchanged, even if the issuer's clock runs ahead within the leeway: clamped to our clock, one sign-in would
        # appear later at each check, and revive a session that ended in between
        auth_time=auth_time,
        issued_at=issued_at,
        expires_at=expires_at or assumed_end,
        content=content,
        fingerprint=names.fingerprint(token),
        account_key=account,
        session_key=session_record,
        pseudonym=names.pseudonym(issuer.issuer, subject, account),
        actor_pseudonym=names.pseudonym(home, actor, account_key(home, actor)) if actor else "",
    )
    return ValidatedToken(Proven(principal), span[0], span[1], thumbprint)


def _thumbprint(claims: dict[str, Any], issuer: Issuer) -> str | NotProven:
    """Return the thumbprint of the key that a token is bound to (RFC 9449 6.1), as the issuer's policy requires."""
    # Bindings to a certificate (RFC 8705 3.1) or to anything else are not checked, so such a token is not accepted as a
    # bearer token either.
    if issuer.sender_constraint == "none":
        return "" if claims.get("cnf") is None else BOUND_TOKEN
    if claims.get("cnf") is None:
        return UNBOUND_TOKEN
    try:
        return msgspec.convert(claims["cnf"], _Confirmation).jkt
    except msgspec.ValidationError:
        return BOUND_TOKEN


def _validity_period(  # noqa: PLR0917 - the times of one token
    claims: Mapping[str, Any], issuer: Issuer, auth_time: float, issued_at: float, ends: float, now: float
) -> tuple[float, float] | NotProven:
    """Return the validity period with leeway if the token is valid now (RFC 7519 4.1.4 to 4.1.6).

    Args:
        claims: verified.
        issuer: the issuer of the token.
        auth_time: time of the sign-in, epoch seconds UTC.
        issued_at: ``iat``; 0 if it is missing.
        ends: ``exp``; 0 if it is missing, infinity if it may be.
        now: epoch seconds UTC.
    """
    if not ends and claims.get("exp") is None:
        raise ClaimError("exp", is_missing=True)
    if issuer.max_lifetime > 0 and ends is not inf:
        if claims.get("iat") is None:
            raise ClaimError("iat", is_missing=True)
        if ends - issued_at > issuer.max_lifetime:
            return _TOO_LONG
    latest, starts = "nbf", claim_reader.read_time(claims, "nbf")
    if issued_at > starts:
        latest, starts = "iat", issued_at
    if auth_time > starts:
        latest, starts = "auth_time", auth_time
    since, until = starts - issuer.leeway, ends + issuer.leeway
    if since > now:
        return NotProven("rejected", Reason.TOKEN_NOT_YET_VALID, claim=latest)
    return EXPIRED if until <= now else (share_time(since), share_time(until))


@lru_cache(maxsize=MAX_SCOPE_TEXTS)
def _without_prefix(scopes: frozenset[str], prefix: str) -> frozenset[str]:
    return frozenset(scope.removeprefix(prefix) for scope in scopes)


def _level(claims: Mapping[str, Any], issuer: Issuer) -> str:
    """Return the level by the issuer's levels; without them ``acr`` as sent. An unknown value is no level."""
    levels = issuer.levels
    if levels is None:
        acr = find(claims, issuer.claims.acr)
        return share(acr) if isinstance(acr, str) and claim_reader.is_name(acr) else ""
    labels = claim_reader.find_labels(claims, levels.claim or issuer.claims.acr)
    return next((level for value, level in levels.map.items() if value in labels), levels.none)


def _chain(claims: Mapping[str, Any], issuer: str) -> tuple[tuple[str, str], ...]:
    """Return the actors, each with its issuer: a name at another issuer is another actor (RFC 8693 4.1).

    Raises:
        ClaimError: an actor has no name and cannot be identified, or there are more than `MAX_ACTORS`.
    """
    actors: list[tuple[str, str]] = []
    act = claims.get("act")
    while act is not None:
        if not isinstance(act, dict) or len(actors) == MAX_ACTORS:
            raise ClaimError("act")
        home, name = act.get("iss", issuer), act.get("sub")
        if not (home and name and claim_reader.is_name(home) and claim_reader.is_name(name)):
            raise ClaimError("act")
        actors.append((str(home), str(name)))
        act = act.get("act")
    return tuple(actors)
