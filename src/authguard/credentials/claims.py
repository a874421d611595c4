"""Judges the claims of a token whose signature is good: their shapes, their times, whose they are (RFC 9068 2.2).

The order is the meaning: ``expired`` is said only of a token that would otherwise be good.
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

#: actors in a chain of delegation at the most (RFC 8693 4.1)
MAX_ACTORS: Final = 8
#: scopes at the most
MAX_SCOPES: Final = 512

#: no control character, line break, mark that turns the direction of text, or half of a surrogate pair: names of
#: persons, clients and sessions are shown and logged
_SHOWN: Final = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]*\Z"
_Text = Annotated[str, Meta(min_length=1, max_length=255, pattern=_SHOWN)]
_Loose = Annotated[str, Meta(max_length=255, pattern=_SHOWN)]
_Line = Annotated[str, Meta(max_length=8_192)]
#: epoch seconds up to the year 5138; not a boolean, not infinite, not negative (RFC 7519 2)
_Moment = Annotated[float, Meta(ge=0, le=1e11)]

_MISSING: Final = NotProven("rejected", Reason.CLAIM_MISSING)
_MALFORMED: Final = NotProven("rejected", Reason.CLAIM_MALFORMED)
BOUND_TOKEN: Final = NotProven("rejected", Reason.BOUND_TOKEN)
UNBOUND_TOKEN: Final = NotProven("rejected", Reason.UNBOUND_TOKEN)
_TOO_LONG: Final = NotProven("rejected", Reason.LIFETIME_EXCEEDED)
_TOO_EARLY: Final = NotProven("rejected", Reason.TOKEN_NOT_YET_VALID)
EXPIRED: Final = NotProven("expired", Reason.TOKEN_EXPIRED)


class _Act(msgspec.Struct):
    """Who acts (RFC 8693 4.1); an actor without a name would be nobody."""

    sub: _Text
    iss: _Text | UnsetType = UNSET
    act: _Act | UnsetType = UNSET


class _Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """What a token is bound to (RFC 7800 3.1): the thumbprint of a key and nothing else (RFC 9449 6.1)."""

    jkt: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]


class _Shape(msgspec.Struct):
    """The claims that anything is made of; what is there has its type, or the token is refused."""

    sub: _Text
    exp: _Moment
    iat: _Moment | UnsetType = UNSET
    nbf: _Moment = 0.0
    auth_time: _Moment = 0.0
    client_id: _Loose = ""
    azp: _Loose = ""
    cid: _Loose = ""
    appid: _Loose = ""
    sid: _Loose = ""
    acr: _Loose = ""
    amr: Annotated[tuple[_Loose, ...], Meta(max_length=32)] = ()
    scope: _Line | UnsetType = UNSET
    scp: _Line | Annotated[list[_Loose], Meta(max_length=MAX_SCOPES)] = ""
    act: _Act | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNames:
    """How persons and credentials are named in the log.

    Attributes:
        pseudonym: ``(issuer, subject)`` -> a keyed hash, or the subject itself where the policy says so.
        fingerprint: a credential -> a short keyed hash of it.
    """

    pseudonym: Callable[[str, str], str]
    fingerprint: Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class ValidatedToken:
    """A good credential and how long it is.

    Attributes:
        proven: what is proven.
        since: epoch seconds UTC from which it is good, the leeway taken off.
        until: epoch seconds UTC from which it is no longer, the leeway added.
        thumbprint: of the key that has to be proven to be the caller's (RFC 7638); empty for a bearer token.
        weight: bytes of the claims where they are not in the token itself; 0 where they are.
    """

    proven: Proven
    since: float
    until: float
    thumbprint: str = ""
    weight: int = 0


def validate_claims(
    claims: dict[str, Any], issuer: Issuer, names: LogNames, token: bytes, now: float
) -> ValidatedToken | NotProven:
    """Tell what verified claims prove.

    Args:
        claims: verified by `authguard.credentials.signature`.
        issuer: whose token it is; its leeway and longest lifetime count.
        names: for the log.
        token: the credential, for its fingerprint.
        now: epoch seconds UTC.
    """
    thumbprint = _thumbprint(claims, issuer)
    if isinstance(thumbprint, NotProven):
        return thumbprint
    try:
        shape = msgspec.convert(claims, _Shape)
    except msgspec.ValidationError:
        return _MALFORMED
    try:
        client = find_client((shape.client_id, shape.azp, shape.cid, shape.appid))
    except AmbiguousClientError:
        return _MALFORMED
    scopes, chain = _scopes(shape), _chain(shape.act, issuer.issuer)
    if len(scopes) > MAX_SCOPES or len(chain) > MAX_ACTORS:
        return _MALFORMED
    span = _in_force(shape, issuer, now)
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
        # as sent, though the issuer's clock may run ahead within the leeway: moved towards our clock, one sign-in would
        # look later each time that it is checked, and revive what was ended since
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
    """Tell which key a token is bound to (RFC 9449 6.1); by its issuer's policy it has to be, or must not be.

    A certificate (RFC 8705 3.1) or anything else that it may be bound to is not checked here, so it is not taken for a
    bearer token either.
    """
    if issuer.sender_constraint == "none":
        return BOUND_TOKEN if "cnf" in claims else ""
    if "cnf" not in claims:
        return UNBOUND_TOKEN
    try:
        return msgspec.convert(claims["cnf"], _Confirmation).jkt
    except msgspec.ValidationError:
        return BOUND_TOKEN


def _in_force(shape: _Shape, issuer: Issuer, now: float) -> tuple[float, float] | NotProven:
    """Tell from when until when a token is good, leeway included, where it is now (RFC 7519 4.1.4 to 4.1.6)."""
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


def _scopes(shape: _Shape) -> frozenset[str]:
    """Read ``scope`` (RFC 9068 2.2.3), else ``scp`` as some issuers write it; never both, which would add."""
    listed = shape.scp if shape.scope is UNSET else shape.scope
    return frozenset(filter(None, listed.split(" ") if isinstance(listed, str) else listed))


def _chain(act: _Act | UnsetType, issuer: str) -> tuple[tuple[str, str], ...]:
    """List who acts, each with its issuer: the same name at another issuer is somebody else (RFC 8693 4.1)."""
    actors: list[tuple[str, str]] = []
    while act is not UNSET:
        actors.append((issuer if act.iss is UNSET else act.iss, act.sub))
        act = act.act
    return tuple(actors)
