"""What the audit log says: one frozen value per kind of line, with a closed set of kinds.

Rules: no credential, no claim, no raw subject in any field (subjects are pseudonyms); every text comes from a closed
vocabulary or is bounded and printable before it gets here. The chain adds ``v``, ``seq``, ``prev`` and ``hash``.
`authguard.core.record_schema` makes the JSON Schema of the lines from these classes.
"""

from __future__ import annotations

import msgspec

from authguard.core import record_types  # noqa: TC001 - msgspec reads the types when the classes are made


class DecisionEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="decision", tag_field="kind", omit_defaults=True, gc=False
):
    """One request that met a cell: who, in what state, by which rule, with what outcome.

    Attributes:
        id: of this record; the reply's ``instance``.
        at: epoch seconds UTC.
        policy: digest of the policy that decided.
        operation: name of the operation matched, ``otherwise`` where nobody named it.
        cell: one value per dimension, in the order of `authguard.core.decision_table.DIMENSIONS`.
        rule: ``INDEX:FALLBACK`` of the rule that decided.
        outcome: one of the eleven.
        fallback: the fallback taken; differs from the rule's where attempts ran out.
        reason: closed code.
        events: what was raised for this request, in order.
        subject: pseudonym; empty where nobody is proven.
        actor: pseudonym of the outermost actor; empty where the subject acts.
        session: the session's key, hex; empty where nobody is proven.
        credential: fingerprint of the credential (a keyed hash); empty where none was proven.
        transaction: id; empty for none.
        channel: as believed; empty for none.
        ticket: of a hand-off.
        trace_id: W3C trace id.
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
    events: tuple[record_types.Event, ...] = ()
    subject: record_types.Pseudonym = ""
    actor: record_types.Pseudonym = ""
    session: record_types.Hex = ""
    credential: record_types.Fingerprint = ""
    transaction: record_types.Id = ""
    channel: record_types.Name = ""
    ticket: record_types.Id = ""
    trace_id: record_types.TraceId = ""


class TransitionEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="transition", tag_field="kind", omit_defaults=True, gc=False
):
    """One machine that moved.

    Attributes:
        id: of this record.
        at: when it happened (a timer: when it fell due), epoch seconds UTC.
        policy: digest.
        machine: one of the five.
        event: the trigger; the event is ``machine.trigger``.
        source: state before.
        dest: state after.
        cause: who or what raised it.
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
    """One request refused before there was a cell: malformed, too large, an unknown transaction.

    Above a rate, one record covers many requests of nobody (`authguard.runtime.refusal_window`): `most` is then not 0,
    and a closing record names it in `window` with the `count` of what it covered.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        reason: closed code.
        status: HTTP status given.
        operation: where one was matched.
        subject: pseudonym, where one was proven.
        trace_id: W3C trace id.
        most: requests of nobody that this record may cover; 0 where it is about one.
        window: id of the record that covered the requests which this one counts; empty where this is no such count.
        count: requests that `window` covered.
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    reason: record_types.Reason
    status: record_types.Status
    operation: record_types.Name = ""
    subject: record_types.Pseudonym = ""
    trace_id: record_types.TraceId = ""
    most: record_types.Count = 0
    window: record_types.Id = ""
    count: record_types.Count = 0


class FaultEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="fault", tag_field="kind", omit_defaults=True, gc=False
):
    """The guard itself failed; nothing passed.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        reason: closed code.
        where: the part that failed: ``load`` ``check`` ``step`` ``commit`` ``record`` ``settle`` ...
        error: the exception's class, never its message.
        operation: where one was matched.
        outcome: what the caller got.
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    reason: record_types.Reason
    where: record_types.Code
    error: record_types.Class
    operation: record_types.Name = ""
    outcome: record_types.Result = ""


class WithdrawalEntry(
    msgspec.Struct, frozen=True, kw_only=True, tag="withdrawn", tag_field="kind", omit_defaults=True, gc=False
):
    """Records that did not come to pass, because another request changed the same standing first.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        records: ids of the records that are void.
    """

    id: record_types.Id
    at: record_types.Time
    policy: record_types.Digest
    records: tuple[record_types.Id, ...]


class ActEntry(msgspec.Struct, frozen=True, kw_only=True, tag="act", tag_field="kind", omit_defaults=True, gc=False):
    """Something a person or the deployment did: rollback, hand-off, start, stop, policy loaded.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        act: ``started`` ``stopped`` ``repaired`` ``rollback.engaged`` ``rollback.released`` ``handoff.opened`` ...
        by: the operator's name as given, or a part of the guard.
        note: bounded text.
        subject: pseudonym of whom it is about.
        session: key of the session that it is about.
        ticket: of a hand-off.
        decision: id of the request's record.
        transaction: that was approved, denied, withdrawn or settled.
        over: limits, by name, that an approval lets it go over.
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
    """A line of the app's own log, kept in a chain by `authguard.audit.write.processor`.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: empty: no policy decided here.
        level: as the app called it.
        message: the app's words.
        trace_id: W3C trace id.
        fields: the app's values by name: texts, numbers and truths.
        refused: names of values that are not kept: reserved, secret, of another type, or too many.
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
