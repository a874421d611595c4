"""Writing the audit log: every kind of line has one function here, and each gives back what its caller must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.entries import ActEntry, DecisionEntry, FaultEntry, RefusalEntry, TransitionEntry, WithdrawalEntry
from authguard.core.request import Proven

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.chain import LineTemplate
    from authguard.core.machine import Transition
    from authguard.core.outcomes import Reason
    from authguard.core.request import Credential
    from authguard.core.snapshot import Keys
    from authguard.ports import AuditSink, Ids
    from authguard.runtime.access import AccessRequest
    from authguard.runtime.decision_point import Plan, RequestFacts

#: characters of a note that are kept
MAX_NOTE_LENGTH = 500
#: machines whose moves name the session; a transaction's is the one in which it was asked for
_OF_SESSIONS = frozenset({"session", "verification", "transaction"})


class Journal:
    """The log as the guard writes it: one policy's digest, one sink."""

    __slots__ = ("_append_again", "_ids", "_policy", "_sink")

    def __init__(self, policy: str, sink: AuditSink, ids: Ids) -> None:
        """Keep the parts.

        Args:
            policy: digest that every line names.
            sink: where lines go.
            ids: for their ids.
        """
        self._policy = policy
        self._sink = sink
        self._append_again = sink.append_cached
        self._ids = ids

    def open(self) -> None:
        """Open the sink."""
        self._sink.open()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    async def flush(self, position: int) -> None:
        """Wait until a line is on the disk."""
        await self._sink.flush(position)

    def record_decision(  # noqa: PLR0917 - the parts of one line
        self, record: str, request: AccessRequest, facts: RequestFacts, plan: Plan, keys: Keys, ticket: str, now: float
    ) -> tuple[DecisionEntry, int]:
        """Write the decision on a request; give the line and its position."""
        credential = facts.credential
        principal = credential.principal if isinstance(credential, Proven) else None
        entry = DecisionEntry(
            id=record,
            at=now,
            policy=self._policy,
            operation=request.operation.name,
            cell=plan.cell,
            rule=plan.rule,
            outcome=plan.fallback.kind.value,
            fallback=plan.fallback.name,
            reason=plan.reason.code if isinstance(credential, Proven) else credential.reason.code,
            events=plan.events,
            subject=principal.pseudonym if principal else "",
            actor=principal.actor_pseudonym if principal else "",
            session=keys.session.hex(),
            credential=principal.fingerprint if principal else "",
            transaction=keys.transaction if plan.opened else "",
            channel=facts.channel,
            ticket=ticket,
            trace_id=request.evidence.trace,
        )
        return entry, self._sink.append(entry)

    def record_cached_decision(self, template: LineTemplate, now: float, trace: str) -> str:
        """Write a decision that is the same as an earlier one but for its time, its id and its trace; give its id."""
        record = self._ids.record(now)
        self._append_again(template, record, now, trace)
        return record

    def record_transitions(
        self,
        transitions: Sequence[Transition],
        keys: Keys,
        *,
        subject: str = "",
        decision: str = "",
        note: str = "",
    ) -> tuple[str, ...]:
        """Write the transitions of one step; give the ids of their lines."""
        written = []
        for transition in transitions:
            record = self._ids.record(transition.at)
            personal = transition.machine != "service"
            self._sink.append(
                TransitionEntry(
                    id=record,
                    at=transition.at,
                    policy=self._policy,
                    machine=transition.machine,
                    event=transition.event,
                    source=transition.source,
                    dest=transition.dest,
                    cause=sanitize_text(transition.cause),
                    decision=decision,
                    subject=subject if personal else "",
                    session=keys.session.hex() if transition.machine in _OF_SESSIONS else "",
                    transaction=keys.transaction if transition.machine == "transaction" else "",
                    note=sanitize_text(note),
                )
            )
            written.append(record)
        return tuple(written)

    def record_withdrawal(self, records: Sequence[str], now: float) -> None:
        """Say that lines are void, because another request changed the same standing first."""
        self._sink.append(
            WithdrawalEntry(id=self._ids.record(now), at=now, policy=self._policy, records=tuple(records)),
        )

    def record_refusal(
        self, request: AccessRequest | None, reason: Reason, credential: Credential, now: float, *, trace: str = ""
    ) -> str:
        """Write a refusal that has no cell; give its id."""
        record = self._ids.record(now)
        self._sink.append(
            RefusalEntry(
                id=record,
                at=now,
                policy=self._policy,
                reason=reason.code,
                status=reason.status,
                operation=request.operation.name if request else "",
                subject=credential.principal.pseudonym if isinstance(credential, Proven) else "",
                trace_id=request.evidence.trace if request else trace,
            )
        )
        return record

    def open_window(self, reason: Reason, now: float, operation: str, most: int) -> str:
        """Write a record that covers up to `most` requests of nobody; return its id."""
        record = self._ids.record(now)
        entry = RefusalEntry(
            id=record,
            at=now,
            policy=self._policy,
            reason=reason.code,
            status=_status(reason),
            operation=operation,
            most=most,
        )
        self._sink.append(entry)
        return record

    def close_window(self, reason: Reason, now: float, operation: str, window: str, count: int) -> None:
        """Write how many requests a window covered."""
        entry = RefusalEntry(
            id=self._ids.record(now),
            at=now,
            policy=self._policy,
            reason=reason.code,
            status=_status(reason),
            operation=operation,
            window=window,
            count=count,
        )
        self._sink.append(entry)

    def record_fault(self, reason: Reason, where: str, error: BaseException, operation: str, now: float) -> str:
        """Write a fault of the guard: the class of what was raised, never its message."""
        record = self._ids.record(now)
        self._sink.append(
            FaultEntry(
                id=record,
                at=now,
                policy=self._policy,
                reason=reason.code,
                where=where,
                error=type(error).__name__,
                operation=operation,
            )
        )
        return record

    def record_act(
        self,
        act: str,
        now: float,
        *,
        by: str = "",
        note: str = "",
        subject: str = "",
        session: str = "",
        ticket: str = "",
        transaction: str = "",
        decision: str = "",
        over: tuple[str, ...] = (),
    ) -> str:
        """Write what a person or the deployment did; give its id."""
        record = self._ids.record(now)
        self._sink.append(
            ActEntry(
                id=record,
                at=now,
                policy=self._policy,
                act=act,
                by=sanitize_text(by),
                note=sanitize_text(note),
                subject=subject,
                session=session,
                ticket=ticket,
                transaction=transaction,
                decision=decision,
                over=over,
            )
        )
        return record


def _status(reason: Reason) -> int:
    """Return the status of a window's requests; a public admission has the app's own, for which 200 stands."""
    return reason.status or 200


def escape_text(text: str) -> str:
    """Write another system's word so that it can be told again and forges nothing: as ASCII, the rest as escapes."""
    return text.encode("unicode_escape").decode("ascii")[:MAX_NOTE_LENGTH]


def sanitize_text(text: str) -> str:
    """Bound a person's text and take out what could forge a line or turn its direction (ASVS 16.4.1)."""
    return "".join(character if character.isprintable() else " " for character in text[:MAX_NOTE_LENGTH])
