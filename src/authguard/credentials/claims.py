"""Validation of the claims of a token with a verified signature: types, times, client and actors (RFC 9068 2.2).

The checks run in a fixed order: ``expired`` is returned only for a token that is otherwise valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Principal, Proven
from authguard.core.snapshot import account_key, session_key
from authguard.credentials.oauth_client import AmbiguousClientError, find_client, is_person

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.policy.deployment import Issuer

#: maximum length of a delegation chain (RFC 8693 4.1)
MAX_ACTORS: Final = 8
#: maximum number of scopes
MAX_SCOPES: Final = 512

#: text without control characters, line breaks, bidirectional marks and lone surrogates: names of persons, clients and
#: sessions are displayed and logged
_DISPLAYABLE: Final = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]*\Z"
_Text = Annotated[str, Meta(min_length=1, max_length=255, pattern=_DISPLAYABLE)]
_OptionalText = Annotated[str, Meta(max_length=255, pattern=_DISPLAYABLE)]
_LongText = Annotated[str, Meta(max_length=8_192)]
#: epoch seconds up to the year 5138; not a boolean, not infinite, not negative (RFC 7519 2)
_Timestamp = Annotated[float, Meta(ge=0, le=1e11)]

_MISSING: Final = NotProven("rejected", Reason.CLAIM_MISSING)
_MALFORMED: Final = NotProven("rejected", Reason.CLAIM_MALFORMED)
BOUND_TOKEN: Final = NotProven("rejected", Reason.BOUND_TOKEN)
UNBOUND_TOKEN: Final = NotProven("rejected", Reason.UNBOUND_TOKEN)
_TOO_LONG: Final = NotProven("rejected", Reason.LIFETIME_EXCEEDED)
_TOO_EARLY: Final = NotProven("rejected", Reason.TOKEN_NOT_YET_VALID)
EXPIRED: Final = NotProven("expired", Reason.TOKEN_EXPIRED)


class _Act(msgspec.Struct):
    """An actor (RFC 8693 4.1); a name is required, since an actor without one cannot be identified."""

    sub: _Text
    iss: _Text | UnsetType = UNSET
    act: _Act | UnsetType = UNSET


class _Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """The binding of a token (RFC 7800 3.1): the thumbprint of a key and nothing else (RFC 9449 6.1)."""

    jkt: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]


class _Claims(msgspec.Struct):
    """The claims that are used; a token with a claim of another type is refused."""

    sub: _Text
    exp: _Timestamp
    iat: _Timestamp | UnsetType = UNSET
    nbf: _Timestamp = 0.0
    auth_time: _Timestamp = 0.0
    client_id: _OptionalText = ""
    azp: _OptionalText = ""
    cid: _OptionalText = ""
    appid: _OptionalText = ""
    sid: _OptionalText = ""
    acr: _OptionalText = ""
    amr: Annotated[tuple[_OptionalText, ...], Meta(max_length=32)] = ()
    scope: _LongText | UnsetType = UNSET
    scp: _LongText | Annotated[list[_OptionalText], Meta(max_length=MAX_SCOPES)] = ""
    act: _Act | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNames:
    """Functions that build the names of persons and credentials in the log.

    Attributes:
        pseudonym: ``(issuer, subject)`` -> a keyed hash, or the subject itself if the policy has ``subjects: plain``.
        fingerprint: credential -> a short keyed hash.
    """

    pseudonym: Callable[[str, str], str]
    fingerprint: Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class ValidatedToken:
    """A valid token and its validity period.

    Attributes:
        proven: the result.
        since: epoch seconds UTC from which the token is valid, minus the leeway.
        until: epoch seconds UTC from which it is expired, plus the leeway.
        thumbprint: of the key that the caller must prove to hold (RFC 7638); empty for a bearer token.
        weight: size of the claims in bytes if they are not part of the token; 0 if they are.
    """

    proven: Proven
    since: float
    until: float
    thumbprint: str = ""
    weight: int = 0


def validate_claims(
    claims: dict[str, Any], issuer: Issuer, names: LogNames, token: bytes, now: float
) -> ValidatedToken | NotProven:
    """Build the principal of a token from its verified claims.

    Args:
        claims: verified by `authguard.credentials.signature`.
        issuer: the issuer of the token, with its leeway and maximum lifetime.
        names: functions for the names in the log.
        token: the credential, for its fingerprint.
        now: epoch seconds UTC.
    """
    thumbprint = _thumbprint(claims, issuer)
    if isinstance(thumbprint, NotProven):
        return thumbprint
    try:
        shape = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        return _MALFORMED
    try:
        client = find_client((shape.client_id, shape.azp, shape.cid, shape.appid))
    except AmbiguousClientError:
        return _MALFORMED
    scopes, chain = _scopes(shape), _chain(shape.act, issuer.issuer)
    if len(scopes) > MAX_SCOPES or len(chain) > MAX_ACTORS:
        return _MALFORMED
    span = _validity_period(shape, issuer, now)
    if isinstance(span, NotProven):
        return span
    home, actor = chain[0] if chain else ("", "")
    principal = Principal(
        issuer=issuer.issuer,
        subject=shape.sub,
        client=client,
        sid=shape.sid,
        actor=actor,
        actor_issuer="" if home == issuer.issuer else home,
        chain=chain,
        person=is_person(claims, client),
        token_scopes=scopes,
        acr=shape.acr,
        amr=shape.amr,
        # unchanged, even if the issuer's clock runs ahead within the leeway: clamped to our clock, one sign-in would
        # appear later at each check, and revive a session that ended in between
        auth_time=shape.auth_time,
        issued_at=shape.iat or 0.0,
        expires_at=shape.exp,
        claims=claims,
        fingerprint=names.fingerprint(token),
        account_key=account_key(issuer.issuer, shape.sub),
        session_key=session_key(issuer.issuer, shape.sub, client, shape.sid),
        pseudonym=names.pseudonym(issuer.issuer, shape.sub),
        actor_pseudonym=names.pseudonym(home, actor) if actor else "",
    )
    return ValidatedToken(Proven(principal), *span, thumbprint)


def _thumbprint(claims: dict[str, Any], issuer: Issuer) -> str | NotProven:
    """Return the thumbprint of the key that a token is bound to (RFC 9449 6.1), as the issuer's policy requires."""
    # Bindings to a certificate (RFC 8705 3.1) or to anything else are not checked, so such a token is not accepted as a
    # bearer token either.
    if issuer.sender_constraint == "none":
        return BOUND_TOKEN if "cnf" in claims else ""
    if "cnf" not in claims:
        return UNBOUND_TOKEN
    try:
        return msgspec.convert(claims["cnf"], _Confirmation).jkt
    except msgspec.ValidationError:
        return BOUND_TOKEN


