"""Who may act for an account, and for what: read from what its source says, bounded, and held against one request.

Rules: what cannot be read whole names nobody; a mandate covers the operations that it names, or those whose every scope
it names, and nothing else; names are kept as digests. The form is that of ``may_act`` (RFC 8693 4.4) with ``for``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.snapshot import Delegation, account_key

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import AccountRecord

#: states of an account for which somebody else may act
DELEGATED_STATES: Final = frozenset({"minor", "delegated"})
#: mandates of one account, names in one of them, and characters of a name at the most
MAX_DELEGATIONS: Final = 16
MAX_NAMES: Final = 32
MAX_NAME_CHARS: Final = 255


class DelegationError(Exception):
    """What a source says of who may act is not in the form that is read."""


def parse_delegations(said: object, issuer: str) -> tuple[Delegation, ...]:
    """Read mandates: ``{"sub": ..., "for": [...]}``, or a list of them; ``iss`` where it is not the account's own.

    Args:
        said: by a source; ``None`` where it says nothing of them.
        issuer: of the account.

    Raises:
        Unreadable: anything in it is not of that form, or there is too much of it.
    """
    if said is None:
        return ()
    listed = said if isinstance(said, list) else [said]
    if len(listed) > MAX_DELEGATIONS:
        raise DelegationError
    return tuple(_parse_delegation(one, issuer) for one in listed)


def _parse_delegation(said: object, issuer: str) -> Delegation:
    if not isinstance(said, dict) or not set(said) <= {"sub", "iss", "for"}:
        raise DelegationError
    names, home = said.get("for"), said.get("iss", issuer)
    if (
        not isinstance(names, list)
        or not 0 < len(names) <= MAX_NAMES
        or not all(map(_is_name, (*names, said.get("sub"))))
    ):
        raise DelegationError
    if not _is_name(home):
        raise DelegationError
    return Delegation(account_key(home, said["sub"]), tuple(sorted(set(names))))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS


def covers(account: AccountRecord, principal: Principal, operation: Operation) -> bool:
    """Whether who acts was named, by the report that the account stands by, for this operation.

    Args:
        account: as it stands.
        principal: with the outermost actor; a subject who acts alone needs no mandate.
        operation: asked for.
    """
    if not principal.actor or not principal.person or account.state not in DELEGATED_STATES:
        return False
    actor = account_key(principal.actor_issuer or principal.issuer, principal.actor)
    return any(
        delegation.actor == actor and _names(delegation, operation)
        for report in (account.reports or {}).values()
        if report.state == account.state
        for delegation in report.delegations
    )


def _names(delegation: Delegation, operation: Operation) -> bool:
    return operation.name in delegation.names or (bool(operation.scopes) and operation.scopes <= set(delegation.names))
