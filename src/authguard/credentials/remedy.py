"""Remedies of a refused token: what to write in the policy, or what to do at the issuer or the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from authguard.core.claim_source import find
from authguard.core.outcomes import Reason
from authguard.credentials.token_kind import FOREIGN_CLAIMS, has_type
from authguard.policy.loading.preset import list_presets, load_preset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.deployment import Issuer
    from authguard.credentials.jws import UnverifiedToken

#: signature algorithms with a shared secret
_SYMMETRIC: Final = frozenset({"HS256", "HS384", "HS512"})


class _Case(Struct, frozen=True):
    """A refused token of a known issuer, with the claim that is the reason."""

    claim: str
    unverified: UnverifiedToken
    issuer: Issuer


def suggest(reason: Reason, claim: str, unverified: UnverifiedToken, issuer: Issuer) -> str:
    """Return the remedy for one reason; empty for a reason that needs none.

    Args:
        reason: why the token is refused.
        claim: claim that is the reason; empty for none.
        unverified: the token.
        issuer: issuer of the policy that the token names.
    """
    remedy = _REMEDIES.get(reason)
    return remedy(_Case(claim, unverified, issuer)) if remedy else ""


def suggest_issuer(named: str, issuers: Mapping[str, Issuer]) -> str:
    """Return the remedy for a token whose ``iss`` is no issuer of the policy."""
    for known in issuers:
        if known.rstrip("/") == named.rstrip("/"):
            return f"write `issuer: '{named}'` instead of `{known}`: they are compared exactly"
        if _host(known) and _host(known) == _host(named):
            return f"the policy has `{known}` of the same host: write `issuer: '{named}'` if you trust it"
    provider = guess_provider(named)
    keys = f"provider: {provider}, " if provider else ""
    return f"add `issuers: [{{{keys}issuer: '{named}', audience: ...}}]` if you trust it"


def guess_provider(issuer: str) -> str:
    """Return the preset whose example has the same host, or else the same domain; empty if there is none."""
    host = _host(issuer)
    if host and "/realms/" in issuer:
        return "keycloak"
    examples = {name: _host(load_preset(name).example["issuer"]) for name in list_presets()}
    same_host = [name for name, example in examples.items() if example == host]
    same_domain = [
        name
        for name, example in examples.items()
        if example.split(".")[-2:] == host.split(".")[-2:] and not example.endswith((".example", ".local"))
    ]
    return next(iter(same_host + same_domain), "")


def _host(address: str) -> str:
    """Return the host of a URL; empty for any other text, since a token may name anything as its issuer."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _for_algorithm(case: _Case) -> str:
    algorithm = case.unverified.header.algorithm
    if algorithm in _SYMMETRIC:
        return "ask the issuer for an asymmetric algorithm such as RS256: who verifies a shared secret can also sign"
    return f"write `algorithms: [{', '.join((*case.issuer.algorithms, algorithm))}]`"


def _for_type(case: _Case) -> str:
    claims, issuer = case.unverified.claims, case.issuer
    says_id = claims.get("typ") == "ID" or claims.get("token_use") == "id" or case.claim in issuer.require_person
    if issuer.token == "access" and (says_id or not FOREIGN_CLAIMS["access"].isdisjoint(claims)):  # noqa: S105 - a kind of token
        return "send the access token: this looks like an ID token (OpenID Connect Core 2)"
    if issuer.token == "access" and has_type("access", "any", case.unverified.header.kind):  # noqa: S105 - as above
        provider = guess_provider(issuer.issuer)
        preset = f" or `provider: {provider}`" if provider and not issuer.provider else ""
        return f"write `type: any`{preset}: the issuer does not set `typ: at+jwt` (RFC 9068 2.1)"
    return f"the policy accepts `token: {issuer.token}` of this issuer: send that kind of token"


