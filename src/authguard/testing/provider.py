"""The state of the test identity provider: keys, sign-ins, tokens, statuses, clock and outage.

All of it is in memory and bounded: beyond the bound, the oldest entry is dropped. A dropped entry is refused, never
admitted.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from authguard.testing.keys import PUBLISHABLE, Published, SigningKey, compact, jwks

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ENTRIES: Final = 10_000
GENERATIONS: Final = 4
MAX_HANG_S: Final = 60.0
COUNTED_ENDPOINTS: Final[dict[str, str]] = {
    "/.well-known/openid-configuration": "discovery",
    "/.well-known/oauth-authorization-server": "discovery",
    "/jwks": "jwks",
    "/token": "token",
    "/revoke": "revocation",
    "/introspect": "introspection",
}
RESERVED: Final = frozenset(
    "iss sub aud client_id iat exp jti auth_time acr amr scope sid act account_status".split()  # noqa: SIM905 - reads as the list in the RFC
)

Mode: TypeAlias = Literal["down", "hang", "garbage", "redirect"]
Place: TypeAlias = Literal["discovery", "jwks", "token", "revocation", "introspection"]
_Value = TypeVar("_Value")


class SignInOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A requested sign-in; see `IdentityProvider.sign_in` for each member."""

    subject: str = "customer-1"
    client_id: str = "app-1"
    audience: str | tuple[str, ...] = "https://agent.test"
    scope: str = ""
    acr: str | None = "aal1"
    amr: tuple[str, ...] = ("pwd",)
    lifetime: int = 300
    alg: Published = "ES256"
    account_status: str | None = None
    act: dict[str, Any] | None = None
    sid: str | bool = True
    auth_time: int | None = None
    auth_time_offset: int = 0
    typ: str | None = "at+jwt"
    opaque: bool = False
    claims: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Reject extra claims with a dedicated member, because one of the two values would be lost."""
        if taken := sorted(RESERVED & self.claims.keys()):
            raise ValueError(f"claims may not hold {', '.join(taken)}: set them by the argument, or use a `Mint`")


@dataclass(frozen=True, slots=True)
class Grant:
    """One sign-in and its tokens; it is revoked as a whole (RFC 9700 section 4.14.2)."""

    name: str
    order: SignInOrder
    sid: str | None
    auth_time: int


@dataclass(frozen=True, slots=True)
class Outage:
    """The failing endpoints; `seconds` is the delay of `hang`."""

    mode: Mode
    seconds: float
    places: frozenset[str]


class ScriptedResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A response of the introspection endpoint that replaces or changes the regular one; see `answer_introspection`."""

    body: str | None = None
    claims: dict[str, Any] = {}
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    times: int | None = 1


