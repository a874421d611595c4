"""The kind of a token: only the kind that the issuer's policy declares is accepted (RFC 8725 3.11, 3.12).

Rule: a token that declares another kind is refused. A token that declares no kind is refused for a claim that only
another kind has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``typ`` of an access token (RFC 9068 2.1)
ACCESS_TYPE: Final = "at+jwt"
#: ``typ`` of assertions: ID-JAG (Identity Assertion Authorization Grant), and RFC 7523bis
ASSERTION_TYPES: Final = frozenset({"oauth-id-jag+jwt", "authorization-grant+jwt"})
#: ``typ`` of ID tokens; most have the one of any JWT
ID_TYPES: Final = frozenset({"", "jwt", "id+jwt"})
#: ``typ`` that only mean JWT or JWS (RFC 7519 5.1, RFC 7515 4.1.9)
PLAIN_TYPES: Final = frozenset({"", "jwt", "jws", "jose"})
#: claims in which providers state the use of a token: Cognito and others, Keycloak
_USE_CLAIMS: Final = ("token_use", "typ")
#: declared kind -> accepted values of these claims
_USE_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "access": frozenset({"access", "access_token", "bearer", "dpop", "at+jwt", "application/at+jwt", "jwt"}),
    "id": frozenset({"id", "id_token", "id+jwt", "jwt"}),
    "assertion": frozenset({"assertion", "jwt"}),
}
#: claims only of ID tokens (OpenID Connect Core 2, 3.3.2.11; FAPI), of access tokens, of event tokens (RFC 8417 2.2)
_ID_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
_ACCESS_CLAIMS: Final = frozenset({"scope", "scp"})
_EVENT_CLAIMS: Final = frozenset({"events"})
#: declared kind -> claims of other kinds, which refuse a token that declares no kind
FOREIGN_CLAIMS: Final[Mapping[str, frozenset[str]]] = {
    "access": _ID_CLAIMS,
    "id": _ACCESS_CLAIMS,
    "assertion": frozenset(),
}
#: declared kind -> claims without which a token fits it
_KIND_CLAIMS: Final[Mapping[str, frozenset[str]]] = {
    token: foreign.union(_EVENT_CLAIMS, _USE_CLAIMS) for token, foreign in FOREIGN_CLAIMS.items()
}


def accepted_types(token: str, wanted: str) -> frozenset[str]:
    """Return the header's ``typ`` that fit the declared kind, lower-case, without ``application/``; empty for none.

    Args:
        token: ``access``, ``id`` or ``assertion``, as the policy declares.
        wanted: for access tokens: ``at+jwt``, or ``any`` for issuers that do not set it. A ``typ`` of another kind
            (``logout+jwt``, ``refresh``) never fits an access token.
    """
    if token == "assertion":  # noqa: S105 - a kind of token
        return ASSERTION_TYPES
    if token == "id":  # noqa: S105 - a kind of token
        return ID_TYPES
    return PLAIN_TYPES | {ACCESS_TYPE} if wanted == "any" else frozenset({wanted})


def has_type(token: str, wanted: str, kind: str) -> bool:
    """Return whether the header's ``typ`` fits the declared kind.

    Args:
        token: as for `accepted_types`.
        wanted: as for `accepted_types`.
        kind: the header's ``typ``, lower-case, without ``application/``; empty if the header has none.
    """
    return kind in accepted_types(token, wanted)


def has_claims(token: str, kind: str, claims: Mapping[str, Any]) -> bool:
    """Return whether verified claims fit the declared kind.

    Args:
        token: as for `has_type`.
        kind: as for `has_type`.
        claims: of the token, or of its introspection response (RFC 7662 2.2).
    """
    if _KIND_CLAIMS[token].isdisjoint(claims):
        return True
    stated = {name for name, value in claims.items() if value is not None}  # `null` is a missing claim
    if not _EVENT_CLAIMS.isdisjoint(stated):
        return False
    uses = [claims[name] for name in _USE_CLAIMS if claims.get(name) is not None]
    if uses:
        return all(isinstance(use, str) and use.lower() in _USE_VALUES[token] for use in uses)
    return kind == ACCESS_TYPE or FOREIGN_CLAIMS[token].isdisjoint(stated)