def _for_audience(case: _Case) -> str:
    found, known = find(case.unverified.claims, case.issuer.claims.audience), case.issuer.audience
    named = next((one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)), "")
    listed = ", ".join(f"'{one}'" for one in (*known, named))
    return f"let the client ask for `{known[0]}`; only if `{named}` is this service: `audience: [{listed}]`"


def _for_missing_claim(case: _Case) -> str:
    claim, claims, sources = case.claim, case.unverified.claims, case.issuer.claims
    if claim in sources.audience:
        client = claims.get("client_id")
        if isinstance(client, str):
            return f"write `audience: {{claim: client_id, values: ['{client}']}}` if its tokens have no `aud`"
        return "let the issuer write this service into `aud` (RFC 8707)"
    if claim in sources.subject:
        return "write `claims: {subject: CLAIM}` with the claim that names the customer"
    if claim == "iat":
        return "write `max_lifetime: 0s` if the issuer never sends `iat`: lifetimes are then not bounded"
    return _for_required(case)


def _for_required(case: _Case) -> str:
    return f"send a token with the required `{case.claim}`, or change `require` of the issuer"


def _for_malformed_claim(case: _Case) -> str:
    return f"write `claims: {{...}}` if the issuer states it elsewhere than in `{case.claim}`"


def _for_lifetime(case: _Case) -> str:
    ends, began = (case.unverified.claims.get(name) for name in ("exp", "iat"))
    seconds = ends - began if isinstance(ends, int | float) and isinstance(began, int | float) else 0
    return f"shorten its lifetime at the issuer, or write `max_lifetime: {max(1, -(-int(seconds) // 3_600))}h`"


def _for_clock(case: _Case) -> str:
    return f"compare the clocks: `{case.claim}` is in the future; `leeway` may be up to 60s"


def _for_key(case: _Case) -> str:
    if case.issuer.key_file:
        return f"`{case.issuer.key_file}` has no key that signed it: write the issuer's current keys to it"
    address = case.issuer.jwks_uri or case.issuer.discovery_url or case.issuer.issuer
    return f"compare its keys: `authguard issuer check {address}{' --insecure-http' * case.issuer.insecure_http}`"


def _for_incomplete_response(case: _Case) -> str:
    if case.claim in {"aud", "exp", "iss", "sub"}:
        return f"let the issuer send `{case.claim}`, or write `introspection: {{..., optional: [{case.claim}]}}`"
    return f"let the issuer's introspection send `{case.claim}`"


_REMEDIES: Final[Mapping[Reason, Callable[[_Case], str]]] = {
    Reason.ALGORITHM_REFUSED: _for_algorithm,
    Reason.TYPE_REFUSED: _for_type,
    Reason.AUDIENCE_WRONG: _for_audience,
    Reason.CLAIM_MISSING: _for_missing_claim,
    Reason.CLAIM_REFUSED: _for_required,
    Reason.CLAIM_MALFORMED: _for_malformed_claim,
    Reason.LIFETIME_EXCEEDED: _for_lifetime,
    Reason.TOKEN_EXPIRED: lambda _: "get a new token from the issuer",
    Reason.TOKEN_NOT_YET_VALID: _for_clock,
    Reason.TOKEN_INACTIVE: lambda _: "get a new token: the issuer revoked this one, or it expired",
    Reason.KEY_UNKNOWN: _for_key,
    Reason.SIGNATURE_INVALID: _for_key,
    Reason.KEYS_UNREACHABLE: _for_key,
    Reason.KEYS_UNUSABLE: _for_key,
    Reason.KEYS_BUSY: _for_key,
    Reason.INTROSPECTION_INCOMPLETE: _for_incomplete_response,
    Reason.BOUND_TOKEN: lambda _: "write `sender_constraint: dpop`, and let the client send a proof (RFC 9449)",
    Reason.UNBOUND_TOKEN: lambda _: "let the client ask for a DPoP-bound token (RFC 9449 5)",
}
