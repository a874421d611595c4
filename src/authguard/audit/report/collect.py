"""Collection of a report from the index of a log.

Rules:
- Void records are not counted. Memory does not grow with the log: lists are limited, and the rest is counted.
- Held transactions have their state at the end of the period.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

from authguard.audit.query.search import Query, find, time_range
from authguard.audit.query.stats import VERDICTS, collect_stats
from authguard.audit.report.data import (
    DENIALS,
    FAILED,
    GROUPS,
    MAX_ROWS,
    REFUSED,
    Act,
    Column,
    HoldStats,
    PolicyPeriod,
    ReasonCount,
    ReportData,
    RuleDenials,
)
from authguard.audit.report.hold import HeldTransaction, LapseRule
from authguard.audit.report.people import BY_PEOPLE, count_people
from authguard.audit.report.short_id import shorten_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate
    from authguard.audit.query.stats import Stats
    from authguard.core.policy import Policy

#: maximum number of acts that are read, the newest first
MAX_ACTS: Final = 2_000
#: maximum number of columns of a plot, and their possible widths in seconds
MAX_COLUMNS: Final = 60
COLUMN_WIDTHS_S: Final = (
    60.0,
    300.0,
    900.0,
    3_600.0,
    10_800.0,
    21_600.0,
    86_400.0,
    604_800.0,
    2_419_200.0,
    31_536_000.0,
)
_GROUP: Final = {outcome: group for group, outcomes in GROUPS.items() for outcome in outcomes}
#: outcomes whose reasons are listed
_NOT_ADMITTED: Final = frozenset(GROUPS["challenged"]) | DENIALS


def collect_report(
    index: Index, since: float, until: float, policy: Policy | None = None, now: float = 0.0
) -> ReportData:
    """Collect the data of a report.

    Args:
        index: of the log.
        since: earliest time, epoch seconds UTC.
        until: latest time.
        policy: policy with the timer of held transactions; ``None`` if none was given.
        now: epoch seconds UTC.
    """
    stats = collect_stats(index, since, until)
    templates = index.templates()
    width, columns = _columns(index, stats)
    lapse_rule = LapseRule.of(policy, min(until, now))
    ends, waiting, held = _held(index, since, until, lapse_rule)
    people, itself = _acts(index, since, until)
    denials: dict[tuple[str, str, str], Counter[str]] = {}
    reasons: Counter[tuple[str, str]] = Counter()
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
        if result := _result(template):
            # requests are counted, not records
            reasons[template.reason, result] += count * template.requests
    log_first, log_last = time_range(index)
    return ReportData(
        stats=stats,
        log_first=log_first,
        log_last=log_last,
        width=width,
        columns=columns,
        reasons=tuple(
            sorted(
                (ReasonCount(*key, count) for key, count in reasons.items() if count),
                key=lambda one: (one.result != FAILED, -one.count, one.reason, one.result),
            )
        ),
        denials=tuple(
            sorted(
                (RuleDenials(*key, counted) for key, counted in denials.items()),
                key=lambda one: (-one.count, one.rule),
            )
        ),
        ends=ends,
        waiting=waiting,
        held=held,
        by_people=people,
        by_system=itself,
        acts=acts,
        participants=count_people(index, since, until),
        in_force=tuple(sorted((_merge_periods(many) for many in policies.values()), key=lambda one: one.first)),
        short_ids=shorten_ids(
            index,
            transactions=[one.id for one in (*waiting, *held)],
            records=[one.id for one in (*people, *itself)],
            policies=list(policies),
        ),
    )


def _result(template: RecordTemplate) -> str:
    """Return the result under which a reason is listed; empty for none."""
    match template.kind:
        case "refusal":
            return REFUSED
        case "fault":
            return FAILED
        case "decision" if template.outcome in _NOT_ADMITTED:
            return template.outcome
        case _:
            return ""


def _merge_periods(many: list[PolicyPeriod]) -> PolicyPeriod:
    return PolicyPeriod(
        many[0].digest, min(one.first for one in many), max(one.last for one in many), sum(one.count for one in many)
    )


def _columns(index: Index, stats: Stats) -> tuple[float, tuple[Column, ...]]:
    if not stats.kinds:
        return COLUMN_WIDTHS_S[0], ()
    width = next((one for one in COLUMN_WIDTHS_S if (stats.until - stats.since) / one <= MAX_COLUMNS - 1), 0.0)
    width = width or (stats.until - stats.since) / (MAX_COLUMNS - 1)
    begin = stats.since // width * width
    columns = tuple(Column(begin + place * width) for place in range(int((stats.until - begin) / width) + 1))
    groups = {
        number: (_GROUP.get(template.outcome, "") if template.kind == "decision" else "", _verdict(template))
        for number, template in index.templates().items()
    }
    wanted = [number for number, (group, verdict) in groups.items() if group or verdict]
    sql = (
        f"SELECT CAST((at - ?) / ? AS INTEGER), template, count(*) FROM record WHERE template IN ({_numbers(wanted)})"  # noqa: S608 - numbers
        " AND at >= ? AND at <= ? AND void = 0 GROUP BY 1, 2"
    )
    for place, number, count in index.db.execute(sql, (begin, width, stats.since, stats.until)):
        group, verdict = groups[number]
        columns[place].decided.update({group: count} if group else {})
        columns[place].verdicts.update({verdict: count} if verdict else {})
    return width, columns


def _verdict(template: RecordTemplate) -> str:
    return VERDICTS.get(template.event, "") if template.machine == "verification" else ""


def _numbers(templates: list[int]) -> str:
    return ",".join(map(str, templates))


def _held(
    index: Index, since: float, until: float, lapse_rule: LapseRule
) -> tuple[dict[str, HoldStats], tuple[HeldTransaction, ...], tuple[HeldTransaction, ...]]:
    ends: dict[str, HoldStats] = {}
    waiting: list[HeldTransaction] = []
    held: list[HeldTransaction] = []
    for one in map(lapse_rule.apply, _each_held(index, since, until)):
        before = ends.get(one.state, HoldStats())
        waited = one.decided - one.at if one.decided else 0.0
        mean = (before.mean * before.count + waited) / (before.count + 1)
        ends[one.state] = HoldStats(before.count + 1, mean, max(before.longest, waited))
        into = held if one.decided else waiting
        into.append(one)
        if len(into) > 10 * MAX_ROWS:
            into[:] = _first_rows(into)
    return (
        ends,
        tuple(_with_people(index, one, until) for one in _first_rows(waiting)),
        tuple(_with_people(index, one, until) for one in _first_rows(held)),
    )


def _first_rows(many: list[HeldTransaction]) -> list[HeldTransaction]:
    """Return the first rows: of held ones the longest, of the others the newest."""
    return nlargest(MAX_ROWS, many, key=lambda one: one.at if one.decided else -one.at)


def _each_held(index: Index, since: float, until: float) -> Iterator[HeldTransaction]:
    templates = index.templates()
    own = [number for number, template in templates.items() if template.machine == "transaction"]
    held_templates = [number for number in own if templates[number].dest == "held"]
    sql = (
        f"SELECT transact, at, template FROM record WHERE template IN ({_numbers(own)}) AND void = 0 AND at <= ?"  # noqa: S608 - numbers
        f" AND transact IN (SELECT transact FROM record WHERE template IN ({_numbers(held_templates)})"
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
        f"{found.template.act} by {found.record.get('by') or 'an unnamed person'}"
        for found in islice(find(index, query, newest=False), MAX_ROWS)
    )
    return HeldTransaction(one.id, one.at, one.state, one.decided, people)


def _acts(index: Index, since: float, until: float) -> tuple[tuple[Act, ...], tuple[Act, ...]]:
    people: list[Act] = []
    itself: list[Act] = []
    for found in islice(find(index, Query(kinds=("act",), since=since, until=until)), MAX_ACTS):
        if found.void:
            continue
        members = {name: str(found.record.get(name, "")) for name in ("by", "note", "id")}
        into = people if found.template.act in BY_PEOPLE else itself
        if len(into) < MAX_ROWS:
            into.append(Act(found.at, found.template.act, members["by"], members["note"], members["id"]))
    return tuple(people), tuple(itself)
