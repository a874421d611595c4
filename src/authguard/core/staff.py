"""Which roles a proven person has, by the claim that the policy names; only an issuer's word makes anybody staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.json_pointer import PointerError, resolve_pointer

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal

#: roles that are believed of one token, and characters of one
ROLES_BOUND: Final = 256
ROLE_CHARACTERS: Final = 256


def parse_roles(principal: Principal, claim: str, issuers: frozenset[str]) -> frozenset[str]:
    """Read the roles out of verified claims (RFC 9068 2.2.3.1).

    Args:
        principal: proven.
        claim: the claim's name, or a JSON Pointer into the claims; empty where the policy knows no staff.
        issuers: whose roles make staff.

    Returns:
        The roles; none where another issuer names them, where the subject is no person, and where the claim is missing
        or is anything but a list of texts or one text.
    """
    claims = principal.claims
    if not claim or principal.issuer not in issuers or not principal.person:
        return frozenset()
    try:
        found = resolve_pointer(dict(claims), claim) if claim.startswith("/") else claims.get(claim)
    except PointerError:
        return frozenset()
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list | tuple) or len(listed) > ROLES_BOUND:
        return frozenset()
    if not all(isinstance(role, str) and 0 < len(role) <= ROLE_CHARACTERS for role in listed):
        return frozenset()
    return frozenset(listed)


def effective_roles(
    operation: Operation, principal: Principal, acting: str, claim: str, issuers: frozenset[str]
) -> frozenset[str]:
    """Read the roles that count for an operation.

    Args:
        operation: asked for.
        principal: proven.
        acting: from `authguard.core.conditions.classify_actor`; while an agent acts, no role of its customer's counts.
        claim: as for `parse_roles`.
        issuers: as for `parse_roles`.

    Returns:
        The roles; none where the operation asks for none.
    """
    return parse_roles(principal, claim, issuers) if operation.roles and acting == "subject" else frozenset()
