"""Delegations: who may act for an account, and for which operations; parsed from the report of an account source.

Rules of this file:
- A malformed list contains no delegation.
- A delegation covers the operations that it names, or the operations of which it names every scope, and nothing else.
- Names are stored as digests. The format is that of ``may_act`` (RFC 8693 4.4), with ``for`` added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.record_keys import account_key
from authguard.core.snapshot import Delegation

if TYPE_CHECKING:
    from collections.abc import Container

    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import AccountRecord

#: delegations per account, names per delegation, and characters per name, at the most
MAX_DELEGATIONS: Final = 16
MAX_NAMES: Final = 32
MAX_NAME_CHARS: Final = 255


class DelegationError(Exception):
    """The delegations of a source are malformed."""


def parse_delegations(value: object, issuer: str) -> tuple[Delegation, ...]:
    """Parse delegations: ``{"sub": ..., "for": [...]}``, or a list of them, with ``iss`` for another issuer.

    Args:
        value: value from the source; ``None`` if it sends none.
        issuer: of the account.

    Raises:
        DelegationError: the value is malformed or too large.
    """
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_DELEGATIONS:
        raise DelegationError
    return tuple(_parse_delegation(one, issuer) for one in listed)


def _parse_delegation(value: object, issuer: str) -> Delegation:
    if not isinstance(value, dict) or not set(value) <= {"sub", "iss", "for"}:
        raise DelegationError
    names, home = value.get("for"), value.get("iss", issuer)
    if (
        not isinstance(names, list)
        or not 0 < len(names) <= MAX_NAMES
        or not all(map(_is_name, (*names, value.get("sub"))))
    ):
        raise DelegationError
    if not _is_name(home):
        raise DelegationError
    return Delegation(account_key(home, value["sub"]), tuple(sorted(set(names))))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS


def covers(account: AccountRecord, principal: Principal, operation: Operation, sources: Container[str]) -> bool:
    """Return whether the report behind the account's state delegates this operation to the actor.

    Args:
        account: current record.
        principal: with the outermost actor; a subject that acts alone needs no delegation.
        operation: requested.
        sources: names of the account sources whose delegations the policy reads.
    """
    if not principal.actor or not principal.person:
        return False
    actor = account_key(principal.actor_issuer or principal.issuer, principal.actor)
    return any(
        delegation.actor == actor and _names(delegation, operation)
        for source, report in (account.reports or {}).items()
        if source in sources and report.state == account.state
        for delegation in report.delegations
    )


def _names(delegation: Delegation, operation: Operation) -> bool:
    return operation.name in delegation.names or (bool(operation.scopes) and operation.scopes <= set(delegation.names))
