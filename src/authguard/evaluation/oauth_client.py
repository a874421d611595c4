"""The OAuth client of a token, and whether its subject is a person: from the claims that providers document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.core.claim_source import present
from authguard.evaluation import claim_reader
from authguard.evaluation.claim_reader import ClaimError
from authguard.evaluation.sharing import share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import ClaimValues

#: claims with the grant type, at Auth0 and others
_GRANT_CLAIMS: Final = ("gty", "grant_type")
_CLIENT_CREDENTIALS: Final = "client-credentials"
#: claims of which at least one marks the token of a machine, if it has the right value
_MACHINE_CLAIMS: Final = frozenset({"preferred_username", "oid", "idtyp", "aut", *_GRANT_CLAIMS})


def find_client(claims: Mapping[str, Any], sources: tuple[str, ...]) -> str:
    """Return the client of a token; empty if it names none.

    Args:
        claims: verified.
        sources: claims or JSON Pointers; those that are present must agree.

    Raises:
        ClaimError: a value is not a text, or two disagree, so that the actor is not known.
    """
    found = ""
    for source, value in present(claims, sources):
        if not claim_reader.is_name(value) or (found and value and value != found):
            raise ClaimError(source)
        found = found or str(value)
    client: str = share(found)
    return client


def is_person(claims: Mapping[str, Any], subject: str, client: str, machine: ClaimValues) -> bool:
    """Return whether the subject of verified claims is a person, not the client itself (RFC 9068 5, RFC 9700 4.15).

    A token of the client credentials grant (RFC 6749 4.4) is recognized by any of: a subject that equals the client, or
    ``CLIENT@clients`` (Auth0); ``idtyp: app`` (Entra ID), or a subject that equals the object id in a token without
    delegated scopes; ``gty`` or ``grant_type`` (Auth0, FusionAuth); ``aut: APPLICATION`` (WSO2); the name of a service
    account (Keycloak).

    Args:
        claims: verified.
        subject: of the token.
        client: from `find_client`.
        machine: further marks of the issuer's machines, of which any one suffices.
    """
    if machine and any(claim_reader.has_value(claims, source, values) for source, values in machine.items()):
        return False
    if client and (subject == client or subject == f"{client}@clients"):  # noqa: PLR1714 - a set would be built each time
        return False
    if _MACHINE_CLAIMS.isdisjoint(claims):
        return True
    if client and (
        _is(claims.get("preferred_username"), f"service-account-{client}")
        or (claims.get("oid") == subject and claims.get("scp") is None)
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