class Provider:
    """The state of one identity provider process; only one event loop uses it, so there are no locks.

    Attributes:
        issuer: its URL, without a trailing slash.
        counts: requests by path, whatever the response; unknown paths are counted as `other`.
        statuses: account status by subject, for every later token.
        outage: the current outage, or None.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._keys = {alg: [SigningKey.generate(alg)] for alg in PUBLISHABLE}
        self.reset()

    def reset(self) -> None:
        """Reset everything but the keys."""
        self.counts: Counter[str] = Counter()
        self.statuses: OrderedDict[str, str] = OrderedDict()
        self.outage: Outage | None = None
        self._scripted: ScriptedResponse | None = None
        self._script_uses: int | None = 0
        self._offset = 0.0
        self._frozen_at: float | None = None
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._refreshes: OrderedDict[str, tuple[str, bool]] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[str, dict[str, Any]]] = OrderedDict()

    def now(self) -> float:
        """Return the provider's time in seconds since the epoch: the wall clock plus an offset, or a fixed time."""
        return time.time() + self._offset if self._frozen_at is None else self._frozen_at

    def set_clock(self, *, offset: float = 0.0, at: float | None = None) -> None:
        """Set an offset from the wall clock in seconds, or a fixed time (seconds since the epoch)."""
        self._offset, self._frozen_at = offset, at

    def jwks(self) -> dict[str, Any]:
        """Return the published keys: by algorithm the signing key and its overlapping predecessors, newest first."""
        return jwks(*(key for line in self._keys.values() for key in line))

    def rotate(self, algs: Sequence[Published], *, overlap: bool) -> dict[str, str]:
        """Sign with fresh keys from now on and return their ids; without overlap, remove the old keys immediately."""
        for alg in algs or PUBLISHABLE:
            kept = self._keys[alg][: GENERATIONS - 1] if overlap else []
            self._keys[alg] = [SigningKey.generate(alg), *kept]
        return {alg: line[0].kid for alg, line in self._keys.items()}

    def set_status(self, subject: str, status: str | None) -> None:
        """Set the `account_status` of every later token of the subject; None removes it."""
        self.statuses.pop(subject, None)
        if status is not None:
            _keep(self.statuses, subject, status)

    def sign_in(self, order: SignInOrder) -> dict[str, Any]:
        """Start a sign-in and return its token response (RFC 6749 section 5.1) with `sid`."""
        if order.account_status is not None:
            self.set_status(order.subject, order.account_status)
        sid = order.sid if isinstance(order.sid, str) else secrets.token_urlsafe(12) if order.sid else None
        started = int(self.now()) if order.auth_time is None else order.auth_time
        grant = Grant(secrets.token_urlsafe(12), order, sid, started + order.auth_time_offset)
        _keep(self._grants, grant.name, grant)
        return self._respond(grant, order.scope)

    def refresh(self, token: str, client_id: str | None, scope: str | None) -> dict[str, Any] | str:
        """Return a token response, or the error code of the refusal (RFC 6749 section 5.2).

        A refresh token works once. Its second use revokes the whole sign-in: one of its two users is a thief, and the
        provider cannot know which one (RFC 9700 section 4.14.2).
        """
        name, unused = self._refreshes.get(_digest(token), ("", False))
        grant = self._grants.get(name)
        if grant is None or (client_id is not None and client_id != grant.order.client_id):
            return "invalid_grant"
        if not unused:
            self._grants.pop(name)
            return "invalid_grant"
        granted = grant.order.scope if scope is None else scope
        if not set(granted.split()) <= set(grant.order.scope.split()):
            return "invalid_scope"
        _keep(self._refreshes, _digest(token), (name, False))
        return self._respond(grant, granted)

    def step_up(
        self, token: str, *, acr: str | None, amr: Sequence[str], auth_time: int | None
    ) -> dict[str, Any] | str:
        """Authenticate again in the same session (RFC 9470 section 4), and return the token response or an error code.

        The `sid` stays; all further tokens state the new authentication.
        """
        name, unused = self._refreshes.get(_digest(token), ("", False))
        grant = self._grants.get(name)
        if grant is None or not unused:
            return "invalid_grant"
        order = msgspec.structs.replace(grant.order, acr=acr, amr=tuple(amr))
        started = int(self.now()) if auth_time is None else auth_time
        grant = self._grants[name] = replace(grant, order=order, auth_time=started)
        _keep(self._refreshes, _digest(token), (name, False))
        return self._respond(grant, order.scope)

    def script(self, scripted: ScriptedResponse | None) -> None:
        """Replace the next `times` introspection responses, all if None; without a script, restore the regular ones."""
        self._scripted = scripted
        self._script_uses = 0 if scripted is None else scripted.times

    def scripted(self) -> ScriptedResponse | None:
        """Return the script for the next response and count it; None for the regular response."""
        if self._script_uses == 0:
            return None
        if self._script_uses is not None:
            self._script_uses -= 1
        return self._scripted

    def revoke(self, token: str, client_id: str | None) -> str | None:
        """Revoke a refresh token's whole sign-in, or one access token (RFC 7009 section 2.1).

        An unknown token is no error.

        Returns:
            None, or the error code if the token belongs to another client.
        """
        digest = _digest(token)
        name = self._refreshes.get(digest, ("", False))[0] or self._tokens.get(digest, ("", {}))[0]
        grant = self._grants.get(name)
        if grant is None:
            return None
        if client_id is not None and client_id != grant.order.client_id:
            return "invalid_grant"
        if digest in self._refreshes:
            self._grants.pop(name)
        self._tokens.pop(digest, None)
        return None

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the introspection response (RFC 7662 section 2.2); it does not state why a token is inactive."""
        name, claims = self._tokens.get(_digest(token), ("", {}))
        if name not in self._grants or claims["exp"] <= self.now():
            return {"active": False}
        cnf = claims.get("cnf")
        bound = isinstance(cnf, dict) and "jkt" in cnf
        return {"active": True, "token_type": "DPoP" if bound else "Bearer"} | claims

    def _respond(self, grant: Grant, scope: str) -> dict[str, Any]:
        order = msgspec.structs.replace(grant.order, scope=scope)
        claims = self._claims(replace(grant, order=order))
        if order.opaque:
            access = secrets.token_urlsafe(32)
        else:
            key = self._keys[order.alg][0]
            header = {"alg": key.alg, "kid": key.kid} | ({} if order.typ is None else {"typ": order.typ})
            access = compact(header, claims, key.sign)
        renewal = secrets.token_urlsafe(32)
        _keep(self._tokens, _digest(access), (grant.name, claims))
        _keep(self._refreshes, _digest(renewal), (grant.name, True))
        return {
            "access_token": access,
            "token_type": "DPoP" if "cnf" in claims else "Bearer",
            "expires_in": order.lifetime,
            "refresh_token": renewal,
            "scope": scope,
            "sid": grant.sid,
        }

    def _claims(self, grant: Grant) -> dict[str, Any]:
        """Return the claims of RFC 9068 section 2.2, without those that have no value in this sign-in."""
        order, now = grant.order, int(self.now())
        claims = order.claims | {
            "iss": self.issuer,
            "sub": order.subject,
            "aud": order.audience,
            "client_id": order.client_id,
            "iat": now,
            "exp": now + order.lifetime,
            "jti": secrets.token_urlsafe(12),
            "auth_time": grant.auth_time,
            "acr": order.acr,
            "amr": list(order.amr) or None,
            "scope": order.scope,
            "sid": grant.sid,
            "act": order.act,
            "account_status": self.statuses.get(order.subject),
        }
        return {name: value for name, value in claims.items() if value is not None}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _keep(kept: OrderedDict[str, _Value], key: str, value: _Value) -> None:
    """Store as the newest entry, and drop the oldest beyond the bound."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_ENTRIES:
        kept.popitem(last=False)
