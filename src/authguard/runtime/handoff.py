"""The embedded hand-off desk: tickets in the store, at most one open ticket for each account and queue.

Rules: a ticket is one document, changed only by compare-and-set, so that no race loses or duplicates one. Many refused
requests read and do not write. A closed ticket is deleted, and the audit log has its records.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authguard.core.person_name import normalize_name
from authguard.errors import StoreError
from authguard.ports import Ticket

if TYPE_CHECKING:
    from authguard.ports import Store

NAMESPACE: Final = "handoff"
#: maximum number of tickets read to find one by its id
MAX_TICKETS: Final = 100_000
#: maximum number of attempts to change a ticket
MAX_ATTEMPTS: Final = 16


class FiledTicket(Struct, frozen=True):
    """A stored ticket with its progress.

    Attributes:
        ticket: as opened.
        state: ``closed`` only in the result of `StoreDesk.close`.
        by: the person who took or closed it; empty while it is open.
        at: time of that, epoch seconds UTC; time of opening, while it is open.
    """

    ticket: Ticket
    state: Literal["open", "taken", "closed"]
    by: str
    at: float


class NoTicket(Struct, frozen=True):
    """The desk has no ticket of that id: there never was one, or it is closed."""

    id: str


class StoreDesk:
    """Implements `authguard.ports.HandoffDesk` on the store."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        """Store a ticket, or return the stored one of the same account and queue.

        Raises:
            StoreError: it cannot be stored.
        """
        name = _name(ticket)
        document = await self._store.get(NAMESPACE, name)
        if not document:
            document = await self._store.add(NAMESPACE, name, _encode(FiledTicket(ticket, "open", "", ticket.opened)))
        return _decode(document).ticket

    async def tickets(self, limit: int) -> tuple[FiledTicket, ...]:
        """Return the open and taken tickets, at most `limit`, the oldest first.

        Raises:
            StoreError: they cannot be read.
        """
        found = [await self._store.get(NAMESPACE, name) for name in await self._store.list_keys(NAMESPACE, limit)]
        return tuple(
            sorted((_decode(document) for document in found if document), key=lambda filed: filed.ticket.opened)
        )

    async def take(self, id: str, by: str, at: float) -> FiledTicket | NoTicket:  # noqa: A002 - the ticket's own word
        """Take a ticket for a person; the first one keeps it, and is in the result's `by`.

        Args:
            id: of the ticket.
            by: the person.
            at: epoch seconds UTC.

        Raises:
            StoreError: it cannot be read or written.
        """
        for _ in range(MAX_ATTEMPTS):
            name, document = await self._find(id)
            if not document:
                return NoTicket(id)
            filed = _decode(document)
            if filed.state == "taken":
                return filed
            taken = replace(filed, state="taken", by=by, at=at)
            if await self._store.replace(NAMESPACE, name, document, _encode(taken)):
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
            by: the person who closes it.
            at: epoch seconds UTC.
            override: whether to close it even if it is open, or another person has it.

        Returns:
            The ticket, closed; or unchanged if this person may not close it.

        Raises:
            StoreError: it cannot be read or written.
        """
        for _ in range(MAX_ATTEMPTS):
            name, document = await self._find(id)
            if not document:
                return NoTicket(id)
            filed = _decode(document)
            if not override and (filed.state != "taken" or normalize_name(filed.by) != normalize_name(by)):
                return filed
            if await self._store.replace(NAMESPACE, name, document, b""):
                return replace(filed, state="closed", by=by, at=at)
        raise _busy()

    async def rename(self, account: str, subject: str) -> None:
        """Replace the pseudonym of an account's subject in all of its tickets.

        Args:
            account: its key, hexadecimal.
            subject: the new pseudonym.

        Raises:
            StoreError: it cannot be read or written.
        """
        for name in await self._store.list_keys(NAMESPACE, MAX_TICKETS):
            for _ in range(MAX_ATTEMPTS):
                document = await self._store.get(NAMESPACE, name)
                filed = _decode(document) if document else None
                if filed is None or filed.ticket.account != account or filed.ticket.subject == subject:
                    break
                renamed = replace(filed, ticket=replace(filed.ticket, subject=subject))
                if await self._store.replace(NAMESPACE, name, document, _encode(renamed)):
                    break
            else:
                raise _busy()

    async def _find(self, id: str) -> tuple[str, bytes]:  # noqa: A002 - the ticket's own word
        """Return a ticket's key and document; only for operators' commands, because it reads all tickets."""
        for name in await self._store.list_keys(NAMESPACE, MAX_TICKETS):
            document = await self._store.get(NAMESPACE, name)
            if document and _decode(document).ticket.id == id:
                return name, document
        return "", b""


def _name(ticket: Ticket) -> str:
    """Return the key of an account's ticket in a queue; the length prevents collisions of two pairs."""
    return blake2b(f"{len(ticket.account)}:{ticket.account}{ticket.queue}".encode(), digest_size=16).hexdigest()


def _encode(filed: FiledTicket) -> bytes:
    return msgspec.json.encode(filed)


def _decode(document: bytes) -> FiledTicket:
    """Return the ticket of a stored document, or raise `StoreError` if it is damaged."""
    try:
        filed = msgspec.json.decode(document)
        decisions = tuple(map(tuple, filed["ticket"].pop("decisions")))
        return FiledTicket(**filed | {"ticket": Ticket(**filed["ticket"], decisions=decisions)})
    except (ValueError, AttributeError, KeyError, TypeError):
        raise StoreError("a hand-off ticket cannot be read back: restore the store from a backup") from None


def _busy() -> StoreError:
    return StoreError("a hand-off ticket is being changed by another process; try again")
