"""What can be asked of a log through its index: which records, newest or oldest first, in constant memory.

Records are read from the log's own bytes, and each says whether these still have the hash that they state. A record
that was withdrawn is found and marked void; it is never counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from authguard.audit.verify.log_reader import parse
from authguard.core.chain import Flaw, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import Shape

#: shapes that are asked each by itself; more are asked together, by time
APART: Final = 256
_ROW: Final = "SELECT at, no, shape, void, file, place, size FROM record WHERE "
_Row = tuple[float, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
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

    def wants(self, shape: Shape) -> bool:
        """Whether lines of a shape may be meant."""
        return (
            _any(self.kinds, (shape.kind,))
            and _any(self.outcomes, (shape.outcome,))
            and _any(self.operations, (shape.operation,))
            and _any(self.channels, (shape.channel,))
            and _any(self.reasons, (shape.reason,))
            and _any(self.rules, (shape.rule, *shape.rule.split(":", 1)) if shape.rule else ())
            and _any(self.states, _states(shape))
            and _any(self.events, _events(shape))
        )


def _any(asked: tuple[str, ...], has: Iterable[str]) -> bool:
    return not asked or bool(set(asked).intersection(has))


def _states(shape: Shape) -> set[str]:
    states = {shape.machine: shape.dest} if shape.machine else dict(list(shape.states().items())[:5])
    return {*states.values(), *(f"{machine}={state}" for machine, state in states.items())}


def _events(shape: Shape) -> set[str]:
    events = (f"{shape.machine}.{shape.event}",) if shape.machine else shape.events
    return {*events, *(event.partition(".")[2] for event in events)}


@dataclass(frozen=True, slots=True)
class Found:
    """One record.

    Attributes:
        at: epoch seconds UTC.
        shape: what it shares with others.
        void: whether it was withdrawn.
        line: as it stands in the log.
        intact: whether the line has the hash that it states.
    """

    at: float
    shape: Shape
    void: bool
    line: bytes

    @property
    def intact(self) -> bool:
        """Whether the line has the hash that it states."""
        return not isinstance(read(self.line), Flaw)

    @property
    def record(self) -> dict[str, Any]:
        """What the line says; empty where it is no record any more."""
        return parse(self.line)


def find(index: Index, question: Question, *, newest: bool = True) -> Iterator[Found]:
    """Find records, in the order of their times.

    Args:
        index: of the log.
        question: what is asked.
        newest: whether the last comes first.
    """
    shapes = {number: shape for number, shape in index.shapes().items() if question.wants(shape)}
    wanted = question.text.casefold()
    for at, _, shape, void, file, place, size in _rows(index, question, shapes, newest=newest):
        if shape not in shapes:
            continue
        line = index.line(file, place, size)
        if wanted and wanted not in _plain(line):
            continue
        yield Found(at, shapes[shape], bool(void), line)


def last(index: Index, question: Question, count: int) -> list[Found]:
    """Find the last records, oldest first."""
    return list(islice(find(index, question), count))[::-1]


def _plain(line: bytes) -> str:
    return line.decode("utf-8", "replace").casefold()


def _rows(index: Index, question: Question, shapes: Iterable[int], *, newest: bool) -> Iterator[_Row]:
    order = (
        " AND at >= ? AND at <= ? ORDER BY at DESC, no DESC" if newest else " AND at >= ? AND at <= ? ORDER BY at, no"
    )
    period = (question.since, question.until)

    def ask(column: str, value: object) -> Iterator[_Row]:
        return iter(index.db.execute(f"{_ROW}{column} = ?{order}", (value, *period)))

    if question.session:
        return ask("session", whole_session(index, question.session))
    if question.transaction:
        return ask("transact", question.transaction)
    if question.subjects:
        runs = [ask(column, one) for one in question.subjects for column in ("subject", "actor")]
        return _each_once(merge(*runs, key=_place, reverse=newest))
    apart = list(shapes)
    if len(apart) <= APART:
        return merge(*(ask("shape", one) for one in apart), key=_place, reverse=newest)
    return iter(index.db.execute(f"{_ROW}at >= ?{order}", (question.since, *period)))


def _place(row: _Row) -> tuple[float, int]:
    return row[0], row[1]


def _each_once(rows: Iterable[_Row]) -> Iterator[_Row]:
    before = -1
    for row in rows:
        if row[1] != before:
            yield row
        before = row[1]


def whole_session(index: Index, begins: str) -> str:
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


def by_id(index: Index, record: str) -> list[Found]:
    """Find the records of an id; more than one is a sign of forgery, and all are given.

    Args:
        index: of the log.
        record: the id, or a reply's ``instance``, which ends in it.
    """
    rows = index.db.execute(f"{_ROW}id = ? ORDER BY at, no", (record.rpartition(":")[2],))
    return [_found(index, row) for row in rows]


def moved_by(index: Index, decision: str) -> list[Found]:
    """Find what happened by a decision: transitions and acts that name it."""
    rows = index.db.execute(f"{_ROW}decision = ? ORDER BY no", (decision,))
    return [_found(index, row) for row in rows]


def _found(index: Index, row: _Row) -> Found:
    at, _, shape, void, file, place, size = row
    return Found(at, index.shapes()[shape], bool(void), index.line(file, place, size))


def counts(index: Index, since: float, until: float) -> dict[int, int]:
    """Count the records of each shape in a period; void ones are not counted."""
    sql = "SELECT shape, count(*) FROM record WHERE at >= ? AND at <= ? AND void = 0 GROUP BY shape"
    if since == float("-inf") and until == float("inf"):
        return dict(index.db.execute("SELECT shape, count(*) FROM record WHERE void = 0 GROUP BY shape"))
    return dict(index.db.execute(sql, (since, until)))


def span(index: Index) -> tuple[float, float]:
    """Give the times of the first and the last record; zeros where there is none."""
    first = index.db.execute("SELECT min(at) FROM record").fetchone()[0]
    latest = index.db.execute("SELECT max(at) FROM record").fetchone()[0]
    return first or 0.0, latest or 0.0
