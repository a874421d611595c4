"""The data of a report: over time, by reason, by rule, held transactions, acts, and the head of the page."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from authguard.audit.query.stats import Stats
    from authguard.audit.report.hold import HeldTransaction
    from authguard.audit.report.people import People
    from authguard.audit.verify.result import Verification
    from authguard.core.policy import Policy

#: maximum number of rows of a list
MAX_ROWS: Final = 50
#: outcomes that refuse a request
DENIALS: Final = frozenset({"deny", "terminate"})
#: groups of outcomes, in the order of plots
GROUPS: Final = {
    "admitted": ("allow", "restrict", "repeat"),
    "challenged": ("challenge", "step_up", "verify"),
    "deferred": ("hold", "handoff", "retry"),
    "denied": ("deny", "terminate"),
}
#: results of requests without a decision: refused before it, or failed in the guard
REFUSED: Final = "refused"
FAILED: Final = "failed"


def describe_nothing(_code: str) -> str:
    """Return the empty text."""
    return ""


class Column(Struct, frozen=True):
    """One column of a plot.

    Attributes:
        at: start, epoch seconds UTC.
        decided: group of outcomes -> decisions.
        verdicts: as in `authguard.audit.query.stats.Stats`.
    """

    at: float
    decided: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)


class ReasonCount(Struct, frozen=True):
    """Requests that were not admitted, with the same reason and result.

    Attributes:
        reason: closed code; ``decided`` if the states and the rule decided alone.
        result: an outcome of a decision that denies or challenges, `REFUSED` or `FAILED`.
        count: number of requests.
    """

    reason: str
    result: str
    count: int


class RuleDenials(Struct, frozen=True):
    """Denials by one rule.

    Attributes:
        rule: as the log names it.
        policy: digest.
        outcome: one of the denying outcomes.
        operations: operation -> count.
    """

    rule: str
    policy: str
    outcome: str
    operations: Mapping[str, int]

    @property
    def count(self) -> int:
        """The number of denials."""
        return sum(self.operations.values())


class HoldStats(Struct, frozen=True):
    """Held transactions with the same end.

    Attributes:
        count: number of transactions.
        mean: seconds until a person or the timer decided; 0 if they are still held.
        longest: longest such time, seconds.
    """

    count: int = 0
    mean: float = 0.0
    longest: float = 0.0


class Act(Struct, frozen=True):
    """One act.

    Attributes:
        at: epoch seconds UTC.
        act: name of the act.
        by: name of the actor.
        note: reason that the actor gave.
        id: id of the record.
    """

    at: float
    act: str
    by: str
    note: str
    id: str


class PolicyPeriod(Struct, frozen=True):
    """A policy under which records were made.

    Attributes:
        digest: digest of the policy.
        first: time of its first record, epoch seconds UTC.
        last: time of its last record.
        count: number of records.
    """

    digest: str
    first: float
    last: float
    count: int


class ReportData(Struct, frozen=True, kw_only=True):
    """The data of a report.

    Attributes:
        stats: the counts.
        log_first: time of the first record of the log, epoch seconds UTC; 0 if it has none.
        log_last: time of the last record of the log; 0 if it has none.
        width: width of a column, seconds.
        columns: in order, without gaps.
        reasons: requests that were not admitted; failures first, then the most frequent.
        denials: most frequent first.
        ends: state -> held transactions with that end.
        waiting: held and undecided transactions, the longest first.
        held: other transactions that were held, the newest first.
        by_people: acts of people, the newest first.
        by_system: acts of the guard and of the log, the newest first.
        acts: name of the act -> count.
        in_force: policies, by their first record.
        participants: number of people and agents.
        short_ids: id -> its shortest prefix that no other id of the log begins with.
    """

    stats: Stats
    log_first: float
    log_last: float
    width: float
    columns: tuple[Column, ...]
    reasons: tuple[ReasonCount, ...]
    denials: tuple[RuleDenials, ...]
    ends: Mapping[str, HoldStats]
    waiting: tuple[HeldTransaction, ...]
    held: tuple[HeldTransaction, ...]
    by_people: tuple[Act, ...]
    by_system: tuple[Act, ...]
    acts: Mapping[str, int]
    in_force: tuple[PolicyPeriod, ...]
    participants: People
    short_ids: Mapping[str, str]

    def count_group(self, group: str) -> int:
        """Return the number of decisions with an outcome of a group."""
        return sum(self.stats.outcomes.get(outcome, 0) for outcome in GROUPS[group])

    @property
    def refused(self) -> int:
        """The number of requests that were denied, or refused without a decision."""
        return self.count_group("denied") + self.stats.kinds.get("refusal", 0)

    @property
    def failed(self) -> int:
        """The number of requests that failed in the guard."""
        return self.stats.kinds.get("fault", 0)

    @property
    def held_transactions(self) -> int:
        """The number of transactions that were held in the period."""
        return sum(one.count for one in self.ends.values())

    @property
    def is_empty(self) -> bool:
        """Whether the period has no record."""
        return not self.stats.kinds


class ReportContext(Struct, frozen=True, kw_only=True):
    """The head of a report and the verification of its log.

    Attributes:
        log: path of the log.
        since: requested start, epoch seconds UTC; minus infinity if there was none.
        until: requested end; infinity if there was none.
        made: creation time of the report, epoch seconds UTC.
        by: program and version.
        verification: verification of the whole log.
        signed: whether signatures were verified.
        caveat: limit of the key that verified the signatures; empty for none.
        policy: policy that names the lines of rules; ``None`` if none was given.
        zone: time zone of the person who makes the report.
        describe_reason: returns the meaning of a reason code; empty if it has none.
        describe_cure: returns what to do about a reason code; empty if it has none.
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
    zone: tzinfo = UTC
    describe_reason: Callable[[str], str] = describe_nothing
    describe_cure: Callable[[str], str] = describe_nothing
