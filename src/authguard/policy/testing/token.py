"""Tokens of a scenario: claims as the policy's issuer would state them, validated as the guard validates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.evaluation.claims import LogNames, validate_claims
from authguard.evaluation.recipients import check_recipients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.core.deployment import Issuer
    from authguard.core.policy import Policy
    from authguard.core.request import Credential

SUBJECT: Final = "customer"
CLIENT: Final = "app"
SESSION: Final = "session-1"
#: longest lifetime of a token in a scenario, seconds
LIFETIME_S: Final = 300.0
#: claims that only a typed token may change
NO_CLAIMS: Final[Mapping[str, Any]] = {}


class TokenSpec(Struct, frozen=True, kw_only=True):
    """A token as a scenario types it; what it leaves out is as the operation needs it.

    Attributes:
        issuer: ``iss``; empty for the first issuer of the policy.
        subject: ``sub``.
        client: the OAuth client.
        session: session id of the issuer.
        scope: scopes; ``None`` for all that the policy's operations need.
        roles: staff roles; ``None`` for one that the operation needs.
        acr: level; ``None`` for the level that the operation needs.
        age: seconds since the sign-in; ``None`` for the last sign-in of the session, below 0 for a token without it.
        actor: names of the actors, outermost first, each possibly with its issuer; empty for none.
        claims: further claims, or other values of claims; ``""`` removes a claim.
    """

    issuer: str = ""
    subject: str = SUBJECT
    client: str = CLIENT
    session: str = SESSION
    scope: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    acr: str | None = None
    age: float | None = None
    actor: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)


class TokenFacts(Struct, frozen=True, kw_only=True):
    """What a token states, after everything that a scenario leaves out was decided.

    Attributes:
        issuer: that issues it.
        spec: subject, client, session, actor and further claims.
        scope: scopes.
        roles: staff roles.
        level: assurance level; empty for none.
        auth_time: of the sign-in, epoch seconds UTC; 0 for a token without it.
        issued_at: epoch seconds UTC.
    """

    issuer: Issuer
    spec: TokenSpec
    scope: tuple[str, ...]
    roles: tuple[str, ...]
    level: str
    auth_time: float
    issued_at: float


def _fingerprint(token: bytes) -> str:
    return token.decode()


NAMES: Final = LogNames(pseudonym=lambda _, subject, __: subject, fingerprint=_fingerprint)


def issue_token(policy: Policy, facts: TokenFacts, number: int) -> Credential:
    """Return the result of the guard's check of a token.

    Args:
        policy: with the sources of roles.
        facts: what the token states.
        number: of the token; each has its own.
    """
    claims = build_claims(policy, facts)
    content = msgspec.json.encode(claims)
    sent = msgspec.json.decode(content)
    checked = check_recipients(sent, facts.issuer)
    if checked is not True:
        return checked
    found = validate_claims(sent, content, facts.issuer, NAMES, f"token {number}".encode(), facts.issued_at)
    return found if isinstance(found, NotProven) else found.proven


def build_claims(policy: Policy, facts: TokenFacts) -> dict[str, Any]:
    """Return the claims of a token, each where the policy's issuer states it."""
    issuer, spec, sources = facts.issuer, facts.spec, facts.issuer.claims
    lifetime = min(LIFETIME_S, issuer.max_lifetime) if issuer.max_lifetime > 0 else LIFETIME_S
    claims: dict[str, Any] = {
        "iss": issuer.issuer,
        "iat": facts.issued_at,
        "exp": facts.issued_at + lifetime,
    }
    for source, accepted in issuer.require.items():
        _put(claims, source, accepted[0].lstrip("*") if accepted else "required")
    if issuer.require_person:
        _put(claims, issuer.require_person[0], "required")
    _put(claims, sources.audience[0], issuer.audience[0])
    _put(claims, sources.subject[0], spec.subject)
    if spec.client:
        _put(claims, sources.client[0], find_client(issuer, spec))
    if spec.session:
        _put(claims, sources.session[0], spec.session)
    if facts.scope:
        _put(claims, sources.scopes[0], [f"{issuer.scope_prefix}{scope}" for scope in facts.scope])
    roles = policy.role_sources.get(issuer.issuer, ())
    if facts.roles and roles:
        _put(claims, roles[0], list(facts.roles))
    _put_level(claims, issuer, facts.level)
    if facts.auth_time:
        _put(claims, sources.auth_time[0], facts.auth_time)
    if spec.actor:
        claims["act"] = _actors(spec.actor)
    for name, value in spec.claims.items():
        _put(claims, name, value)
    return {name: value for name, value in claims.items() if value not in ("", {})}


def find_client(issuer: Issuer, spec: TokenSpec) -> str:
    """Return the client of a token: the typed one, or one for which the issuer's tokens are accepted.

    Args:
        issuer: that issues it; its claim for the client may also have to name the audience, or a required value.
        spec: the token as typed.
    """
    if spec.client != CLIENT:
        return spec.client
    source = issuer.claims.client[0]
    if source == issuer.claims.audience[0]:
        return issuer.audience[0]
    accepted = issuer.require.get(source, ())
    return accepted[0].lstrip("*") if accepted else spec.client


def _put_level(claims: dict[str, Any], issuer: Issuer, level: str) -> None:
    """State a level as the issuer does; one that the issuer cannot state is left out."""
    if issuer.levels is None:
        if level:
            _put(claims, issuer.claims.acr[0], level)
        return
    value = next((value for value, mapped in issuer.levels.map.items() if mapped == level), "")
    if value:
        _put(claims, (issuer.levels.claim or issuer.claims.acr)[0], value)


def _actors(names: Sequence[str]) -> dict[str, Any]:
    """Return the ``act`` claim (RFC 8693 4.1): the outermost actor, with the others inside it."""
    act: dict[str, Any] = {}
    for name in reversed(names):
        subject, _, home = name.partition(" of ")
        act = {"sub": subject, **({"iss": home} if home else {}), **({"act": act} if act else {})}
    return act


def _put(claims: dict[str, Any], source: str, value: object) -> None:
    """Set a claim by its name or JSON Pointer; a ``*`` of a pointer becomes a list with one item."""
    if not source.startswith("/"):
        claims[source] = value
        return
    before, star, after = source.partition("/*")
    if star:
        item: object = value
        if after:
            nested: dict[str, Any] = {}
            _put(nested, after, value)
            item = nested
        _put(claims, before, item if isinstance(item, list) else [item])
        return
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in source[1:].split("/")]
    place = claims
    for name in parents:
        inner = place.setdefault(name, {})
        place = inner if isinstance(inner, dict) else {}
    place[last] = value


#: condition of a credential that proves nothing -> a reason for it
UNPROVEN: Final = {
    "missing": NotProven("missing", Reason.CREDENTIAL_MISSING),
    "expired": NotProven("expired", Reason.TOKEN_EXPIRED),
    "rejected": NotProven("rejected", Reason.SIGNATURE_INVALID),
    "unproven": NotProven("unproven", Reason.KEYS_UNREACHABLE),
}
