"""Entries of the audit log: one frozen struct per kind of line, with a closed set of kinds.

Rules of this file:
- No field holds a credential, a claim or a raw subject; subjects are pseudonyms.
- Every text is from a closed vocabulary, or is bounded and printable before it gets here.

The chain adds ``v``, ``seq``, ``prev`` and ``hash``. `authguard.records.record_schema` derives the JSON Schema of the
lines from these classes and their docstrings.
"""

from __future__ import annotations

import msgspec

from authguard.records import record_types  # noqa: TC001 - msgspec reads the types when the classes are made


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
        peer: address of the client, or its keyed hash; empty unless the policy records it.
        method: HTTP method, ``websocket`` for a handshake; empty unless the policy records it.
        path: path template of the operation, never the path itself; empty unless the policy records it.
        trace_id: W3C trace id, from the request or from the active span.
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    operation: record_types.Name
    cell: record_types.Cell
    rule: record_types.Rule
    outcome: record_types.Result
    fallback: record_types.Name
    reason: record_types.Reason = "decided"
    claim: record_types.Text = ""
    events: tuple[record_types.Event, ...] = ()
    subject: record_types.Pseudonym = ""
    actor: record_types.Pseudonym = ""
    session: record_types.Hex = ""
    credential: record_types.Fingerprint = ""
    transaction: record_types.Id = ""
    channel: record_types.Name = ""
    ticket: record_types.Id = ""
    peer: record_types.Peer = ""
    method: record_types.Method = ""
    path: record_types.Text = ""
    trace_id: record_types.TraceId = ""


class TransitionEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="transition", tag_field="kind", omit_defaults=True, gc=False
):
    """One state change of a machine.

    Attributes:
        id: of this record.
        at: time of the event (for a timer: its due time), epoch seconds UTC.
        policy: digest.
        machine: one of the five.
        event: the trigger; the event is ``machine.trigger``.
        source: state before.
        dest: state after.
        cause: origin of the event.
        decision: id of the request's record; empty outside a request.
        subject: pseudonym; empty for the service.
        session: key, hex.
        transaction: id.
        note: bounded text of an operator or of the app.
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    machine: record_types.Machine
    event: record_types.Code
    source: record_types.Name
    dest: record_types.Name
    cause: record_types.Text
    decision: record_types.Id = ""
    subject: record_types.Pseudonym = ""
    session: record_types.Hex = ""
    transaction: record_types.Id = ""
    note: record_types.Text = ""


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

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    reason: record_types.Reason
    status: record_types.Status
    operation: record_types.Name = ""
    subject: record_types.Pseudonym = ""
    peer: record_types.Peer = ""
    method: record_types.Method = ""
    path: record_types.Text = ""
    trace_id: record_types.TraceId = ""
    most: record_types.Count = 0
    window: record_types.Id = ""
    count: record_types.Count = 0


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

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    reason: record_types.Reason
    where: record_types.Code
    error: record_types.Class
    operation: record_types.Name = ""
    outcome: record_types.Result = ""
    peer: record_types.Peer = ""
    method: record_types.Method = ""
    path: record_types.Text = ""
    trace_id: record_types.TraceId = ""


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

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    records: tuple[record_types.Id, ...]


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
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    act: record_types.Code
    by: record_types.Text = ""
    note: record_types.Text = ""
    subject: record_types.Pseudonym = ""
    session: record_types.Hex = ""
    ticket: record_types.Id = ""
    decision: record_types.Id = ""
    transaction: record_types.Id = ""
    over: tuple[record_types.Text, ...] = ()


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

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    level: record_types.Level
    message: record_types.Text
    trace_id: record_types.TraceId = ""
    fields: record_types.Fields = {}
    refused: tuple[record_types.Text, ...] = ()


Entry = DecisionEntry | TransitionEntry | RefusalEntry | FaultEntry | WithdrawalEntry | ActEntry | AppLogEntry
