"""Hand-off tickets: identity so far, states and last decisions of a customer who is handed to a person."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES
from authguard.ports import Ticket

if TYPE_CHECKING:
    from authguard.core.request import Principal
    from authguard.evaluation.decision import Decision
    from authguard.evaluation.request import AccessRequest
    from authguard.ports import HandoffDesk, Ids
    from authguard.runtime.journal import Journal

#: maximum number of sessions with stored decisions, and of decisions for each
MAX_SESSIONS: Final = 4_096
MAX_DECISIONS: Final = 5

RecentDecision = tuple[float, str, str, str]


class TicketOpener:
    """Opens tickets, and holds the last decisions of each session for them."""

    __slots__ = ("_desk", "_ids", "_journal", "_recent")

    def __init__(self, desk: HandoffDesk, journal: Journal, ids: Ids) -> None:
        """Store the parts."""
        self._desk = desk
        self._journal = journal
        self._ids = ids
        self._recent: OrderedDict[bytes, deque[RecentDecision]] = OrderedDict()

    def add_decision(self, session: bytes, now: float, operation: str, outcome: str, record: str) -> None:
        """Store a decision of a session; the sessions without recent decisions are dropped first."""
        if not session:
            return
        decisions = self._recent.get(session)
        if decisions is None:
            if len(self._recent) >= MAX_SESSIONS:
                self._recent.popitem(last=False)
            decisions = self._recent[session] = deque(maxlen=MAX_DECISIONS)
        else:
            self._recent.move_to_end(session)
        decisions.append((now, operation, outcome, record))

    async def open_ticket(
        self, request: AccessRequest, principal: Principal, decision: Decision, record: str, now: float
    ) -> str:
        """Open a ticket, or find the open one; return its id.

        Raises:
            StoreError: the desk cannot store it.
        """
        ticket = Ticket(
            id=self._ids.secret(),
            queue=decision.fallback.queue,
            opened=now,
            operation=request.operation.name,
            subject=principal.pseudonym,
            account=principal.account_key.hex(),
            session=principal.session_key.hex(),
            states=dict(zip(MACHINES, decision.snapshot.states(), strict=True)),
            assurance={"acr": principal.acr, "auth_time": principal.auth_time},
            decisions=tuple(self._recent.get(principal.session_key, ())),
            record=record,
        )
        stored = await self._desk.open_ticket(ticket)
        if stored.id == ticket.id:
            self._journal.record_act(
                "handoff.opened",
                now,
                by="guard",
                note=stored.queue,
                subject=principal.pseudonym,
                session=ticket.session,
                ticket=stored.id,
            )
        return stored.id
