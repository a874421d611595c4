"""Statistics of a log: outcomes, transitions, failed proofs, and how long states last.

Void records are never counted. A dwell time counts if the log has both ends: the transition into a state and the next
one of the same machine.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.audit.query.search import count_by_template, time_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate

#: machine -> the column that identifies its instance; there is one service
_KEYS: Final = {
    "service": "0",
    "account": "subject",
    "session": "session",
    "verification": "session",
    "transaction": "transact",
}
#: events that are a verdict on identity -> verdict
VERDICTS: Final = {
    "passed": "passed",
    "failed": "failed",
    "exhausted": "failed",
    "doubted": "ambiguous",
    "contradicted": "ambiguous",
    "unavailable": "unavailable",
}
#: conditions of credentials that were sent and not accepted
_NOT_ACCEPTED: Final = ("expired", "rejected")


class DwellTime(Struct, frozen=True, kw_only=True):
    """How long a machine stayed in a state, of the stays that ended.

    Attributes:
        count: number of stays.
        mean: seconds.
        longest: seconds.
    """

    count: int
    mean: float
    longest: float


class Stats(Struct, frozen=True, kw_only=True):
    """Counts of the records of a period.

    Attributes:
        since: time of the first record counted, or start of the period, epoch seconds UTC.
        until: time of the last record, or end of the period.
        void: number of withdrawn records in the whole log.
        unparsed_lines: number of lines that are not records, in the whole log.
        kinds: kind -> records.
        outcomes: outcome -> decisions.
        operations: (operation, outcome) -> decisions.
        rules: rule -> decisions.
        transitions: (machine, event, source, dest) -> count.
        verdicts: ``passed``, ``failed``, ``ambiguous``, ``unavailable`` -> transitions of the verification machine.
        credentials: condition -> decisions.
        reasons: reason -> refusals and faults.
        dwell_times: (machine, state) -> how long.
    """

    since: float
    until: float
    void: int
    unparsed_lines: int
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    operations: Mapping[tuple[str, str], int]
    rules: Mapping[str, int]
    transitions: Mapping[tuple[str, str, str, str], int]
    verdicts: Mapping[str, int]
    credentials: Mapping[str, int]
    reasons: Mapping[str, int]
    dwell_times: Mapping[tuple[str, str], DwellTime]

    @property
    def hours(self) -> float:
        """The length of the period in hours, at least one second."""
        return max((self.until - self.since) / 3_600.0, 1 / 3_600.0)

    @property
    def decisions(self) -> int:
        """The number of decisions."""
        return sum(self.outcomes.values())

    @property
    def failure_rate(self) -> float:
        """The share of identity verdicts that were failures."""
        return ratio(self.verdicts.get("failed", 0), sum(self.verdicts.values()))

    @property
    def ambiguity_rate(self) -> float:
        """The share of identity verdicts that were ambiguous or contradictory."""
        return ratio(self.verdicts.get("ambiguous", 0), sum(self.verdicts.values()))

    @property
    def bad_credential_rate(self) -> float:
        """The share of sent credentials that were expired or rejected."""
        sent = sum(count for condition, count in self.credentials.items() if condition not in {"", "missing"})
        return ratio(sum(self.credentials.get(one, 0) for one in _NOT_ACCEPTED), sent)


def ratio(part: int, whole: int) -> float:
    """Return a part divided by the whole; 0 if the whole is 0."""
    return part / whole if whole else 0.0


def collect_stats(index: Index, since: float, until: float) -> Stats:
    """Count the records of a period."""
    templates = index.templates()
    tallies: dict[str, Counter[str]] = {
        name: Counter() for name in ("kinds", "outcomes", "rules", "verdicts", "credentials", "reasons")
    }
    operations: Counter[tuple[str, str]] = Counter()
    transitions: Counter[tuple[str, str, str, str]] = Counter()
    for number, count in count_by_template(index, since, until).items():
        template = templates[number]
        count *= template.requests  # noqa: PLW2901 - requests are counted, not records
        tallies["kinds"][template.kind] += count
        match template.kind:
            case "decision":
                tallies["outcomes"][template.outcome] += count
                tallies["rules"][template.rule] += count
                operations[template.operation, template.outcome] += count
                tallies["credentials"][template.states().get("credential", "")] += count
            case "transition":
                transitions[template.machine, template.event, template.source, template.dest] += count
                if template.machine == "verification" and template.event in VERDICTS:
                    tallies["verdicts"][VERDICTS[template.event]] += count
            case "refusal" | "fault":
                tallies["reasons"][template.reason] += count
            case _:
                pass
    first, latest = time_range(index)
    return Stats(
        since=max(since, first),
        until=min(until, latest),
        void=int(index.db.execute("SELECT count(*) FROM record WHERE void = 1").fetchone()[0]),
        unparsed_lines=index.unparsed_lines(),
        operations=operations,
        transitions=transitions,
        dwell_times=_dwell_times(index, templates, since, until),
        **tallies,
    )


def _dwell_times(
    index: Index, templates: Mapping[int, RecordTemplate], since: float, until: float
) -> dict[tuple[str, str], DwellTime]:
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for machine, key in _KEYS.items():
        own = [number for number, template in templates.items() if template.machine == machine]
        sql = (
            "SELECT template, count(*), avg(stay), max(stay) FROM (SELECT template, at - lag(at) OVER"  # noqa: S608 - a constant column, and numbers
            f" (PARTITION BY {key} ORDER BY at, no) AS stay FROM record WHERE template IN ({','.join(map(str, own))})"
            f" AND void = 0 AND at >= ? AND at <= ? AND {key} IS NOT NULL) WHERE stay IS NOT NULL GROUP BY template"
        )
        for number, count, mean, longest in index.db.execute(sql, (since, until)):
            found.setdefault((machine, templates[number].source), []).append((count, mean, longest))
    return {
        state: DwellTime(
            count=sum(count for count, _, _ in parts),
            mean=sum(count * mean for count, mean, _ in parts) / sum(count for count, _, _ in parts),
            longest=max(longest for _, _, longest in parts),
        )
        for state, parts in sorted(found.items())
    }
