"""Ledger keys: the store records in which an operation's limits count.

A limit's dimension is verified (subject, actor, client, issuer), read from the body like the amount (payee), or shared
by all (operation, service). If it cannot be determined there is no key, and the request is `unmeasured`. Flags are
stored in the same ledgers; that of a subject with a payee has only flags.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from authguard.core import flags
from authguard.core.agents import is_registered
from authguard.core.amount import UnreadableValueError, normalize_payee, read_payee

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from authguard.core.agents import Agent
    from authguard.core.request import Operation, Principal

#: dimensions with a ledger record, widest first: a request that loses a race for several waits for the widest
LEDGER_DIMENSIONS: Final = ("service", "issuer", "operation", "client", "payee", "actor", flags.SUBJECT_PAYEE)


def find_ledger_keys(
    operation: Operation, principal: Principal, document: object, agents: AbstractSet[Agent]
) -> tuple[tuple[str, bytes], ...]:
    """Return the ledgers of an operation's limits, except the account's and the session's.

    Args:
        operation: with its limits.
        principal: verified.
        document: of the body, as for `authguard.core.amount.read_amount`.
        agents: registered actors: a client that is one counts as the actor (RFC 8693 4.1).

    Returns:
        Dimension and record key, widest first; a dimension that cannot be determined is left out.
    """
    wanted = operation.ledger_dimensions
    if not wanted:
        return ()
    found = ((by, _parts(by, operation, principal, document, agents)) for by in LEDGER_DIMENSIONS if by in wanted)
    return tuple([(by, _key(by, *parts)) for by, parts in found if parts])


def _parts(
    by: str, operation: Operation, principal: Principal, document: object, agents: AbstractSet[Agent]
) -> tuple[str, ...]:
    """Return the parts of a ledger's key; none if they cannot be determined."""
    if by in flags.PAYEE_DIMENSIONS:
        payee = _payee(operation, document)
        return payee if by == flags.PAYEE or not payee else (principal.account_key.hex(), *payee)
    found: tuple[str, ...] = _actor(principal, agents)
    if by == "service":
        found = ("all",)
    elif by == "issuer":
        found = (principal.issuer,)
    elif by == "operation":
        found = (operation.name,)
    elif by == "client":
        found = (principal.issuer, principal.client) if principal.client else ()
    return found


def find_payee_ledger(by: str, account: bytes, payee: str) -> tuple[str, bytes]:
    """Return the ledger of a payee that a person names, as dimension and record key.

    Args:
        by: one of `authguard.core.flags.PAYEE_DIMENSIONS`.
        account: key of the account, for ``subject+payee``.
        payee: as written; every spelling is the same payee.

    Raises:
        UnreadableValueError: it is too long, or has no letter or digit.
    """
    named = normalize_payee(payee)
    return by, _key(by, named) if by == flags.PAYEE else _key(by, account.hex(), named)


def _actor(principal: Principal, agents: AbstractSet[Agent]) -> tuple[str, ...]:
    """Return the parts of the actor's key, so that an agent has one budget for all its customers."""
    if principal.actor:
        return principal.actor_issuer or principal.issuer, "agent", principal.actor
    if is_registered(agents, principal.issuer, principal.client):
        return principal.issuer, "agent", principal.client
    return principal.issuer, "self", principal.subject


def _payee(operation: Operation, document: object) -> tuple[str, ...]:
    try:
        return (read_payee(operation, document),)
    except UnreadableValueError:
        return ()


def _key(*parts: str) -> bytes:
    digest = blake2b(digest_size=16, person=b"limit")
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()
