"""The port of hand-offs to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ticket(Struct, frozen=True, kw_only=True):
    """One hand-off to a person, with the verified facts so far.

    Attributes:
        id: unguessable.
        queue: queue of the ticket.
        opened: epoch seconds UTC.
        operation: requested operation.
        subject: pseudonym.
        account: the account's key, hex.
        session: the session's key, hex.
        states: machine -> state.
        assurance: ``acr`` and authentication time of the credential, as verified.
        decisions: the last decisions of this session, oldest first: ``(at, operation, outcome, record id)``.
        record: id of the decision that handed off.
    """

    id: str
    queue: str
    opened: float
    operation: str
    subject: str
    account: str
    session: str
    states: Mapping[str, str] = field(default_factory=dict)
    assurance: Mapping[str, str | float] = field(default_factory=dict)
    decisions: tuple[tuple[float, str, str, str], ...] = ()
    record: str = ""


class HandoffDesk(Protocol):
    """The tickets with which people take over."""

    async def open_ticket(self, ticket: Ticket) -> Ticket:
        """Store a ticket; return the open one of the same account and queue instead, if there is one.

        Raises:
            StoreError: the ticket cannot be stored now.
        """
        ...
