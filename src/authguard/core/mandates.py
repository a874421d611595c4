"""Who may act for an account, and for what: read from what its source says, bounded, and held against one request.

Rules: what cannot be read whole names nobody; a mandate covers the operations that it names, or those whose every scope
it names, and nothing else; names are kept as digests. The form is that of ``may_act`` (RFC 8693 4.4) with ``for``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.snapshot import Mandate, account_key

if TYPE_CHECKING:
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import AccountRecord

#: states of an account for which somebody else may act
MANDATED: Final = frozenset({"minor", "delegated"})
#: mandates of one account, names in one of them, and characters of a name at the most
MANDATES: Final = 16
NAMES: Final = 32
NAME_CHARACTERS: Final = 255


class Unreadable(Exception):  # noqa: N818 - says what happened; caught by whoever reads a report
    """What a source says of who may act is not in the form that is read."""


def read(said: object, issuer: str) -> tuple[Mandate, ...]:
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
    if len(listed) > MANDATES:
        raise Unreadable
    return tuple(_mandate(one, issuer) for one in listed)


def _mandate(said: object, issuer: str) -> Mandate:
    if not isinstance(said, dict) or not set(said) <= {"sub", "iss", "for"}:
        raise Unreadable
    names, home = said.get("for"), said.get("iss", issuer)
    if not isinstance(names, list) or not 0 < len(names) <= NAMES or not all(map(_is_name, (*names, said.get("sub")))):
        raise Unreadable
    if not _is_name(home):
        raise Unreadable
    return Mandate(account_key(home, said["sub"]), tuple(sorted(set(names))))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_CHARACTERS


def covers(account: AccountRecord, principal: Principal, operation: Operation) -> bool:
    """Whether who acts was named, by the report that the account stands by, for this operation.

    Args:
        account: as it stands.
        principal: with the outermost actor; a subject who acts alone needs no mandate.
        operation: asked for.
    """
    if not principal.actor or not principal.person or account.state not in MANDATED:
        return False
    actor = account_key(principal.actor_issuer or principal.issuer, principal.actor)
    return any(
        mandate.actor == actor and _names(mandate, operation)
        for report in (account.reports or {}).values()
        if report.state == account.state
        for mandate in report.mandates
    )


def _names(mandate: Mandate, operation: Operation) -> bool:
    return operation.name in mandate.names or (bool(operation.scopes) and operation.scopes <= set(mandate.names))
