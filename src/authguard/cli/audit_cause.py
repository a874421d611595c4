"""Find in the log why a machine was in a state: the transition into it, and the person who caused it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.audit.query.search import Query, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match

#: seconds before a transition in which the act that caused it is written
ACT_S: Final = 5.0
#: most acts that are compared with a transition
MAX_ACTS: Final = 200
_SESSION_MACHINES: Final = ("session", "verification")
#: parts of the guard that write acts, and are no persons
_PARTS: Final = frozenset({"audit", "guard", ""})


class StateCause(Struct, frozen=True, kw_only=True):
    """The transition that led to a state.

    Attributes:
        machine: one of the five.
        state: the state.
        at: epoch seconds UTC.
        event: the event, `machine.trigger`.
        cause: origin of the event.
        by: the person who caused it; empty if none did, or if the log does not say who.
        note: words of that person.
        record: id of the transition's record.
    """

    machine: str
    state: str
    at: float
    event: str
    cause: str
    by: str
    note: str
    record: str


def find_causes(index: Index, one: Match, machines: Iterable[str]) -> Iterator[StateCause]:
    """Yield the cause of each machine's state in a decision, if the log has it.

    Args:
        index: of the log.
        one: a decision.
        machines: machines whose states are wanted.
    """
    record, states = one.record, one.template.states()
    for machine in machines:
        asked = _query(machine, states.get(machine, ""), record, one.at)
        found = asked and next((each for each in find(index, asked) if not each.void), None)
        if found:
            yield _cause(index, found)


def _query(machine: str, state: str, record: Mapping[str, object], until: float) -> Query | None:
    key = {"account": "subject", "transaction": "transaction"}.get(machine, "session")
    value = str(record.get(key, ""))
    if not state or (machine != "service" and not value):
        return None
    return Query(
        kinds=("transition",),
        states=(f"{machine}={state}",),
        subjects=(value,) if machine == "account" else (),
        session=value if machine in _SESSION_MACHINES else "",
        transaction=value if machine == "transaction" else "",
        until=until,
    )


def _cause(index: Index, found: Match) -> StateCause:
    template, record = found.template, found.record
    note = str(record.get("note", ""))
    return StateCause(
        machine=template.machine,
        state=template.dest,
        at=found.at,
        event=f"{template.machine}.{template.event}",
        cause=template.cause,
        by=_person(index, found.at, note, str(record.get("transaction", ""))) if template.cause == "operator" else "",
        note=note,
        record=str(record.get("id", "")),
    )


def _person(index: Index, at: float, note: str, transaction: str) -> str:
    """Return the person of the act that was written with a transition."""
    acts = find(index, Query(kinds=("act",), since=at - ACT_S, until=at))
    for act in islice(acts, MAX_ACTS):
        record = act.record
        same = record.get("note", "") == note and record.get("transaction", "") == transaction
        if same and not act.void and record.get("by", "") not in _PARTS:
            return str(record["by"])
    return ""
