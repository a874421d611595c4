"""Ledger keys: the store records in which an operation's limits count.

A limit's dimension is verified (subject, actor, client, issuer), read from the body like the amount (payee), or shared
by all (operation, service). If it cannot be determined there is no key, and the request is `unmeasured`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from authguard.core.agents import is_registered
from authguard.core.amount import UnreadableValueError, read_payee

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from authguard.core.agents import Agent
    from authguard.core.request import Operation, Principal

#: dimensions with a ledger record, widest first: a request that loses a race for several waits for the widest
LEDGER_DIMENSIONS: Final = ("service", "issuer", "operation", "client", "payee", "actor")


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
    found: list[tuple[str, bytes]] = []
    for by in LEDGER_DIMENSIONS:
        if by not in wanted:
            continue
        match by:
            case "service":
                parts: tuple[str, ...] = ("all",)
            case "issuer":
                parts = (principal.issuer,)
            case "operation":
                parts = (operation.name,)
            case "client":
                parts = (principal.issuer, principal.client) if principal.client else ()
            case "payee":
                parts = _payee(operation, document)
            case _:
                parts = _actor(principal, agents)
        if parts:
            found.append((by, _key(by, *parts)))
    return tuple(found)


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
