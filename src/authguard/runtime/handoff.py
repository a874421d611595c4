"""The embedded hand-off desk: tickets for people, one open ticket for each account and queue, kept in the store.

Rules: a ticket is one document, changed only by compare-and-set, so that no race loses or doubles one; a flood of
refused requests reads and does not write; a closed ticket leaves the desk, and the audit log remembers it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from authguard.core.person_name import normalize_name
from authguard.errors import StoreError
from authguard.ports import Ticket

if TYPE_CHECKING:
    from authguard.ports import Store

NAMESPACE: Final = "handoff"
#: tickets looked through for one id
MAX_TICKETS: Final = 100_000
#: how often a ticket that others keep changing is looked at again
MAX_ATTEMPTS: Final = 16


@dataclass(frozen=True, slots=True)
class FiledTicket:
    """A ticket, and how far people have come with it.

    Attributes:
        ticket: as it was opened.
        state: ``closed`` only in what `StoreDesk.close` gives back.
        by: who took or closed it; empty while it is open.
        at: when that was, epoch seconds UTC; when it was opened, while it is open.
    """

    ticket: Ticket
    state: Literal["open", "taken", "closed"]
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class NoTicket:
    """The desk holds no ticket of that id: it never did, or somebody closed it."""

    id: str


class StoreDesk:
    """Implements `authguard.ports.HandoffDesk` on a shelf of the store."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        """Keep a ticket; one that is open or taken for the same account and queue is given back instead.

        Raises:
            StoreError: it cannot be kept now.
        """
        name = _name(ticket)
        kept = await self._store.get(NAMESPACE, name)
        if not kept:
            kept = await self._store.add(NAMESPACE, name, _encode(FiledTicket(ticket, "open", "", ticket.opened)))
        return _decode(kept).ticket

    async def tickets(self, limit: int) -> tuple[FiledTicket, ...]:
        """List the tickets that are open or taken, at most `limit`, the oldest of them first.

        Raises:
            StoreError: they cannot be read now.
        """
        found = [await self._store.get(NAMESPACE, name) for name in await self._store.list_keys(NAMESPACE, limit)]
        return tuple(sorted((_decode(kept) for kept in found if kept), key=lambda filed: filed.ticket.opened))

    async def take(self, id: str, by: str, at: float) -> FiledTicket | NoTicket:  # noqa: A002 - the ticket's own word
        """Take a ticket; whoever took it first keeps it, as the answer's `by` says.

        Args:
            id: of the ticket.
            by: who takes it.
            at: epoch seconds UTC.

        Raises:
            StoreError: it cannot be read or written now.
        """
        for _ in range(MAX_ATTEMPTS):
            name, kept = await self._find(id)
            if not kept:
                return NoTicket(id)
            filed = _decode(kept)
            if filed.state == "taken":
                return filed
            taken = replace(filed, state="taken", by=by, at=at)
            if await self._store.replace(NAMESPACE, name, kept, _encode(taken)):
                return taken
        raise _busy()

    async def close(
        self,
        id: str,  # noqa: A002 - the ticket's own word
        by: str,
        at: float,
        *,
        override: bool = False,
    ) -> FiledTicket | NoTicket:
        """Close a ticket that this person took; the next hand-off of its account and queue opens a new one.

        Args:
            id: of the ticket.
            by: who closes it.
            at: epoch seconds UTC.
            override: close it though nobody took it, or somebody else did.

        Returns:
            The ticket, closed; or as it stands where it may not be closed by them.

        Raises:
            StoreError: it cannot be read or written now.
        """
        for _ in range(MAX_ATTEMPTS):
            name, kept = await self._find(id)
            if not kept:
                return NoTicket(id)
            filed = _decode(kept)
            if not override and (filed.state != "taken" or normalize_name(filed.by) != normalize_name(by)):
                return filed
            if await self._store.replace(NAMESPACE, name, kept, b""):
                return replace(filed, state="closed", by=by, at=at)
        raise _busy()

    async def rename(self, account: str, subject: str) -> None:
        """Call the subject of an account by another name on every ticket of theirs.

        Args:
            account: its key, hexadecimal.
            subject: as the log names it now.

        Raises:
            StoreError: it cannot be read or written now.
        """
        for name in await self._store.list_keys(NAMESPACE, MAX_TICKETS):
            for _ in range(MAX_ATTEMPTS):
                kept = await self._store.get(NAMESPACE, name)
                filed = _decode(kept) if kept else None
                if filed is None or filed.ticket.account != account or filed.ticket.subject == subject:
                    break
                renamed = replace(filed, ticket=replace(filed.ticket, subject=subject))
                if await self._store.replace(NAMESPACE, name, kept, _encode(renamed)):
                    break
            else:
                raise _busy()

    async def _find(self, id: str) -> tuple[str, bytes]:  # noqa: A002 - the ticket's own word
        """Look for a ticket's place; an operator's command may, a request never does."""
        for name in await self._store.list_keys(NAMESPACE, MAX_TICKETS):
            kept = await self._store.get(NAMESPACE, name)
            if kept and _decode(kept).ticket.id == id:
                return name, kept
        return "", b""


def _name(ticket: Ticket) -> str:
    """Name the one place that an account has in a queue; the length keeps two pairs from colliding."""
    return blake2b(f"{len(ticket.account)}:{ticket.account}{ticket.queue}".encode(), digest_size=16).hexdigest()


def _encode(filed: FiledTicket) -> bytes:
    return msgspec.json.encode(filed)


def _decode(kept: bytes) -> FiledTicket:
    """Read a document back.

    Raises:
        StoreError: it is damaged.
    """
    try:
        filed = msgspec.json.decode(kept)
        decisions = tuple(map(tuple, filed["ticket"].pop("decisions")))
        return FiledTicket(**filed | {"ticket": Ticket(**filed["ticket"], decisions=decisions)})
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
        raise StoreError("a hand-off ticket cannot be read back: restore the store from a copy") from None


def _busy() -> StoreError:
    return StoreError("a hand-off ticket is being changed by others: try again")
