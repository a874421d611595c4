"""Writer of audit records: one method for each kind of record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.core.request import Proven
from authguard.records.chain import add_properties
from authguard.records.entries import (
    ActEntry,
    DecisionEntry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from authguard.records.record_types import MAX_TEXT_CHARS, METHOD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.machine import Transition
    from authguard.core.outcomes import Reason
    from authguard.core.request import Credential
    from authguard.core.snapshot import Keys
    from authguard.evaluation.decision import Decision
    from authguard.evaluation.recorded_facts import Facts
    from authguard.evaluation.request import AccessRequest, RequestFacts
    from authguard.ports import AuditSink, Ids
    from authguard.records.chain import LineTemplate

_METHOD: Final = re.compile(METHOD)
#: longer notes are cut
MAX_NOTE_LENGTH = 500
#: machines without the session in their records; for a transaction and a flag, it is that of the request
_SESSIONLESS = frozenset({"service", "account"})
#: machines without the transaction in their records
_UNTRANSACTED = frozenset({"service", "account", "session", "verification"})


class Journal:
    """Writes audit records to a sink, with the policy's digest."""

    __slots__ = ("_append_again", "_ids", "_policy", "_properties", "_sink", "flush")

    def __init__(self, policy: str, sink: AuditSink, ids: Ids, properties: frozenset[str] = frozenset()) -> None:
        """Store the parts.

        Args:
            policy: digest for every record.
            sink: receives the records.
            ids: source of record ids.
            properties: of each request that are recorded: ``peer``, ``method``, ``path``.
        """
        self._properties = properties
        self._policy = policy
        self._sink = sink
        self._append_again = sink.append_cached
        #: waits until a line is on the disk
        self.flush: Final = sink.flush
        self._ids = ids

    def open(self) -> None:
        """Open the sink."""
        self._sink.open()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def record_decision(  # noqa: PLR0917 - the parts of one record
        self, record: str, request: AccessRequest, facts: RequestFacts, decision: Decision, ticket: str, recorded: Facts
    ) -> tuple[DecisionEntry, int]:
        """Write the decision on a request, with its recorded facts; return its record and position."""
        credential = facts.credential
        peer, method, path = self._properties_of(request) if self._properties else ("", "", "")
        principal = credential.principal if isinstance(credential, Proven) else None
        entry = DecisionEntry(
            id=record,
            at=facts.now,
            policy=self._policy,
            operation=request.operation.name,
            cell=decision.cell,
            context=dict(decision.context),
            limits=decision.limits,
            rule=decision.rule,
            outcome=decision.fallback.kind.value,
            fallback=decision.fallback.name,
            reason=decision.reason.code,
            claim="" if isinstance(credential, Proven) else credential.claim,
            events=decision.events,
            subject=principal.pseudonym if principal else "",
            actor=principal.actor_pseudonym if principal else "",
            session=facts.keys.session.hex(),
            credential=principal.fingerprint if principal else "",
            transaction=facts.keys.transaction if decision.opened else "",
            channel=facts.channel,
            ticket=ticket,
            peer=peer,
            method=method,
            path=path,
            trace_id=request.evidence.trace,
            facts=recorded,
        )
        return entry, self._sink.append(entry)

    def record_cached_decision(self, template: LineTemplate, now: float, request: AccessRequest) -> str:
        """Write a decision that differs from an earlier one in time, id, trace and properties only; return its id."""
        record = self._ids.record(now)
        if self._properties:
            template = add_properties(template, *self._properties_of(request))
        self._append_again(template, record, now, request.evidence.trace)
        return record

    def _properties_of(self, request: AccessRequest) -> tuple[str, str, str]:
        """Return peer, method and path template of a request; each is empty if the policy does not record it."""
        properties = self._properties
        if not properties:
            return "", "", ""
        match = request.operation.match
        return (
            request.evidence.peer if "peer" in properties else "",
            request.method if "method" in properties and _METHOD.fullmatch(request.method) else "",
            (match.path or match.websocket)[:MAX_TEXT_CHARS] if "path" in properties else "",
        )

    def record_transitions(
        self,
        transitions: Sequence[Transition],
        keys: Keys,
        *,
        subject: str = "",
        decision: str = "",
        note: str = "",
    ) -> tuple[str, ...]:
        """Write the transitions of one step; return the ids of their records."""
        written = []
        note = sanitize_text(note) if note else ""
        for transition in transitions:
            cause = transition.cause
            if len(cause) > MAX_NOTE_LENGTH or not cause.isprintable():  # of the policy or the guard, so it never is
                cause = sanitize_text(cause)
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
                    cause=cause,
                    decision=decision,
                    subject=subject if personal else "",
                    session=keys.session.hex() if transition.machine not in _SESSIONLESS else "",
                    transaction=keys.transaction if transition.machine not in _UNTRANSACTED else "",
                    note=note,
                )
            )
            written.append(record)
        return tuple(written)

    def record_unmoved(
        self, events: Sequence[str], now: float, keys: Keys, *, subject: str, decision: str, note: str
    ) -> tuple[str, ...]:
        """Write events outside a request that moved no machine under this policy; return the id of the record."""
        act = self.record_act(
            "events.unmoved",
            now,
            unmoved=tuple(events),
            note=note,
            subject=subject,
            session=keys.session.hex(),
            transaction=keys.transaction,
            decision=decision,
        )
        return (act,)

    def record_withdrawal(self, records: Sequence[str], now: float) -> None:
        """Write that records are void, because their changes were not saved."""
        self._sink.append(
            WithdrawalEntry(id=self._ids.record(now), at=now, policy=self._policy, records=tuple(records)),
        )

    def record_refusal(self, request: AccessRequest, reason: Reason, credential: Credential, now: float) -> str:
        """Write a refusal that has no cell; return its id."""
        record = self._ids.record(now)
        peer, method, path = self._properties_of(request)
        self._sink.append(
            RefusalEntry(
                id=record,
                at=now,
                policy=self._policy,
                reason=reason.code,
                status=reason.status,
                operation=request.operation.name,
                subject=credential.principal.pseudonym if isinstance(credential, Proven) else "",
                peer=peer,
                method=method,
                path=path,
                trace_id=request.evidence.trace,
            )
        )
        return record

    def open_window(self, reason: Reason, now: float, operation: str, most: int) -> str:
        """Write a record that covers up to `most` unproven requests; return its id."""
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
        """Write the number of requests that a window covered."""
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

    def record_fault(self, reason: Reason, where: str, error: BaseException, request: AccessRequest, now: float) -> str:
        """Write a fault of the guard, with the class of the exception and never its message; return its id."""
        record = self._ids.record(now)
        peer, method, path = self._properties_of(request)
        self._sink.append(
            FaultEntry(
                id=record,
                at=now,
                policy=self._policy,
                reason=reason.code,
                where=where,
                error=type(error).__name__,
                operation=request.operation.name,
                peer=peer,
                method=method,
                path=path,
                trace_id=request.evidence.trace,
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
        parts: tuple[str, ...] = (),
        unmoved: tuple[str, ...] = (),
        flag: str = "",
    ) -> str:
        """Write an act of a person or of the deployment; return its id."""
        record = self._ids.record(now)
        self._sink.append(
            ActEntry(
                id=record,
                at=now,
                policy=self._policy,
                act=act,
                by=sanitize_text(by) if by else "",
                note=sanitize_text(note) if note else "",
                subject=subject,
                session=session,
                ticket=ticket,
                transaction=transaction,
                decision=decision,
                over=over,
                parts=parts,
                unmoved=unmoved,
                flag=flag,
            )
        )
        return record


def _status(reason: Reason) -> int:
    """Return the status of a window's requests; 200 for a public admission, which has the app's status."""
    return reason.status or 200


def escape_text(text: str) -> str:
    """Return text of another system as ASCII with escapes, so that it cannot forge a log line."""
    return text.encode("unicode_escape").decode("ascii")[:MAX_NOTE_LENGTH]


def sanitize_text(text: str) -> str:
    """Return a person's text, cut and without characters that could forge a line or its direction (ASVS 16.4.1)."""
    cut = text[:MAX_NOTE_LENGTH]
    return cut if cut.isprintable() else "".join(one if one.isprintable() else " " for one in cut)
