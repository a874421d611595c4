"""Select the record that a command is about: by id, or the refusal of a person that is nearest to a time.

Rules:
- A refusal is a decision that did not admit the request, a refusal without a decision, or a fault of the guard.
- A request that was admitted with fewer permissions counts if no refusal does.
- A request without a proven caller has no subject in the log: it is offered beside a person's refusals, never as one.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from authguard.audit.query.search import Query, find, find_by_id
from authguard.audit.query.timeparse import parse_time
from authguard.cli.audit_person import complete_prefix, resolve_subjects
from authguard.cli.local_zone import local_zone
from authguard.cli.output import FAILED, USAGE, print_error
from authguard.cli.terminal import escape
from authguard.core.outcomes import ADMITTING, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.audit.query.index import Index
    from authguard.audit.query.search import Match
    from authguard.cli.audit_person import PersonNames

#: seconds before and after a refusal in which other refusals are mentioned
NEAR_S: Final = 300.0
#: most refusals near a time that are counted
MAX_NEAR: Final = 1_000
#: most records that are examined for the refusal nearest to a time
MAX_EXAMINED: Final = 100_000
#: fewest digits of an id that are shown: the time of a record takes so many, so later records rarely make it ambiguous
SHORT_DIGITS: Final = 12
#: outcomes that did not admit the request and did not repeat an earlier response
REFUSING: Final = tuple(one.value for one in Outcome if one not in {*ADMITTING, Outcome.REPEAT})
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?|noon|midnight")
_DAY_S: Final = 86_400.0
_MINUTE_S: Final = 60.0


class Selector(Struct, frozen=True, kw_only=True):
    """Conditions on the refusal that is wanted.

    Attributes:
        person: name or pseudonym of the subject as typed; empty for none.
        session: key of the session, or a prefix of it.
        transaction: id of the transaction, or a prefix of it.
        operations: names of operations.
        outcomes: outcomes; empty for all that refuse.
        since: start of the period.
        until: end of the period.
    """

    person: str = ""
    session: str = ""
    transaction: str = ""
    operations: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    since: float = float("-inf")
    until: float = float("inf")

    @property
    def words(self) -> str:
        """The conditions in words, to continue a sentence; empty for none."""
        parts = [
            f" of `{escape(self.person)}`" if self.person else "",
            f" in the session `{escape(self.session)}`" if self.session else "",
            f" of the transaction `{escape(self.transaction)}`" if self.transaction else "",
            f" for {' or '.join(f'`{escape(one)}`' for one in self.operations)}" if self.operations else "",
            f" with the outcome {' or '.join(self.outcomes)}" if self.outcomes else "",
        ]
        return "".join(parts)


class Selected(Struct, frozen=True, kw_only=True):
    """A selected record and what is near it.

    Attributes:
        match: the record.
        near: other refusals within `NEAR_S` that the same conditions select, oldest first.
        unproven: refusals within `NEAR_S` of requests without a proven caller, oldest first; empty without a person.
        is_unproven: whether the record itself has no proven caller, since the person has no refusal near that time.
    """

    match: Match
    near: tuple[Match, ...] = ()
    unproven: tuple[Match, ...] = ()
    is_unproven: bool = False


def parse_at(typed: str, now: float) -> float:
    """Parse `--at`; a time of day that is still to come today means yesterday.

    Raises:
        typer.BadParameter: it is no time, or it is in the future.
    """
    try:
        at = parse_time(typed, now, local_zone())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
    if at > now and _CLOCK.fullmatch(typed.strip().lower()):
        at -= _DAY_S
    if at > now:
        raise typer.BadParameter(f"`{escape(typed)}` is in the future", param_hint="--at")
    return at


def find_record(index: Index, typed: str) -> list[Match]:
    """Find the records of an id: whole, as a reply's `instance`, or an unambiguous prefix.

    Raises:
        typer.Exit: there is none, or the prefix is ambiguous; the message has been printed.
    """
    wanted = typed.rpartition(":")[2]
    try:
        whole = complete_prefix(index, ("id",), wanted, "records") if wanted else ()
    except LookupError as error:
        print_error(str(error.args[0]))
        raise typer.Exit(USAGE) from None
    if whole:
        return find_by_id(index, whole[0])
    print_error(f"there is no record `{escape(typed)}` in the log{suggest(index, wanted)}")
    raise typer.Exit(FAILED)


def suggest(index: Index, wanted: str) -> str:
    """Return what an unknown id is, or the ids nearest to it, as the end of a message."""
    for column, option in (("session", "--session"), ("transact", "--transaction"), ("subject", "--subject")):
        sql = f"SELECT 1 FROM record WHERE {column} = ? LIMIT 1"  # noqa: S608 - a constant column
        if index.db.execute(sql, (wanted,)).fetchone():
            return f": it is the value of {option}, which `authguard audit query` and `audit explain` take"
    before = index.db.execute("SELECT max(id) FROM record WHERE id < ?", (wanted,)).fetchone()[0]
    after = index.db.execute("SELECT min(id) FROM record WHERE id > ?", (wanted,)).fetchone()[0]
    near = [f"`{escape(one)}`" for one in (before, after) if one]
    if not near:
        return ""
    return f"; the nearest ids are {' and '.join(near)}: find the record with `authguard audit query --since TIME`"


def shorten(index: Index, record: str) -> str:
    """Return the shortest unambiguous prefix of a record's id, with at least `SHORT_DIGITS` characters."""
    sql = "SELECT max(id) FROM record WHERE id < ? UNION ALL SELECT min(id) FROM record WHERE id > ?"
    others = [one for (one,) in index.db.execute(sql, (record, record)) if one]
    size = max((_common(record, one) for one in others), default=0) + 1
    return record[: max(size, SHORT_DIGITS)]


