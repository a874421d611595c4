"""What the audit log says: one frozen value per kind of line, with a closed set of kinds.

Rules: no credential, no claim, no raw subject in any field (subjects are pseudonyms); every text comes from a closed
vocabulary or is bounded and printable before it gets here. The chain adds ``v``, ``seq``, ``prev`` and ``hash``.
"""

from __future__ import annotations

import msgspec


class Decided(
    msgspec.Struct, frozen=True, kw_only=True, tag="decision", tag_field="kind", omit_defaults=True, gc=False
):
    """One request that met a cell: who, in what state, by which rule, with what outcome.

    Attributes:
        id: of this record; the reply's ``instance``.
        at: epoch seconds UTC.
        policy: digest of the policy that decided.
        operation: name of the operation matched, ``otherwise`` where nobody named it.
        cell: one value per dimension, in the order of `authguard.core.decisions.DIMENSIONS`.
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
        trace: W3C trace id.
    """

    id: str
    at: float
    policy: str
    operation: str
    cell: tuple[str, ...]
    rule: str
    outcome: str
    fallback: str
    reason: str = "decided"
    events: tuple[str, ...] = ()
    subject: str = ""
    actor: str = ""
    session: str = ""
    credential: str = ""
    transaction: str = ""
    channel: str = ""
    ticket: str = ""
    trace: str = ""


class Moved(
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

    id: str
    at: float
    policy: str
    machine: str
    event: str
    source: str
    dest: str
    cause: str
    decision: str = ""
    subject: str = ""
    session: str = ""
    transaction: str = ""
    note: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refusal", tag_field="kind", omit_defaults=True, gc=False):
    """One request refused before there was a cell: malformed, too large, an unknown transaction.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        reason: closed code.
        status: HTTP status given.
        operation: where one was matched.
        subject: pseudonym, where one was proven.
        trace: W3C trace id.
    """

    id: str
    at: float
    policy: str
    reason: str
    status: int
    operation: str = ""
    subject: str = ""
    trace: str = ""


class Faulted(msgspec.Struct, frozen=True, kw_only=True, tag="fault", tag_field="kind", omit_defaults=True, gc=False):
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

    id: str
    at: float
    policy: str
    reason: str
    where: str
    error: str
    operation: str = ""
    outcome: str = ""


class Withdrawn(
    msgspec.Struct, frozen=True, kw_only=True, tag="withdrawn", tag_field="kind", omit_defaults=True, gc=False
):
    """Records that did not come to pass, because another request changed the same standing first.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        records: ids of the records that are void.
    """

    id: str
    at: float
    policy: str
    records: tuple[str, ...]


class Acted(msgspec.Struct, frozen=True, kw_only=True, tag="act", tag_field="kind", omit_defaults=True, gc=False):
    """Something a person or the deployment did: rollback, hand-off, start, stop, policy loaded.

    Attributes:
        id: of this record.
        at: epoch seconds UTC.
        policy: digest.
        act: ``started`` ``stopped`` ``repaired`` ``rollback.engaged`` ``rollback.released`` ``handoff.opened`` ...
        by: the operator's name as given, or a part of the guard.
        note: bounded text.
        subject: pseudonym.
        ticket: of a hand-off.
        decision: id of the request's record.
        transaction: that was approved, denied, withdrawn or settled.
    """

    id: str
    at: float
    policy: str
    act: str
    by: str = ""
    note: str = ""
    subject: str = ""
    ticket: str = ""
    decision: str = ""
    transaction: str = ""


Entry = Decided | Moved | Refused | Faulted | Withdrawn | Acted
