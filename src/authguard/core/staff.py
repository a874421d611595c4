"""Staff roles of a verified person, from the policy's claim; only tokens of the named issuers grant roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.json_pointer import PointerError, resolve_pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.request import Operation, Principal

#: roles accepted per token, and characters of one role
MAX_ROLES: Final = 256
MAX_ROLE_CHARS: Final = 256


def parse_roles(principal: Principal, claim: str, issuers: frozenset[str]) -> frozenset[str]:
    """Return the roles in verified claims (RFC 9068 2.2.3.1).

    Args:
        principal: verified.
        claim: the claim's name, or a JSON Pointer into the claims; empty if the policy has no staff.
        issuers: issuers that may grant roles.

    Returns:
        The roles; none for another issuer, for a subject that is no person, and for a claim that is missing or is
            neither a string nor a list of strings.
    """
    if principal.issuer not in issuers or not principal.person or has_excess_roles(principal, claim):
        return frozenset()
    listed = _listed_roles(principal, claim)
    roles = [role for role in listed if isinstance(role, str) and 0 < len(role) <= MAX_ROLE_CHARS]
    return frozenset(roles if len(roles) == len(listed) else ())


def has_excess_roles(principal: Principal, claim: str) -> bool:
    """Return whether a token has more than `MAX_ROLES` roles, so that none of them counts.

    Args:
        principal: verified.
        claim: as for `parse_roles`.
    """
    return len(_listed_roles(principal, claim)) > MAX_ROLES


def _listed_roles(principal: Principal, claim: str) -> Sequence[object]:
    """Return the items of the claim; a text is one role, since splitting it could grant another."""
    claims = principal.claims
    if not claim:
        return ()
    try:
        found = resolve_pointer(dict(claims), claim) if claim.startswith("/") else claims.get(claim)
    except PointerError:
        return ()
    if isinstance(found, str):
        return [found]
    return found if isinstance(found, list | tuple) else ()


def effective_roles(
    operation: Operation, principal: Principal, acting: str, claim: str, issuers: frozenset[str]
) -> frozenset[str]:
    """Return the roles that count for an operation.

    Args:
        operation: requested.
        principal: verified.
        acting: from `authguard.core.conditions.classify_actor`; a customer's roles do not count while an agent acts.
        claim: as for `parse_roles`.
        issuers: as for `parse_roles`.

    Returns:
        The roles; none if the operation needs none.
    """
    return parse_roles(principal, claim, issuers) if operation.roles and acting == "subject" else frozenset()
