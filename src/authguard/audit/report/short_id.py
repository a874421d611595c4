"""Short forms of ids: the shortest prefix that no other id of the log begins with, so that a command accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.audit.query.index import Index

#: fewest characters of a short id
MIN_CHARS: Final = 8


def shorten_ids(
    index: Index, *, transactions: Iterable[str], records: Iterable[str], policies: Iterable[str]
) -> Mapping[str, str]:
    """Return the short form of each id.

    Args:
        index: of the log.
        transactions: ids of transactions.
        records: ids of records.
        policies: all digests of policies in the report.
    """
    short = {one: _prefix(one, _neighbours(index, "transact", one)) for one in transactions}
    short |= {one: _prefix(one, _neighbours(index, "id", one)) for one in records}
    digests = sorted(set(policies))
    return short | {one: _prefix(one, [other for other in digests if other != one]) for one in digests}


def _neighbours(index: Index, column: str, one: str) -> list[str]:
    """Return the ids before and after an id in alphabetical order."""
    sql = (
        f"SELECT max({column}) FROM record WHERE {column} < ? AND {column} IS NOT NULL",  # noqa: S608 - a constant column
        f"SELECT min({column}) FROM record WHERE {column} > ? AND {column} IS NOT NULL",  # noqa: S608 - a constant column
    )
    found = [index.db.execute(statement, (one,)).fetchone()[0] for statement in sql]
    return [other for other in found if other is not None]


def _prefix(one: str, others: Iterable[str]) -> str:
    """Return the shortest prefix of an id, of at least `MIN_CHARS`, that none of the others has."""
    shared = max((_count_shared(one, other) for other in others), default=0)
    return one[: max(shared + 1, MIN_CHARS)]


def _count_shared(one: str, other: str) -> int:
    """Return the length of the common prefix of two different ids."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
