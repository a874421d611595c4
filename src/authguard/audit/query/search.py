"""What can be asked of a log through its index: which records, newest or oldest first, in constant memory.

Records are read from the log's own bytes, and each says whether these still have the hash that they state. A record
that was withdrawn is found and marked void; it is never counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from authguard.audit.verify.log_reader import decode_line
from authguard.core.chain import Violation, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate

#: templates that are asked each by itself; more are asked together, by time
APART: Final = 256
_ROW: Final = "SELECT at, no, template, void, file, place, size FROM record WHERE "
_Row = tuple[float, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked; an empty member asks nothing, and of several values any will do.

    Attributes:
        since: earliest time, epoch seconds UTC.
        until: latest.
        kinds: of record.
        states: ``machine=state`` or ``state``: of a decision's cell, or what a transition led to.
        events: ``machine.trigger`` or ``trigger``: of a decision, or that made a transition.
        outcomes: of decisions.
        rules: ``22:prove_identity``, ``22`` or ``prove_identity``.
        operations: asked for.
        channels: as believed.
        reasons: closed codes.
        text: found anywhere in the line, whatever the case.
        subjects: pseudonyms, of the subject or of who acts.
        session: key; as many digits as tell it from others.
        transaction: id.
    """

    since: float = float("-inf")
    until: float = float("inf")
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    text: str = ""
    subjects: tuple[str, ...] = ()
    session: str = ""
    transaction: str = ""

    def matches(self, template: RecordTemplate) -> bool:
        """Whether lines of a template may be meant."""
        return (
            _any(self.kinds, (template.kind,))
            and _any(self.outcomes, (template.outcome,))
            and _any(self.operations, (template.operation,))
            and _any(self.channels, (template.channel,))
            and _any(self.reasons, (template.reason,))
            and _any(self.rules, (template.rule, *template.rule.split(":", 1)) if template.rule else ())
            and _any(self.states, _states(template))
            and _any(self.events, _events(template))
        )


def _any(asked: tuple[str, ...], has: Iterable[str]) -> bool:
    return not asked or bool(set(asked).intersection(has))


def _states(template: RecordTemplate) -> set[str]:
    states = {template.machine: template.dest} if template.machine else dict(list(template.states().items())[:5])
    return {*states.values(), *(f"{machine}={state}" for machine, state in states.items())}


def _events(template: RecordTemplate) -> set[str]:
    events = (f"{template.machine}.{template.event}",) if template.machine else template.events
    return {*events, *(event.partition(".")[2] for event in events)}


@dataclass(frozen=True, slots=True)
class Match:
    """One record.

    Attributes:
        at: epoch seconds UTC.
        template: what it shares with others.
        void: whether it was withdrawn.
        line: as it stands in the log.
        intact: whether the line has the hash that it states.
    """

    at: float
    template: RecordTemplate
    void: bool
    line: bytes

    @property
    def intact(self) -> bool:
        """Whether the line has the hash that it states."""
        return not isinstance(parse_line(self.line), Violation)

    @property
    def record(self) -> dict[str, Any]:
        """What the line says; empty where it is no record any more."""
        return decode_line(self.line)


def find(index: Index, query: Query, *, newest: bool = True) -> Iterator[Match]:
    """Find records, in the order of their times.

    Args:
        index: of the log.
        query: what is asked.
        newest: whether the last comes first.
    """
    templates = {number: template for number, template in index.templates().items() if query.matches(template)}
    wanted = query.text.casefold()
    for at, _, template, void, file, place, size in _rows(index, query, templates, newest=newest):
        if template not in templates:
            continue
        line = index.line(file, place, size)
        if wanted and wanted not in _plain(line):
            continue
        yield Match(at, templates[template], bool(void), line)


def last(index: Index, query: Query, count: int) -> list[Match]:
    """Find the last records, oldest first."""
    return list(islice(find(index, query), count))[::-1]


def _plain(line: bytes) -> str:
    return line.decode("utf-8", "replace").casefold()


def _rows(index: Index, query: Query, templates: Iterable[int], *, newest: bool) -> Iterator[_Row]:
    order = (
        " AND at >= ? AND at <= ? ORDER BY at DESC, no DESC" if newest else " AND at >= ? AND at <= ? ORDER BY at, no"
    )
    period = (query.since, query.until)

    def ask(column: str, value: object) -> Iterator[_Row]:
        return iter(index.db.execute(f"{_ROW}{column} = ?{order}", (value, *period)))

    if query.session:
        return ask("session", resolve_session(index, query.session))
    if query.transaction:
        return ask("transact", query.transaction)
    if query.subjects:
        runs = [ask(column, one) for one in query.subjects for column in ("subject", "actor")]
        return _each_once(merge(*runs, key=_place, reverse=newest))
    apart = list(templates)
    if len(apart) <= APART:
        return merge(*(ask("template", one) for one in apart), key=_place, reverse=newest)
    return iter(index.db.execute(f"{_ROW}at >= ?{order}", (query.since, *period)))


def _place(row: _Row) -> tuple[float, int]:
    return row[0], row[1]


def _each_once(rows: Iterable[_Row]) -> Iterator[_Row]:
    before = -1
    for row in rows:
        if row[1] != before:
            yield row
        before = row[1]


def resolve_session(index: Index, begins: str) -> str:
    """Find the one session whose key begins so.

    Raises:
        LookupError: there is none, or there are several; the message says so.
    """
    after = begins + "\U0010ffff"
    sql = "SELECT DISTINCT session FROM record WHERE session >= ? AND session < ? LIMIT 2"
    keys = [key for (key,) in index.db.execute(sql, (begins, after))]
    if begins in keys:
        return begins
    if len(keys) == 1:
        return str(keys[0])
    raise LookupError(f"{'several sessions begin' if keys else 'there is no session that begins'} with `{begins}`")


def find_by_id(index: Index, record: str) -> list[Match]:
    """Find the records of an id; more than one is a sign of forgery, and all are given.

    Args:
        index: of the log.
        record: the id, or a reply's ``instance``, which ends in it.
    """
    rows = index.db.execute(f"{_ROW}id = ? ORDER BY at, no", (record.rpartition(":")[2],))
    return [_found(index, row) for row in rows]


def find_by_decision(index: Index, decision: str) -> list[Match]:
    """Find what happened by a decision: transitions and acts that name it."""
    rows = index.db.execute(f"{_ROW}decision = ? ORDER BY no", (decision,))
    return [_found(index, row) for row in rows]


def _found(index: Index, row: _Row) -> Match:
    at, _, template, void, file, place, size = row
    return Match(at, index.templates()[template], bool(void), index.line(file, place, size))


def count_by_template(index: Index, since: float, until: float) -> dict[int, int]:
    """Count the records of each template in a period; void ones are not counted."""
    sql = "SELECT template, count(*) FROM record WHERE at >= ? AND at <= ? AND void = 0 GROUP BY template"
    if since == float("-inf") and until == float("inf"):
        return dict(index.db.execute("SELECT template, count(*) FROM record WHERE void = 0 GROUP BY template"))
    return dict(index.db.execute(sql, (since, until)))


def time_range(index: Index) -> tuple[float, float]:
    """Give the times of the first and the last record; zeros where there is none."""
    first = index.db.execute("SELECT min(at) FROM record").fetchone()[0]
    latest = index.db.execute("SELECT max(at) FROM record").fetchone()[0]
    return first or 0.0, latest or 0.0
