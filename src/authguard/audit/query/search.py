"""Search for records through the index of a log, newest or oldest first, in constant memory.

Records are read from the log's own bytes, and each match states whether its line still has the hash that it contains. A
withdrawn record is found and marked void; it is never counted. A line that says something else than the index, because
it was edited in place since, is not intact either.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from authguard.audit.query.rows import is_line_of
from authguard.audit.verify.log_reader import decode_line
from authguard.records.chain import has_stated_hash
from authguard.records.fields import kinds_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate

#: maximum number of templates that are queried separately; more are queried together, by time
MAX_SEPARATE_TEMPLATES: Final = 256
#: most candidates that a message lists
MAX_CANDIDATES: Final = 8
#: kinds of records with properties of a request; in other kinds, a field of the app can have the same name
_REQUEST_KINDS: Final = kinds_with("peer")
_ROW: Final = "SELECT at, no, template, void, file, place, size FROM record WHERE "
_Row = tuple[float, int, int, int, int, int, int]


class Query(Struct, frozen=True, kw_only=True):
    """Conditions on records; an empty member is no condition, and one of several values suffices.

    Attributes:
        since: earliest time, epoch seconds UTC.
        until: latest time.
        kinds: kinds of records.
        states: ``machine=state`` or ``state``: of a decision's cell, or the destination of a transition.
        events: ``machine.trigger`` or ``trigger``: of a decision, or of a transition.
        outcomes: outcomes of decisions.
        rules: ``22:prove_identity``, ``22`` or ``prove_identity``.
        operations: requested operations.
        channels: authenticated channels.
        reasons: closed codes.
        text: text anywhere in the line, in any case.
        subjects: pseudonyms, of the subject or of the actor.
        session: the session's key, or a unique prefix of it.
        transaction: the transaction's id, or a unique prefix of it.
        peers: names of the client's address: the address or its keyed hash.
        methods: HTTP methods.
        paths: path templates.
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
    peers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def matches(self, template: RecordTemplate) -> bool:
        """Return whether records of a template may match."""
        return (
            _any(self.kinds, (template.kind,))
            and _any(self.outcomes, (template.outcome,))
            and _any(self.operations, (template.operation,))
            and _any(self.channels, (template.channel,))
            and _any(self.reasons, (template.reason,))
            and _any(self.rules, (template.rule, *template.rule.split(":", 1)) if template.rule else ())
            and _any(self.states, _states(template))
            and _any(self.events, _events(template))
            and (template.kind in _REQUEST_KINDS or not self.properties())
        )

    def properties(self) -> list[tuple[bytes, ...]]:
        """Return for each property of a request that is asked for the members of a line, of which one must be there."""
        asked = (("peer", self.peers), ("method", self.methods), ("path", self.paths))
        return [
            tuple(b'"%b":%b' % (name.encode(), msgspec.json.encode(value)) for value in values)
            for name, values in asked
            if values
        ]


def _any(asked: tuple[str, ...], has: Iterable[str]) -> bool:
    return not asked or bool(set(asked).intersection(has))


def _states(template: RecordTemplate) -> set[str]:
    states = {template.machine: template.dest} if template.machine else dict(list(template.states().items())[:5])
    return {*states.values(), *(f"{machine}={state}" for machine, state in states.items())}


def _events(template: RecordTemplate) -> set[str]:
    events = (f"{template.machine}.{template.event}",) if template.machine else template.events
    return {*events, *(event.partition(".")[2] for event in events)}


class Match(Struct, frozen=True):
    """One record that matches a query.

    Attributes:
        at: epoch seconds UTC.
        template: the members that it shares with other records.
        void: whether it was withdrawn.
        line: the line of the log.
        intact: whether the line has the hash that it contains, and still says what the index says about it.
    """

    at: float
    template: RecordTemplate
    void: bool
    line: bytes
    intact: bool

    @property
    def record(self) -> dict[str, Any]:
        """The members of the line; empty if it is no longer a record."""
        return decode_line(self.line)


def find(index: Index, query: Query, *, newest: bool = True) -> Iterator[Match]:
    """Find records, in the order of their times.

    Args:
        index: of the log.
        query: conditions.
        newest: whether the newest record comes first.
    """
    templates = {number: template for number, template in index.templates().items() if query.matches(template)}
    wanted, properties = query.text.casefold(), query.properties()
    names = frozenset(query.subjects)
    for at, _, template, void, file, place, size in _rows(index, query, templates, newest=newest):
        if template not in templates:
            continue
        line = index.line(file, place, size)
        if wanted and wanted not in _casefold(line):
            continue
        if properties and not all(any(member in line for member in members) for members in properties):
            continue
        intact = has_stated_hash(line) and is_line_of(line, templates[template], at, names)
        yield Match(at, templates[template], bool(void), line, intact)


def last(index: Index, query: Query, count: int) -> list[Match]:
    """Return the last matching records, oldest first."""
    return list(islice(find(index, query), count))[::-1]


def _casefold(line: bytes) -> str:
    return line.decode("utf-8", "replace").casefold()


