"""Diagnosis of one token for a person who holds it: what the guard reads, what refuses it, and what to write.

The verdict is that of the validator. The diagnosis adds the facts where the issuer's settings place them, and every
obstacle that is visible without a key, since a refusal names only the first. Rule: it is for the holder's terminal; it
is never logged, since it contains claims.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.claim_source import find, present
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.jws import UnverifiedToken, parse_compact
from authguard.credentials.remedy import suggest, suggest_issuer
from authguard.credentials.token_kind import has_claims, has_type
from authguard.evaluation.claims import EXPIRED, LogNames, validate_claims
from authguard.evaluation.recipients import check_audience, check_required
from authguard.formats.strict_json import MAX_DEPTH, MAX_NODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.deployment import Issuer
    from authguard.core.request import Credential, Principal

#: longest displayed value of a claim
MAX_SHOWN_CHARS: Final = 80
#: parts of an encrypted token (RFC 7516 7.1)
_JWE_PARTS: Final = 5
_NAMES: Final = LogNames(pseudonym=lambda *_: "", fingerprint=lambda _: "")


class Fact(Struct, frozen=True):
    """One fact that the guard reads.

    Attributes:
        name: of the fact: ``subject``, ``client``, ``scopes`` and others.
        source: the claim or JSON Pointer with the value; the expected one if the token has none.
        value: as JSON, shortened; empty if the token has none.
    """

    name: str
    source: str
    value: str


class Obstacle(Struct, frozen=True):
    """One thing that refuses the token.

    Attributes:
        reason: closed code of the log.
        claim: claim that is the reason; empty for none.
        found: what the token has.
        remedy: what to write in the policy, or to do.
    """

    reason: Reason
    claim: str
    found: str
    remedy: str


class Diagnosis(Struct, frozen=True):
    """The result of checking one token.

    Attributes:
        credential: the validator's result.
        issuer: the issuer of the policy that the token names; ``None`` if it names none.
        facts: what the guard reads; empty for a token that is no JWT.
        obstacles: what refuses the token, in the order of the checks; empty if it is accepted.
        notice: why an accepted token opens no session, and what to write; empty for nothing.
    """

    credential: Credential
    issuer: Issuer | None
    facts: tuple[Fact, ...]
    obstacles: tuple[Obstacle, ...]
    notice: str = ""


def diagnose(token: bytes, issuers: Mapping[str, Issuer], credential: Credential, now: float) -> Diagnosis:
    """Diagnose a token.

    Args:
        token: without its scheme.
        issuers: ``iss`` -> issuer of the policy.
        credential: the validator's result for this token.
        now: epoch seconds UTC.
    """
    unverified = parse_compact(token)
    if isinstance(unverified, NotProven):
        return Diagnosis(credential, None, (), tuple(_unreadable(token, credential)))
    issuer = issuers.get(unverified.issuer)
    facts = tuple(_facts(unverified, issuer))
    if isinstance(credential, NotProven):
        found = list(_visible_obstacles(unverified, issuer, issuers, now))
        if credential.reason not in {one.reason for one in found}:
            found.append(_obstacle(credential.reason, credential.claim, unverified, issuer))
        return Diagnosis(credential, issuer, facts, tuple(found))
    return Diagnosis(credential, issuer, facts, (), _notice(credential.principal, issuer))


def _notice(principal: Principal, issuer: Issuer | None) -> str:
    if issuer is None or issuer.evidence != "auth_time" or not principal.person or principal.auth_time:
        return ""
    source = " or ".join(f"`{name}`" for name in issuer.claims.auth_time)
    return f"it has no {source}, so it opens no session; write `evidence: any` if such tokens are normal here"


def _unreadable(token: bytes, credential: Credential) -> Iterator[Obstacle]:
    """Yield the obstacle of a token that is no signed JWT, if it is refused."""
    if not isinstance(credential, NotProven):
        return
    if credential.reason is Reason.TOKEN_TOO_COMPLEX:
        found = f"more than {MAX_NODES} objects and arrays, or more than {MAX_DEPTH} levels"
        yield Obstacle(credential.reason, "", found, "let the issuer send fewer claims")
    elif token.count(b".") == _JWE_PARTS - 1:
        remedy = "ask the issuer for a signed token: encrypted tokens (JWE) are not supported"
        yield Obstacle(credential.reason, "", "an encrypted token of five parts", remedy)
    elif token.count(b".") != 2:  # noqa: PLR2004 - a signed JWT has three parts
        remedy = "add `introspection: {url: ..., client_id: ..., secret_env: ...}` to its issuer, or ask it for a JWT"
        yield Obstacle(credential.reason, "", "an opaque token, no JWT", remedy)
    else:
        yield Obstacle(
            credential.reason, "", "no strict JWT (RFC 8725 2.4)", "copy the token again, whole and unchanged"
        )


def _facts(unverified: UnverifiedToken, issuer: Issuer | None) -> Iterator[Fact]:
    header, claims = unverified.header, unverified.claims
    yield Fact("algorithm", "alg (header)", _shown(header.algorithm))
    yield Fact("type", "typ (header)", _shown(header.kind))
    yield Fact("key", "kid (header)", _shown(header.key))
    yield Fact("issuer", "iss", _shown(claims.get("iss")))
    for name in ("exp", "iat"):
        yield Fact({"exp": "expires", "iat": "issued"}[name], name, _shown(claims.get(name)))
    if issuer is None:
        return
    sources = issuer.claims
    level = (issuer.levels.claim if issuer.levels else ()) or sources.acr
    for name, listed in (
        ("audience", sources.audience),
        ("subject", sources.subject),
        ("client", sources.client),
        ("actor", ("act",)),
        ("scopes", sources.scopes),
        ("roles", sources.roles),
        ("level", level),
        ("signed in", sources.auth_time),
        ("session", sources.session),
    ):
        source, value = next(iter(present(claims, listed)), (" or ".join(listed), None))
        if listed:
            yield Fact(name, source, _shown(value))


def _shown(value: object) -> str:
    if value is None or value == "":
        return ""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def _visible_obstacles(
    unverified: UnverifiedToken, issuer: Issuer | None, issuers: Mapping[str, Issuer], now: float
) -> Iterator[Obstacle]:
    """Yield what refuses the token before its signature matters, in the order of the checks."""
    if issuer is None:
        found, remedy = f"`iss` is {_shown(unverified.issuer) or 'missing'}", suggest_issuer(unverified.issuer, issuers)
        yield Obstacle(Reason.ISSUER_UNKNOWN, "iss", found, remedy)
        return
    header, claims = unverified.header, unverified.claims
    if header.algorithm not in issuer.algorithms and not {header.algorithm, *issuer.algorithms} <= {"EdDSA", "Ed25519"}:
        yield _obstacle(Reason.ALGORITHM_REFUSED, "", unverified, issuer)
    if not has_type(issuer.token, issuer.type, header.kind) or not has_claims(issuer.token, header.kind, claims):
        yield _obstacle(Reason.TYPE_REFUSED, "", unverified, issuer)
    for refusal in (check_audience(claims, issuer), check_required(claims, issuer)):
        if isinstance(refusal, NotProven):
            yield _obstacle(refusal.reason, refusal.claim, unverified, issuer)
    validated = validate_claims(claims, unverified.content, issuer, _NAMES, unverified.token, now)
    if isinstance(validated, NotProven):
        yield _obstacle(
            validated.reason, validated.claim or ("exp" if validated is EXPIRED else ""), unverified, issuer
        )


def _obstacle(reason: Reason, claim: str, unverified: UnverifiedToken, issuer: Issuer | None) -> Obstacle:
    value = _shown(find(unverified.claims, (claim,))) if claim else ""
    found = f"`{claim}` is {value}" if value else f"no `{claim}`" if claim else ""
    if issuer is None:
        return Obstacle(reason, claim, found, "")
    remedy = suggest(reason, claim, unverified, issuer)
    return Obstacle(reason, claim, found or _header_text(reason, unverified), remedy)


def _header_text(reason: Reason, unverified: UnverifiedToken) -> str:
    header = unverified.header
    if reason is Reason.ALGORITHM_REFUSED:
        return f"`alg` is {_shown(header.algorithm)}"
    if reason is Reason.TYPE_REFUSED:
        return f"`typ` is {_shown(header.kind) or 'missing'}"
    if reason in {Reason.KEY_UNKNOWN, Reason.SIGNATURE_INVALID}:
        return f"`kid` is {_shown(header.key) or 'missing'}"
    return ""
