"""Entries of the audit log: one frozen struct per kind of line, with a closed set of kinds.

Rules of this file:
- No field holds a credential, a claim or a raw subject; subjects are pseudonyms.
- Every text is from a closed vocabulary, or is bounded and printable before it gets here.

The chain adds ``v``, ``seq``, ``prev`` and ``hash``. `authguard.records.record_schema` derives the JSON Schema of the
lines from these classes and their docstrings.
"""

from __future__ import annotations

import msgspec

from authguard.records.record_types import (
    Cell,
    Class,
    Code,
    Column,
    Context,
    Count,
    Digest,
    Event,
    ExceededLimits,
    Facts,
    Fields,
    Fingerprint,
    Hex,
    Id,
    Level,
    Machine,
    Method,
    Name,
    Peer,
    Pseudonym,
    Reason,
    Result,
    Rule,
    Shared,
    Status,
    Text,
    Time,
    TraceId,
)


class DecisionEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="decision", tag_field="kind", omit_defaults=True, gc=False
):
    """One request decided by the table: the principal, the states, the rule and the outcome.

    Attributes:
        id: of this record; ``instance`` of the reply.
        at: epoch seconds UTC.
        policy: digest of the policy that decided.
        operation: name of the matched operation; ``otherwise`` if none matched.
        cell: one value per dimension, in the order of `authguard.core.decision_table.DIMENSIONS`.
        rule: ``INDEX:FALLBACK`` of the rule that decided.
        outcome: one of the eleven.
        fallback: the fallback applied; differs from the rule's if attempts ran out.
        reason: closed code.
        claim: claim of the token that is the reason, as the policy names it; empty for none.
        events: raised for this request, in order.
        subject: pseudonym; empty without a verified principal.
        actor: pseudonym of the outermost actor; empty if the subject acts.
        session: the session's key, hex; empty without a verified principal.
        credential: fingerprint of the credential (a keyed hash); empty if none was verified.
        transaction: id; empty for none.
        channel: channel of the request, if the guard accepts the claim or header that names it; empty for none.
        ticket: of a hand-off.
        context: the policy's own condition or flag -> its value, of those that its rules name; empty for none.
        limits: exceeded ones, in order: name, maximum, what was spent and what was left of it; empty for none.
        peer: address of the client, or its keyed hash; empty unless the policy records it.
        method: HTTP method, ``websocket`` for a handshake; empty unless the policy records it.
        path: path template of the operation, never the path itself; empty unless the policy records it.
        trace_id: W3C trace id, from the request or from the active span.
        facts: what another policy could decide otherwise on, by `authguard.evaluation.recorded_facts`; empty without a
            verified principal, and in a repeated decision, whose credential has them in an earlier record.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    operation: Shared[Name]
    cell: Shared[Cell]
    rule: Shared[Rule]
    outcome: Shared[Result]
    fallback: Shared[Name]
    reason: Shared[Reason] = "decided"
    claim: Text = ""
    events: Shared[tuple[Event, ...]] = ()
    subject: Column[Pseudonym] = ""
    actor: Column[Pseudonym] = ""
    session: Column[Hex] = ""
    credential: Fingerprint = ""
    transaction: Column[Id] = ""
    channel: Shared[Name] = ""
    ticket: Id = ""
    context: Context = {}
    limits: ExceededLimits = ()
    peer: Peer = ""
    method: Method = ""
    path: Text = ""
    trace_id: TraceId = ""
    facts: Facts = {}


class TransitionEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="transition", tag_field="kind", omit_defaults=True, gc=False
):
    """One state change of a machine, or one change of a flag.

    Attributes:
        id: of this record.
        at: time of the event (for a timer: its due time), epoch seconds UTC.
        policy: digest.
        machine: one of the five, or a flag of the policy.
        event: the trigger; the event is ``machine.trigger``. Of a flag: ``set``, ``expired`` or ``cleared``.
        source: state before.
        dest: state after.
        cause: origin of the event.
        decision: id of the request's record; empty outside a request.
        subject: pseudonym; empty for the service.
        session: key, hex.
        transaction: id.
        note: bounded text of an operator or of the app.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    machine: Shared[Machine]
    event: Shared[Code]
    source: Shared[Name]
    dest: Shared[Name]
    cause: Shared[Text]
    decision: Column[Id] = ""
    subject: Column[Pseudonym] = ""
    session: Column[Hex] = ""
    transaction: Column[Id] = ""
    note: Text = ""


class RefusalEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="refusal", tag_field="kind", omit_defaults=True, gc=False
):
    """One request refused without a cell: malformed, too large, or for an unknown transaction.

    Above a rate, one record covers many unauthenticated requests (`authguard.runtime.refusal_windows`): `most` is then
    not 0, and a closing record names it in `window` with the `count` of requests that it covered.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        reason: closed code.
        status: HTTP status of the reply.
        operation: if one was matched.
        subject: pseudonym, if verified.
        peer: address of the client, or its keyed hash; empty unless the policy records it.
        method: HTTP method, ``websocket`` for a handshake; empty unless the policy records it.
        path: path template of the operation, never the path itself; empty unless the policy records it.
        trace_id: W3C trace id, from the request or from the active span.
        most: unauthenticated requests that this record may cover; 0 if it is about one request.
        window: id of the record that covered the counted requests; empty if this is no closing record.
        count: requests that `window` covered.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    reason: Shared[Reason]
    status: Status
    operation: Shared[Name] = ""
    subject: Column[Pseudonym] = ""
    peer: Peer = ""
    method: Method = ""
    path: Text = ""
    trace_id: TraceId = ""
    most: Count = 0
    window: Id = ""
    count: Count = 0


class FaultEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="fault", tag_field="kind", omit_defaults=True, gc=False
):
    """A failure of the guard itself; the request was not admitted.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        reason: closed code.
        where: the part that failed: ``load`` ``check`` ``step`` ``commit`` ``record`` ``settle`` ...
        error: class of the exception, never its message.
        operation: if one was matched.
        outcome: outcome of the request.
        peer: address of the client, or its keyed hash; empty unless the policy records it.
        method: HTTP method, ``websocket`` for a handshake; empty unless the policy records it.
        path: path template of the operation, never the path itself; empty unless the policy records it.
        trace_id: W3C trace id, from the request or from the active span.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    reason: Shared[Reason]
    where: Shared[Code]
    error: Shared[Class]
    operation: Shared[Name] = ""
    outcome: Shared[Result] = ""
    peer: Peer = ""
    method: Method = ""
    path: Text = ""
    trace_id: TraceId = ""


class WithdrawalEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="withdrawn", tag_field="kind", omit_defaults=True, gc=False
):
    """Records that became void, because another request changed the same state first.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        records: ids of the void records.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    records: tuple[Id, ...]


class ActEntry(msgspec.Struct, frozen=True, kw_only=True, tag="act", tag_field="kind", omit_defaults=True, gc=False):
    """An action of a person or of the deployment: rollback, hand-off, start, stop, policy loaded.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        act: ``started`` ``stopped`` ``repaired`` ``rollback.engaged`` ``rollback.released`` ``handoff.opened`` ...
        by: the operator's name as given, or a part of the guard.
        note: bounded text.
        subject: pseudonym of the affected subject.
        session: key of the affected session.
        ticket: of a hand-off.
        decision: id of the request's record.
        transaction: the approved, denied, withdrawn or settled transaction.
        over: limits, by name, that an approval permits to exceed.
        parts: at a start, digests of the policy's parts, each ``part=digest`` (`authguard.core.policy_parts`).
        unmoved: of `events.unmoved`, the events.
        flag: set or cleared by a person.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    act: Shared[Code]
    by: Text = ""
    note: Text = ""
    subject: Column[Pseudonym] = ""
    session: Column[Hex] = ""
    ticket: Id = ""
    decision: Column[Id] = ""
    transaction: Column[Id] = ""
    over: tuple[Text, ...] = ()
    parts: tuple[Text, ...] = ()
    unmoved: tuple[Event, ...] = ()
    flag: Name = ""


class AppLogEntry(msgspec.Struct, frozen=True, kw_only=True, tag="log", tag_field="kind", omit_defaults=True):
    """A line of the app's log, stored in the chain by `authguard.audit.write.processor`.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: empty: no policy decides here.
        level: as named by the app.
        message: text of the app.
        trace_id: W3C trace id.
        fields: values of the app by name: strings, numbers and booleans.
        refused: names of dropped values: reserved, secret, of another type, or too many.
    """

    id: Column[Id]
    at: Column[Time]
    policy: Shared[Digest]
    level: Level
    message: Text
    trace_id: TraceId = ""
    fields: Fields = {}
    refused: tuple[Text, ...] = ()


Entry = DecisionEntry | TransitionEntry | RefusalEntry | FaultEntry | WithdrawalEntry | ActEntry | AppLogEntry