def _rows(index: Index, query: Query, templates: Iterable[int], *, newest: bool) -> Iterator[_Row]:
    order = (
        " AND at >= ? AND at <= ? ORDER BY at DESC, no DESC" if newest else " AND at >= ? AND at <= ? ORDER BY at, no"
    )
    period = (query.since, query.until)

    def select(column: str, value: object, further: str = "", *values: object) -> Iterator[_Row]:
        return iter(index.db.execute(f"{_ROW}{column} = ?{further}{order}", (value, *values, *period)))

    people = f" AND (subject IN ({(marks := _marks(query.subjects))}) OR actor IN ({marks}))" if query.subjects else ""
    twice = (*query.subjects, *query.subjects)
    transact = resolve_transaction(index, query.transaction) if query.transaction else ""
    if query.session:
        also = " AND transact = ?" if query.transaction else ""
        transaction = (transact,) if transact else ()
        return select("session", resolve_session(index, query.session), also + people, *transaction, *twice)
    if query.transaction:
        return select("transact", transact, people, *twice)
    if query.subjects:
        runs = [select(column, one) for one in query.subjects for column in ("subject", "actor")]
        return _drop_repeated(merge(*runs, key=_sort_key, reverse=newest))
    separate = list(templates)
    if len(separate) < len(index.templates()) and len(separate) <= MAX_SEPARATE_TEMPLATES:
        return merge(*(select("template", one) for one in separate), key=_sort_key, reverse=newest)
    return iter(index.db.execute(f"{_ROW}at >= ?{order}", (query.since, *period)))


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _sort_key(row: _Row) -> tuple[float, int]:
    return row[0], row[1]


def _drop_repeated(rows: Iterable[_Row]) -> Iterator[_Row]:
    before = -1
    for row in rows:
        if row[1] != before:
            yield row
        before = row[1]


def resolve_session(index: Index, prefix: str) -> str:
    """Return the only session key with a prefix.

    Raises:
        LookupError: there is none, or there are several; the message lists them.
    """
    return _resolve(index, "session", prefix, "session")


def resolve_transaction(index: Index, prefix: str) -> str:
    """Return the only transaction id with a prefix.

    Raises:
        LookupError: there is none, or there are several; the message lists them.
    """
    return _resolve(index, "transact", prefix, "transaction")


def _resolve(index: Index, column: str, typed: str, noun: str) -> str:
    prefix = typed.rpartition(":")[2]  # as it stands in a reply
    sql = (
        f"SELECT DISTINCT {column} FROM record WHERE {column} >= ? AND {column} < ?"  # noqa: S608 - a constant column
        f" ORDER BY {column} LIMIT {MAX_CANDIDATES + 1}"
    )
    keys = [str(key) for (key,) in index.db.execute(sql, (prefix, prefix + "\U0010ffff"))]
    if prefix in keys:
        return prefix
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise LookupError(f"there is no {noun} that begins with `{prefix}`")
    listed = ", ".join(keys[:MAX_CANDIDATES]) + (" and more" if len(keys) > MAX_CANDIDATES else "")
    raise LookupError(f"several {noun}s begin with `{prefix}`: {listed}; type more of it")


def find_by_id(index: Index, record: str) -> list[Match]:
    """Find the records of an id; all are returned, because more than one is a sign of forgery.

    Args:
        index: of the log.
        record: the id, or a reply's ``instance``, which ends in it.
    """
    rows = index.db.execute(f"{_ROW}id = ? ORDER BY at, no", (record.rpartition(":")[2],))
    return [_to_match(index, row) for row in rows]


def find_by_decision(index: Index, decision: str) -> list[Match]:
    """Find the consequences of a decision: the transitions and acts that name it."""
    rows = index.db.execute(f"{_ROW}decision = ? ORDER BY no", (decision,))
    return [_to_match(index, row) for row in rows]


def _to_match(index: Index, row: _Row) -> Match:
    at, _, template, void, file, place, size = row
    line, shared = index.line(file, place, size), index.templates()[template]
    return Match(at, shared, bool(void), line, has_stated_hash(line) and is_line_of(line, shared, at, frozenset()))


def count_by_template(index: Index, since: float, until: float) -> dict[int, int]:
    """Count the records of each template in a period, without void ones."""
    sql = "SELECT template, count(*) FROM record WHERE at >= ? AND at <= ? AND void = 0 GROUP BY template"
    if since == float("-inf") and until == float("inf"):
        return dict(index.db.execute("SELECT template, count(*) FROM record WHERE void = 0 GROUP BY template"))
    return dict(index.db.execute(sql, (since, until)))


def count_period(index: Index, since: float, until: float) -> int:
    """Count all records of a period, void ones included."""
    return int(index.db.execute("SELECT count(*) FROM record WHERE at >= ? AND at <= ?", (since, until)).fetchone()[0])


def time_range(index: Index) -> tuple[float, float]:
    """Return the times of the first and the last record; zeros if there are none."""
    first = index.db.execute("SELECT min(at) FROM record").fetchone()[0]
    latest = index.db.execute("SELECT max(at) FROM record").fetchone()[0]
    return first or 0.0, latest or 0.0
