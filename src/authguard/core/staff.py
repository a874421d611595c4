"""Staff roles of a verified person, from the policy's claim; only tokens of the named issuers grant roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from authguard.core.claim_source import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.request import Operation, Principal

#: roles accepted per token, and characters of one role
MAX_ROLES: Final = 256
MAX_ROLE_CHARS: Final = 256


#: issuer that may grant roles -> claims or JSON Pointers with the roles
RoleSources = Mapping[str, tuple[str, ...]]


def parse_roles(principal: Principal, sources: RoleSources) -> frozenset[str]:
    """Return the roles in verified claims (RFC 9068 2.2.3.1).

    Args:
        principal: verified.
        sources: of the issuers that may grant roles; the roles of all sources count.

    Returns:
        The roles; none for another issuer and for a subject that is no person. A source that is neither a text nor a
            list of texts grants none.
    """
    if principal.issuer not in sources or not principal.person:
        return frozenset()
    claims = principal.claims
    listed_at = [name for name in sources[principal.issuer] if name[:1] == "/" or name in claims]
    if not listed_at:
        return frozenset()
    lists = _list_roles(principal, sources)
    if sum(map(len, lists)) > MAX_ROLES:
        return frozenset()
    roles = frozenset[str]()
    for listed in lists:
        named = [role for role in listed if isinstance(role, str) and 0 < len(role) <= MAX_ROLE_CHARS]
        roles |= frozenset(named if len(named) == len(listed) else ())
    return roles


def has_excess_roles(principal: Principal, sources: RoleSources) -> bool:
    """Return whether a token has more than `MAX_ROLES` roles, so that none of them counts.

    Args:
        principal: verified.
        sources: as for `parse_roles`.
    """
    return sum(map(len, _list_roles(principal, sources))) > MAX_ROLES


def _list_roles(principal: Principal, sources: RoleSources) -> list[Sequence[object]]:
    """Return the items of each source; a text is one role, since splitting it could grant another."""
    claims = principal.claims
    lists: list[Sequence[object]] = []
    for source in sources.get(principal.issuer, ()):
        found = claims.get(source) if source[:1] != "/" else find(claims, (source,))
        if isinstance(found, str):
            lists.append([found])
        elif isinstance(found, list | tuple):
            lists.append(found)
    return lists


def effective_roles(operation: Operation, principal: Principal, acting: str, sources: RoleSources) -> frozenset[str]:
    """Return the roles that count for an operation.

    Args:
        operation: requested.
        principal: verified.
        acting: from `authguard.core.conditions.classify_actor`; a customer's roles do not count while an agent acts.
        sources: as for `parse_roles`.

    Returns:
        The roles; none if the operation needs none.
    """
    return parse_roles(principal, sources) if operation.roles and acting == "subject" else frozenset()
