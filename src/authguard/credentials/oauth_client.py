"""The OAuth client of a token, and whether its subject is a person: from the claims that providers document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: claims with the client: RFC 9068 2.2 and RFC 8693 4.3, OpenID Connect Core 2, Okta, Entra ID v1
CLIENT_CLAIMS: Final = ("client_id", "azp", "cid", "appid")
#: claims with the grant type, at Auth0 and others
_GRANT_CLAIMS: Final = ("gty", "grant_type")
_CLIENT_CREDENTIALS: Final = "client-credentials"


class AmbiguousClientError(Exception):
    """A token names two clients."""


def find_client(named: tuple[str, ...]) -> str:
    """Return the client of a token; empty if it names none.

    Args:
        named: values of `CLIENT_CLAIMS`; empty for missing claims.

    Raises:
        AmbiguousClientError: two claims disagree, so the actor is not known.
    """
    clients = {name for name in named if name}
    if len(clients) > 1:
        raise AmbiguousClientError
    return clients.pop() if clients else ""


def is_person(claims: Mapping[str, Any], client: str) -> bool:
    """Return whether the subject of verified claims is a person, not the client itself (RFC 9068 5, RFC 9700 4.15).

    A token of the client credentials grant (RFC 6749 4.4) is recognized by any of: a subject that equals the client, or
    ``CLIENT@clients`` (Auth0); ``idtyp: app`` (Entra ID), or a subject that equals the object id in a token without
    delegated scopes; ``gty`` or ``grant_type`` (Auth0, FusionAuth); ``aut: APPLICATION`` (WSO2); the name of a service
    account (Keycloak).

    Args:
        claims: verified.
        client: from `find_client`.
    """
    subject = claims["sub"]
    if client and (
        subject in {client, f"{client}@clients"}
        or _is(claims.get("preferred_username"), f"service-account-{client}")
        or (claims.get("oid") == subject and "scp" not in claims)
    ):
        return False
    if _is(claims.get("idtyp"), "app") or _is(claims.get("aut"), "application"):
        return False
    return not any(_holds_client_credentials(claims.get(name)) for name in _GRANT_CLAIMS)


def _is(value: object, word: str) -> bool:
    return isinstance(value, str) and value.casefold() == word.casefold()


def _holds_client_credentials(value: object) -> bool:
    grants = value if isinstance(value, list) else [value]
    return any(isinstance(one, str) and one.casefold().replace("_", "-") == _CLIENT_CREDENTIALS for one in grants)
