"""Templates of log records: the members that many lines share, and the few values that only one line has.

A log of a million decisions has some hundreds of templates. A query for an outcome, a state or a rule therefore
compares hundreds of templates; only a query for a person, a session or an id compares lines. For the same reason a
decision's cell is decoded once per template, not once per line: until then it is the raw bytes of the line.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

from authguard.core.decision_table import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: identity of a template: the kind, and members in the order of `_MEMBERS`
    Key = tuple[str | bytes, ...]
    #: id, time, subject, actor, session, transaction, decision
    LineValues = tuple[str, float, str | None, str | None, str | None, str | None, str | None]
    #: key of the template, values of the line, and the ids of records that it withdraws
    Row = tuple[Key, LineValues, tuple[str, ...]]


#: templates that are built once while lines are compared with an index
MAX_CACHED_TEMPLATES: Final = 4_096


class RecordTemplate(msgspec.Struct, frozen=True, array_like=True):
    """The members that many lines share; a member that a kind of record does not have is empty.

    Attributes:
        kind: kind of the record.
        policy: digest.
        operation: requested operation.
        outcome: outcome of a decision or a fault.
        fallback: name of the fallback.
        rule: ``INDEX:FALLBACK``.
        reason: closed code.
        channel: authenticated channel.
        cell: cell of a decision.
        events: events of a decision.
        machine: machine of a transition.
        event: trigger of a transition.
        source: state before.
        dest: state after.
        cause: cause of a transition.
        act: name of an act.
        where: part of the guard that failed.
        error: class of the exception.
        covered: number of requests that a window record counts besides the first one, in decimal digits; else empty.
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
    covered: str = ""

    @property
    def requests(self) -> int:
        """The number of requests that a record of this template counts."""
        return int(self.covered) if self.covered.isdecimal() else 1

    def states(self) -> Mapping[str, str]:
        """Return the cell by dimension; empty if there is none."""
        return dict(zip(DIMENSIONS, self.cell, strict=False))


class _Decision(msgspec.Struct, frozen=True, gc=False, tag="decision", tag_field="kind"):
    id: str
    at: float
    policy: str
    operation: str
    cell: Raw
    rule: str
    outcome: str
    fallback: str
    reason: str = "decided"
    events: Raw = Raw(b"[]")
    subject: str | None = None
    actor: str | None = None
    session: str | None = None
    transaction: str | None = None
    channel: str = ""


class _Transition(msgspec.Struct, frozen=True, gc=False, tag="transition", tag_field="kind"):
    id: str
    at: float
    policy: str
    machine: str
    event: str
    source: str
    dest: str
    cause: str
    decision: str | None = None
    subject: str | None = None
    session: str | None = None
    transaction: str | None = None


class _Refusal(msgspec.Struct, frozen=True, gc=False, tag="refusal", tag_field="kind"):
    id: str
    at: float
    policy: str
    reason: str
    status: int
    operation: str = ""
    subject: str | None = None
    window: str | None = None
    count: int = 0


class _Fault(msgspec.Struct, frozen=True, gc=False, tag="fault", tag_field="kind"):
    id: str
    at: float
    policy: str
    reason: str
    where: str
    error: str
    operation: str = ""
    outcome: str = ""


class _Withdrawal(msgspec.Struct, frozen=True, gc=False, tag="withdrawn", tag_field="kind"):
    id: str
    at: float
    policy: str
    records: tuple[str, ...]


class _Act(msgspec.Struct, frozen=True, gc=False, tag="act", tag_field="kind"):
    id: str
    at: float
    policy: str
    act: str
    subject: str | None = None
    session: str | None = None
    decision: str | None = None
    transaction: str | None = None


class _LogLine(msgspec.Struct, frozen=True, gc=False, tag="log", tag_field="kind"):
    id: str
    at: float
    policy: str