def _validity_period(shape: _Claims, issuer: Issuer, now: float) -> tuple[float, float] | NotProven:
    """Return the validity period with leeway if the token is valid now (RFC 7519 4.1.4 to 4.1.6)."""
    if issuer.max_lifetime > 0:
        if shape.iat is UNSET:
            return _MISSING
        if shape.exp - shape.iat > issuer.max_lifetime:
            return _TOO_LONG
    since = max(shape.nbf, shape.iat or 0.0, shape.auth_time) - issuer.leeway
    until = shape.exp + issuer.leeway
    if since > now:
        return _TOO_EARLY
    return EXPIRED if until <= now else (since, until)


def _scopes(shape: _Claims) -> frozenset[str]:
    """Read ``scope`` (RFC 9068 2.2.3), else ``scp`` of other issuers; never both, since the scopes would add up."""
    listed = shape.scp if shape.scope is UNSET else shape.scope
    return frozenset(filter(None, listed.split(" ") if isinstance(listed, str) else listed))


def _chain(act: _Act | UnsetType, issuer: str) -> tuple[tuple[str, str], ...]:
    """Return the actors, each with its issuer: a name at another issuer is another actor (RFC 8693 4.1)."""
    actors: list[tuple[str, str]] = []
    while act is not UNSET:
        actors.append((issuer if act.iss is UNSET else act.iss, act.sub))
        act = act.act
    return tuple(actors)
