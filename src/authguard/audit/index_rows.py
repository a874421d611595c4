"""What the index keeps of a line: the shape that many lines share, and the few values that are a line's own.

A log of a million decisions has some hundreds of shapes, so that what is asked of shapes (an outcome, a state, a rule)
is asked of hundreds, and only what is asked of a person, a session or an id is asked of lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.decisions import DIMENSIONS
from authguard.core.entries import Acted, Decided, Entry, Faulted, Moved, Refused, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Mapping

_decode: Final = msgspec.json.Decoder(Entry).decode


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What many lines share; a member that a kind of line does not have is empty.

    Attributes:
        kind: of the record.
        policy: digest.
        operation: asked for.
        outcome: of a decision or a fault.
        fallback: taken.
        rule: ``INDEX:FALLBACK``.
        reason: closed code.
        channel: as believed.
        cell: of a decision.
        events: of a decision.
        machine: that moved.
        event: the trigger.
        source: state before.
        dest: state after.
        cause: of a transition.
        act: what was done.
        where: the part of the guard that failed.
        error: class of what was raised.
    """

    kind: str
    policy: str = ""
    operation: str = ""
    outcome: str = ""
    fallback: str = ""
    rule: str = ""
    reason: str = ""
    channel: str = ""
    cell: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    machine: str = ""
    event: str = ""
    source: str = ""
    dest: str = ""
    cause: str = ""
    act: str = ""
    where: str = ""
    error: str = ""

    def states(self) -> Mapping[str, str]:
        """Give the cell by its dimensions; empty where there is none."""
        return dict(zip(DIMENSIONS, self.cell, strict=False))


class Row(msgspec.Struct, frozen=True, gc=False):
    """What is a line's own.

    Attributes:
        id: of the record.
        at: epoch seconds UTC.
        key: what tells the shape from others, cheaper than the shape.
        subject: pseudonym; empty for none.
        actor: pseudonym.
        session: key, hex.
        transaction: id.
        decision: id of the request's record.
        voids: ids of records that this one withdraws.
    """

    id: str
    at: float
    key: tuple[object, ...]
    subject: str = ""
    actor: str = ""
    session: str = ""
    transaction: str = ""
    decision: str = ""
    voids: tuple[str, ...] = ()


def read_row(line: bytes) -> Row | None:  # noqa: PLR0911 - one for each kind of line
    """Read a line; nothing comes of one that is no record.

    Args:
        line: with or without its newline. Neither its hash nor its place in the chain is looked at.
    """
    try:
        entry = _decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    match entry:
        case Decided():
            key: tuple[object, ...] = (
                *("decision", entry.policy, entry.operation, entry.outcome, entry.fallback, entry.rule, entry.reason),
                *(entry.channel, entry.cell, entry.events),
            )
            return Row(
                entry.id, entry.at, key, entry.subject, entry.actor, entry.session, entry.transaction
            )  # a decision names no other
        case Moved():
            key = (
                *("transition", entry.policy, "", "", "", "", "", "", (), ()),
                *(entry.machine, entry.event, entry.source, entry.dest, entry.cause),
            )
            return Row(entry.id, entry.at, key, entry.subject, "", entry.session, entry.transaction, entry.decision)
        case Refused():
            return Row(
                entry.id,
                entry.at,
                ("refusal", entry.policy, entry.operation, "", "", "", entry.reason),
                entry.subject,
            )
        case Faulted():
            fault = ("fault", entry.policy, entry.operation, entry.outcome, "", "", entry.reason, "", (), ())
            return Row(entry.id, entry.at, (*fault, "", "", "", "", "", "", entry.where, entry.error))
        case Acted():
            act = ("act", entry.policy, "", "", "", "", "", "", (), (), "", "", "", "", "", entry.act)
            return Row(entry.id, entry.at, act, entry.subject, decision=entry.decision)
        case Withdrawn():
            return Row(entry.id, entry.at, ("withdrawn", entry.policy), voids=entry.records)
        case _:
            return Row(entry.id, entry.at, (str(type(entry).__struct_config__.tag),))