#: kind -> members of the template in the order of the key
_MEMBERS: Final = {
    "decision": ("policy", "operation", "outcome", "fallback", "rule", "reason", "channel", "cell", "events"),
    "transition": ("policy", "machine", "event", "source", "dest", "cause"),
    "refusal": ("policy", "operation", "reason", "covered"),
    "fault": ("policy", "operation", "outcome", "reason", "where", "error"),
    "withdrawn": ("policy",),
    "act": ("policy", "act"),
    "log": ("policy",),
}
_Record = _Decision | _Transition | _Refusal | _Fault | _Withdrawal | _Act | _LogLine
_decode: Final = msgspec.json.Decoder(_Record).decode
_decode_all: Final = msgspec.json.Decoder(_Record).decode_lines
_decode_words: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def parse_rows(data: bytes, lines: Sequence[bytes]) -> list[Row | None]:
    """Parse lines; return None for each line that is not a record.

    Args:
        data: the lines in one piece.
        lines: each with its newline. Neither their hashes nor their places in the chain are checked.
    """
    try:
        found = _decode_all(data)
    except (ValueError, RecursionError):
        return [_read_row(line) for line in lines]
    # the decoder skips blank lines silently
    return [_row(one) for one in found] if len(found) == len(lines) else [_read_row(line) for line in lines]


@lru_cache(maxsize=MAX_CACHED_TEMPLATES)
def _template_of(key: Key) -> RecordTemplate | None:
    return parse_template(key)


def is_line_of(line: bytes, template: RecordTemplate, at: float, names: frozenset[str]) -> bool:
    """Return whether a line says what an index says about it, so that it is still the line that was indexed.

    Args:
        line: the line of the log.
        template: its members by the index.
        at: its time by the index.
        names: its subject, actor, session or transaction by the index, one of which it must have; empty for any.
    """
    row = _read_row(line)
    return (
        row is not None
        and row[1][1] == at
        and (not names or not names.isdisjoint(row[1][2:6]))
        and _template_of(row[0]) == template
    )


def _read_row(line: bytes) -> Row | None:
    try:
        return _row(_decode(line))
    except (ValueError, RecursionError):
        return None


def _row(one: _Record) -> Row:  # noqa: PLR0911 - one for each kind
    key: Key
    match one:
        case _Decision():
            key = (
                *("decision", one.policy, one.operation, one.outcome, one.fallback, one.rule, one.reason),
                *(one.channel, bytes(one.cell), bytes(one.events)),
            )
            return key, (one.id, one.at, one.subject, one.actor, one.session, one.transaction, None), ()
        case _Transition():
            key = ("transition", one.policy, one.machine, one.event, one.source, one.dest, one.cause)
            return key, (one.id, one.at, one.subject, None, one.session, one.transaction, one.decision), ()
        case _Refusal():
            # the first request of a window has a separate record that counts it
            key = ("refusal", one.policy, one.operation, one.reason, str(one.count - 1) if one.window else "")
            return key, (one.id, one.at, one.subject, None, None, None, one.window), ()
        case _Fault():
            key = ("fault", one.policy, one.operation, one.outcome, one.reason, one.where, one.error)
            return key, (one.id, one.at, None, None, None, None, None), ()
        case _Withdrawal():
            return ("withdrawn", one.policy), (one.id, one.at, None, None, None, None, None), one.records
        case _LogLine():
            return ("log", one.policy), (one.id, one.at, None, None, None, None, None), ()
        case _Act():
            key = ("act", one.policy, one.act)
            return key, (one.id, one.at, one.subject, None, one.session, one.transaction, one.decision), ()


def parse_template(key: Key) -> RecordTemplate | None:
    """Build the template of a key, or return None if a cell or events are no lists of strings: then it is no record."""
    kind, *members = key
    try:
        values = [one if isinstance(one, str) else _decode_words(one) for one in members]
    except (ValueError, RecursionError):
        return None
    return RecordTemplate(str(kind), **dict(zip(_MEMBERS[str(kind)], values, strict=True)))  # type: ignore[arg-type]  # lists only where the member is a list
