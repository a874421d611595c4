"""Acts of people, and the number of different people and agents in a period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.audit.query.search import Query, find
from authguard.core.person_name import normalize_name
from authguard.records.handover import ACCEPTED

if TYPE_CHECKING:
    from authguard.audit.query.index import Index

#: acts of staff and operators, without those of methods, sources, the log and the guard
BY_STAFF: Final = frozenset(
    {
        *("handoff.taken", "handoff.closed", "handoff.overridden"),
        *("rollback.engaged", "rollback.released"),
        *("transaction.approved", "transaction.denied", "transaction.settled_done", "transaction.settled_failed"),
        *("account.reinstated", "account.signed_out", "verification.reset", "session.revoked"),
        *("subject.erased", ACCEPTED),
    }
)
#: acts of staff, operators and customers
BY_PEOPLE: Final = BY_STAFF | {"transaction.withdrawn"}


class People(Struct, frozen=True):
    """Number of different people and agents in a period.

    Attributes:
        customers: subjects with a decision, in a session of theirs or through an agent.
        agents: actors that acted for a subject.
        staff: people who decided something, by name; they are not counted as customers.
    """

    customers: int = 0
    agents: int = 0
    staff: int = 0


def count_people(index: Index, since: float, until: float) -> People:
    """Count different people: staff by normalized name, customers and agents by pseudonym."""
    within = "at >= ? AND at <= ? AND void = 0"
    decided = [number for number, template in index.templates().items() if template.kind == "decision"]
    numbers = ",".join(map(str, decided))
    of = f"FROM record WHERE template IN ({numbers}) AND {within}"
    sql = f"SELECT count(DISTINCT subject), count(DISTINCT actor) {of}"
    customers, agents = index.db.execute(sql, (since, until)).fetchone()
    names = {
        str(found.record.get("by", ""))
        for found in find(index, Query(kinds=("act",), since=since, until=until))
        if found.template.act in BY_STAFF and not found.void
    }
    people = {normalize_name(name) for several in names for name in several.split(", ")} - {""}
    sql = f"SELECT 1 {of} AND subject = ? LIMIT 1"
    both = sum(1 for name in names if index.db.execute(sql, (since, until, name)).fetchone())
    return People(customers - both, agents, len(people))
