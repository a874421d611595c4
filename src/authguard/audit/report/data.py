"""What a report tells of a period, gathered from the index: over time, by rule, what was held, what people did.

Rules of this file:
- Void records are not counted. Memory does not grow with the log: of lists, so many are kept and the rest is counted.
- What was held is told as it stood at the period's end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

from authguard.audit.query.search import Query, find
from authguard.audit.query.stats import VERDICTS, collect_stats
from authguard.audit.report.hold import HeldTransaction, LapseRule
from authguard.audit.report.people import BY_PEOPLE, People, count_people

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate
    from authguard.audit.query.stats import Stats
    from authguard.audit.verify.result import Verification
    from authguard.policy.compiled_policy import Policy

#: rows of a list that are kept
LISTED: Final = 50
#: acts that are looked through, the newest
ACTS: Final = 2_000
#: most columns of a plot, and the widths that one may have, seconds
COLUMNS: Final = 60
WIDTHS: Final = (60.0, 300.0, 900.0, 3_600.0, 10_800.0, 21_600.0, 86_400.0, 604_800.0, 2_419_200.0, 31_536_000.0)
DENIALS: Final = frozenset({"deny", "terminate"})
#: outcomes told together in plots
GROUPS: Final = {
    "let through": ("allow", "restrict", "repeat"),
    "asked for more": ("challenge", "step_up", "verify"),
    "made to wait": ("hold", "handoff", "retry"),
    "denied": ("deny", "terminate"),
}
_GROUP: Final = {outcome: group for group, outcomes in GROUPS.items() for outcome in outcomes}


@dataclass(frozen=True, slots=True)
class Column:
    """One stretch of time.

    Attributes:
        at: where it begins, epoch seconds UTC.
        decided: group of outcomes -> decisions.
        verdicts: as in `authguard.audit.query.stats.Stats`.
    """

    at: float
    decided: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class RuleDenials:
    """Denials by one rule.

    Attributes:
        rule: as the log names it.
        policy: digest.
        outcome: one of the denials.
        operations: operation -> how many.
    """

    rule: str
    policy: str
    outcome: str
    operations: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.operations.values())


@dataclass(frozen=True, slots=True)
class HoldStats:
    """Held transactions that came to one end.

    Attributes:
        count: of them.
        mean: seconds until somebody or the clock decided; 0 where they wait still.
        longest: as much.
    """

    count: int = 0
    mean: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """One act.

    Attributes:
        at: epoch seconds UTC.
        act: what was done.
        by: who.
        note: why.
        id: of the record.
    """

    at: float
    act: str
    by: str
    note: str
    id: str


@dataclass(frozen=True, slots=True)
class PolicyPeriod:
    """A policy under which records were made.

    Attributes:
        digest: of it.
        first: time of its first record, epoch seconds UTC.
        last: of its last.
        count: of records.
    """

    digest: str
    first: float
    last: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """What a report tells.

    Attributes:
        stats: the counts.
        width: of a column, seconds.
        columns: in their order, without gaps.
        denials: most first.
        ends: state -> how many of the held came to it.
        waiting: held and undecided, the longest first.
        held: others that were held, the newest first.
        by_people: acts, the newest first.
        by_system: what the guard and the log said of themselves, the newest first.
        acts: what was done -> how often.
        in_force: policies, by their first record.
        met: people and agents.
    """

    stats: Stats
    width: float
    columns: tuple[Column, ...]
    denials: tuple[RuleDenials, ...]
    ends: Mapping[str, HoldStats]
    waiting: tuple[HeldTransaction, ...]
    held: tuple[HeldTransaction, ...]
    by_people: tuple[Act, ...]
    by_system: tuple[Act, ...]
    acts: Mapping[str, int]
    in_force: tuple[PolicyPeriod, ...]
    met: People


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """What stands on the report beside its data.

    Attributes:
        log: its name.
        since: as asked, epoch seconds UTC; minus infinite where nothing was.
        until: as much; infinite where nothing was.
        made: when, epoch seconds UTC.
        by: the program and its version.
        verification: of the whole log.
        signed: whether signatures were looked at.
        caveat: what the key that was looked at does not vouch against; empty for nothing.
        policy: that names lines of rules; ``None`` where none was given.
    """

    log: str
    since: float
    until: float
    made: float
    by: str
    verification: Verification
    signed: bool
    caveat: str = ""
    policy: Policy | None = None


def collect_report(
    index: Index, since: float, until: float, policy: Policy | None = None, now: float = 0.0
) -> ReportData:
    """Gather a report.

    Args:
        index: of the log.
        since: earliest time, epoch seconds UTC.
        until: latest.
        policy: whose timers tell what has lapsed since nobody looked; ``None`` where none is at hand.
        now: epoch seconds UTC.
    """
    stats = collect_stats(index, since, until)
    templates = index.templates()
    width, columns = _columns(index, stats)
    lapse = LapseRule.of(policy, min(until, now))
    ends, waiting, held = _held(index, since, until, lapse)
    people, itself = _acts(index, since, until)
    denials: dict[tuple[str, str, str], Counter[str]] = {}
    acts: Counter[str] = Counter()
    policies: dict[str, list[PolicyPeriod]] = {}
    sql = (
        "SELECT template, count(*), min(at), max(at) FROM record"
        " WHERE at >= ? AND at <= ? AND void = 0 GROUP BY template"
    )
    for number, count, first, last in index.db.execute(sql, (since, until)):
        template = templates[number]
        policies.setdefault(template.policy, []).append(PolicyPeriod(template.policy, first, last, count))
        acts.update({template.act: count} if template.kind == "act" else {})
        if template.kind == "decision" and template.outcome in DENIALS:
            rule = denials.setdefault((template.rule, template.policy, template.outcome), Counter())
            rule[template.operation] += count
    return ReportData(
        stats=stats,
        width=width,
        columns=columns,
        denials=tuple(
            sorted(
                (RuleDenials(*what, counted) for what, counted in denials.items()),
                key=lambda one: (-one.count, one.rule),
            )
        ),
        ends=ends,
        waiting=waiting,
        held=held,
        by_people=people,
        by_system=itself,
        acts=acts,
        met=count_people(index, since, until),
        in_force=tuple(sorted((_joined(many) for many in policies.values()), key=lambda one: one.first)),
    )


def _joined(many: list[PolicyPeriod]) -> PolicyPeriod:
    return PolicyPeriod(
        many[0].digest, min(one.first for one in many), max(one.last for one in many), sum(one.count for one in many)
    )


def _columns(index: Index, stats: Stats) -> tuple[float, tuple[Column, ...]]:
    if not stats.kinds:
        return WIDTHS[0], ()
    width = next((one for one in WIDTHS if (stats.until - stats.since) / one <= COLUMNS - 1), 0.0)
    width = width or (stats.until - stats.since) / (COLUMNS - 1)
    begin = stats.since // width * width
    columns = tuple(Column(begin + place * width) for place in range(int((stats.until - begin) / width) + 1))
    told = {
        number: (_GROUP.get(template.outcome, "") if template.kind == "decision" else "", _verdict(template))
        for number, template in index.templates().items()
    }
    wanted = [number for number, (group, verdict) in told.items() if group or verdict]
    sql = (
        f"SELECT CAST((at - ?) / ? AS INTEGER), template, count(*) FROM record WHERE template IN ({_numbers(wanted)})"  # noqa: S608 - numbers
        " AND at >= ? AND at <= ? AND void = 0 GROUP BY 1, 2"
    )
    for place, number, count in index.db.execute(sql, (begin, width, stats.since, stats.until)):
        group, verdict = told[number]
        columns[place].decided.update({group: count} if group else {})
        columns[place].verdicts.update({verdict: count} if verdict else {})
    return width, columns


def _verdict(template: RecordTemplate) -> str:
    return VERDICTS.get(template.event, "") if template.machine == "verification" else ""


def _numbers(templates: list[int]) -> str:
    return ",".join(map(str, templates))


def _held(
    index: Index, since: float, until: float, lapse: LapseRule
) -> tuple[dict[str, HoldStats], tuple[HeldTransaction, ...], tuple[HeldTransaction, ...]]:
    ends: dict[str, HoldStats] = {}
    waiting: list[HeldTransaction] = []
    held: list[HeldTransaction] = []
    for one in map(lapse.seen, _each_held(index, since, until)):
        before = ends.get(one.state, HoldStats())
        waited = one.decided - one.at if one.decided else 0.0
        mean = (before.mean * before.count + waited) / (before.count + 1)
        ends[one.state] = HoldStats(before.count + 1, mean, max(before.longest, waited))
        into = held if one.decided else waiting
        into.append(one)
        if len(into) > 10 * LISTED:
            into[:] = _kept(into)
    return (
        ends,
        tuple(_with_people(index, one, until) for one in _kept(waiting)),
        tuple(_with_people(index, one, until) for one in _kept(held)),
    )


def _kept(many: list[HeldTransaction]) -> list[HeldTransaction]:
    """Keep of those that wait the longest, and of the others the newest."""
    return nlargest(LISTED, many, key=lambda one: one.at if one.decided else -one.at)


def _each_held(index: Index, since: float, until: float) -> Iterator[HeldTransaction]:
    templates = index.templates()
    own = [number for number, template in templates.items() if template.machine == "transaction"]
    begun = [number for number in own if templates[number].dest == "held"]
    sql = (
        f"SELECT transact, at, template FROM record WHERE template IN ({_numbers(own)}) AND void = 0 AND at <= ?"  # noqa: S608 - numbers
        f" AND transact IN (SELECT transact FROM record WHERE template IN ({_numbers(begun)})"
        " AND void = 0 AND at >= ? AND at <= ?) ORDER BY transact, at, no"
    )
    rows = index.db.execute(sql, (until, since, until))
    for transaction, moves in groupby(rows, key=lambda row: str(row[0])):
        at = decided = 0.0
        state = ""
        for _, when, number in moves:
            state = templates[number].dest
            if state == "held":
                at, decided = at or when, 0.0
            elif at:
                decided = decided or when
        yield HeldTransaction(transaction, at, state, decided)


def _with_people(index: Index, one: HeldTransaction, until: float) -> HeldTransaction:
    query = Query(transaction=one.id, kinds=("act",), until=until)
    people = tuple(
        f"{found.template.act} by {found.record.get('by') or 'nobody named'}"
        for found in islice(find(index, query, newest=False), LISTED)
    )
    return HeldTransaction(one.id, one.at, one.state, one.decided, people)


def _acts(index: Index, since: float, until: float) -> tuple[tuple[Act, ...], tuple[Act, ...]]:
    people: list[Act] = []
    itself: list[Act] = []
    for found in islice(find(index, Query(kinds=("act",), since=since, until=until)), ACTS):
        if found.void:
            continue
        said = {name: str(found.record.get(name, "")) for name in ("by", "note", "id")}
        into = people if found.template.act in BY_PEOPLE else itself
        if len(into) < LISTED:
            into.append(Act(found.at, found.template.act, said["by"], said["note"], said["id"]))
    return tuple(people), tuple(itself)