def _common(one: str, other: str) -> int:
    """Return the number of characters with which both begin."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def select_refusal(index: Index, asked: Selector, names: PersonNames | None, at: float | None) -> Selected | None:
    """Select the refusal nearest to a time, or the newest one; return `None` if there is none.

    Args:
        index: of the log.
        asked: conditions.
        names: names of the person; `None` without `--subject`.
        at: start of the minute; `None` for the newest refusal.

    Raises:
        LookupError: a session, transaction or person is ambiguous or not in the log; the message says which.
    """
    queries = _queries(index, asked, names)
    chosen = _choose(index, queries, at)
    if not asked.outcomes and (chosen is None or (at is not None and _distance(chosen.at, at) > NEAR_S)):
        restricted = _choose(index, [replace(queries[0], outcomes=(Outcome.RESTRICT.value,))], at)
        if restricted and (at is None or chosen is None or _distance(restricted.at, at) <= NEAR_S):
            chosen = restricted
    personal = bool(names or asked.session or asked.transaction)
    centre = at if at is not None else chosen.at if chosen else None
    unproven = tuple(_unproven(index, asked, centre)) if personal and centre is not None else ()
    if at is not None and unproven and (chosen is None or _distance(chosen.at, at) > NEAR_S):
        own = () if chosen is None else (chosen,)
        nearest = min(unproven, key=lambda one: _distance(one.at, at))
        others = tuple(one for one in unproven if one is not nearest)
        return Selected(match=nearest, near=own, unproven=others, is_unproven=True)
    if chosen is None:
        return None
    near = [one for one in _within(index, queries, chosen.at) if one.line != chosen.line]
    return Selected(match=chosen, near=tuple(near), unproven=unproven)


def _choose(index: Index, queries: Sequence[Query], at: float | None) -> Match | None:
    return _newest(index, queries) if at is None else _nearest(index, queries, at)


def _queries(index: Index, asked: Selector, names: PersonNames | None) -> tuple[Query, ...]:
    """Return the queries for decisions, and for refusals without a decision, that together find the refusals."""
    subjects: tuple[str, ...] = ()
    if names is not None:
        subjects = resolve_subjects(index, names, asked.person)
        if not subjects:
            raise LookupError(_unknown(asked, names))
    session = _complete(index, "session", asked.session, "sessions")
    transaction = _complete(index, "transact", asked.transaction, "transactions")

    def query(kinds: tuple[str, ...], outcomes: tuple[str, ...]) -> Query:
        return Query(
            kinds=kinds,
            outcomes=outcomes,
            operations=asked.operations,
            subjects=subjects,
            session=session,
            transaction=transaction,
            since=asked.since,
            until=asked.until,
        )

    decisions = query(("decision",), asked.outcomes or REFUSING)
    return (decisions,) if asked.outcomes else (decisions, query(("refusal", "fault"), ()))


def _unknown(asked: Selector, names: PersonNames) -> str:
    erased = " any more: its key was destroyed, so its earlier records cannot be found" if names.erased else ""
    return (
        f"the log has no record of `{escape(asked.person)}`{erased};"
        " check the spelling, --issuer and --store, or list who was refused with `authguard audit query --since TIME`"
    )


def _complete(index: Index, column: str, typed: str, what: str) -> str:
    if not typed:
        return ""
    found = complete_prefix(index, (column,), typed.rpartition(":")[2], what)
    if not found:
        raise LookupError(f"the log has no record of the {what[:-1]} `{escape(typed)}`")
    return found[0]


def _newest(index: Index, queries: Iterable[Query]) -> Match | None:
    found = [one for query in queries for one in islice(_valid(find(index, query)), 1)]
    return max(found, key=lambda one: one.at, default=None)


def _nearest(index: Index, queries: Iterable[Query], at: float) -> Match | None:
    """Return the refusal nearest to a minute; of those within it, the newest."""
    found: list[Match] = []
    for query in queries:
        until = min(query.until, at + _MINUTE_S - 1e-6)
        found += islice(_valid(find(index, _between(query, query.since, until))), 1)
        found += islice(_valid(find(index, _between(query, max(query.since, at), query.until), newest=False)), 1)
    return min(found, key=lambda one: (_distance(one.at, at), -one.at), default=None)


def _distance(time: float, at: float) -> float:
    """Return the seconds between a time and the minute that begins at `at`."""
    return max(at - time, time - at - _MINUTE_S, 0.0)


def _within(index: Index, queries: Iterable[Query], at: float) -> list[Match]:
    found = [
        one
        for query in queries
        for one in islice(
            _valid(find(index, _between(query, max(query.since, at - NEAR_S), min(query.until, at + NEAR_S)))), MAX_NEAR
        )
    ]
    return sorted(found, key=lambda one: one.at)


def _unproven(index: Index, asked: Selector, at: float) -> Iterator[Match]:
    """Yield refusals near a time of requests without a proven caller."""
    wide = Selector(operations=asked.operations, outcomes=asked.outcomes, since=asked.since, until=asked.until)
    for one in _within(index, _queries(index, wide, None), at):
        if not one.record.get("subject") and one.template.kind != "fault":
            yield one


def _valid(found: Iterable[Match]) -> Iterator[Match]:
    return (one for one in islice(found, MAX_EXAMINED) if not one.void)


def _between(query: Query, since: float, until: float) -> Query:
    return replace(query, since=since, until=until)
