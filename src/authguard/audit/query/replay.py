"""Recorded decisions and transitions run through another policy: what would have come out differently.

Rules of this file:
- Exact for a log that the same policy made: no difference. What is not in the log is not made up: what a token held,
  amounts and channels are taken as the cell has them, and a timer fires when it fired.
- A transition that the other policy answers otherwise is carried on: later decisions of the same session, account,
  transaction or service are judged from where that machine would stand, until both policies agree again.
- What cannot be replayed is counted and said, never taken for the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.audit.query.search import count_by_template
from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import Reason
from authguard.errors import MachineFaultError
from authguard.policy.diff.permissiveness import ORDER, Direction
from authguard.policy.diff.permissiveness import outcome as direction_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.rows import RecordTemplate
    from authguard.core.request import Operation
    from authguard.policy.compiled_policy import Policy

#: ids that are kept of each difference
IDS: Final = 5
#: what a decision itself raises, after its cell was met (`authguard.runtime.decision_point`)
_AFTER: Final = frozenset({"transaction.started", "transaction.held", "session.ended", "verification.exhausted"})
_RISK, _EFFECT = DIMENSIONS.index("risk"), DIMENSIONS.index("effect")
_RANK: Final = {outcome.value: rank for rank, outcome in enumerate(ORDER)}


@dataclass(frozen=True, slots=True)
class ReplayedDecision:
    """What a policy says of a recorded decision.

    Attributes:
        outcome: one of the eleven; empty where it cannot be told.
        fallback: by name.
        rule: as the log names it.
        why_not: why it cannot be told; empty else.
    """

    outcome: str
    fallback: str
    rule: str
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Recorded decisions that would have come out alike, and differently from what was recorded.

    Attributes:
        operation: asked for.
        was: the recorded outcome.
        now: the other policy's.
        fallback_was: the recorded fallback.
        fallback_now: the other policy's.
        rule_was: that decided.
        rule_now: that would.
        count: of decisions.
        ids: of some of them.
    """

    operation: str
    was: str
    now: str
    fallback_was: str
    fallback_now: str
    rule_was: str
    rule_now: str
    count: int
    ids: tuple[str, ...]

    @property
    def direction(self) -> Direction:
        """Whether the other policy is looser here, stricter, or answers in other words."""
        known = self.was in _RANK and self.was != self.now
        return direction_of(self.was, self.now) if known else Direction.CHANGED

    @property
    def badness(self) -> tuple[int, int, int]:
        """What sorts the worst first: looser, by how far; then stricter, by how far; then the rest; by number."""
        order = (Direction.LOOSER, Direction.STRICTER, Direction.CHANGED).index(self.direction)
        return order, -abs(_RANK.get(self.was, 0) - _RANK.get(self.now, 0)), -self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What came of it.

    Attributes:
        decisions: that were recorded and not withdrawn.
        differences: worst first.
        transitions: transitions that were recorded.
        changed_transitions: (``machine.event: source -> dest``, where it would lead) -> how often, and some ids.
        not_replayable: why -> how often, and some ids.
        same_policy: whether all records were made by this very policy.
    """

    decisions: int
    differences: tuple[Difference, ...]
    transitions: int
    changed_transitions: Mapping[tuple[str, str], tuple[int, tuple[str, ...]]]
    not_replayable: Mapping[str, tuple[int, tuple[str, ...]]]
    same_policy: bool


class _Tally:
    """Counts, with a few ids of each thing counted."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[object, ...]] = Counter()
        self.ids: dict[tuple[object, ...], tuple[str, ...]] = {}

    def add(self, what: tuple[object, ...], count: int, ids: Iterable[str]) -> None:
        self.counts[what] += count
        kept = self.ids.get(what, ())
        if len(kept) < IDS:
            self.ids[what] = (*kept, *ids)[:IDS]


class Replay:
    """One policy's answers to recorded templates, each asked once."""

    def __init__(self, policy: Policy, own: Iterable[Operation]) -> None:
        """Keep the policy.

        Args:
            policy: proved.
            own: the guard's own operations, which no policy names.
        """
        self._policy = policy
        self._operations = {one.name: one for one in (*policy.all_operations, *own)}

    def judge(self, template: RecordTemplate, states: Mapping[str, str]) -> ReplayedDecision:
        """Judge a recorded decision.

        Args:
            template: of the decision.
            states: machine -> where it would stand instead.
        """
        operation = self._operations.get(template.operation)
        if operation is None:
            return ReplayedDecision("", "", "", f"the operation `{template.operation}` is gone")
        if len(template.cell) != len(DIMENSIONS):
            return ReplayedDecision("", "", "", "the cell has other dimensions")
        cell = list(template.cell)
        cell[_RISK], cell[_EFFECT] = operation.risk, operation.effect
        for machine, state in states.items():
            cell[MACHINES.index(machine)] = state
        try:
            rule = self._policy.table.decide(tuple(cell))
        except MachineFaultError as fault:
            return ReplayedDecision("", "", "", str(fault))
        fallback = self._policy.fallbacks[rule.do]
        if template.reason == Reason.ATTEMPTS_SPENT.code and fallback.attempts:
            fallback = self._policy.fallbacks[fallback.then]
        return ReplayedDecision(fallback.kind.value, fallback.name, rule.name)

    def move(self, template: RecordTemplate, stands: str) -> str:
        """Tell where a machine stands after a recorded transition's event; empty where the policy has no answer."""
        machine = self._policy.machines.get(template.machine)
        edge = machine.table.get((stands, template.event)) if machine else None
        return edge.dest if edge else ""


def replay(
    index: Index, policy: Policy, own: Iterable[Operation], since: float = float("-inf"), until: float = float("inf")
) -> ReplayResult:
    """Run the records of a period through a policy.

    Args:
        index: of the log.
        policy: proved.
        own: the guard's own operations.
        since: earliest time, epoch seconds UTC.
        until: latest.
    """
    asked = Replay(policy, own)
    templates = index.templates()
    numbers = count_by_template(index, since, until)
    differs, moved, unplayable = _Tally(), _Tally(), _Tally()
    strays = [
        no
        for no in numbers
        if templates[no].machine and asked.move(templates[no], templates[no].source) != templates[no].dest
    ]
    if strays:
        _walk(index, asked, (since, until), (differs, moved, unplayable))
    else:
        for no, count in numbers.items():
            if templates[no].kind == "decision":
                _compare(
                    templates[no],
                    asked.judge(templates[no], {}),
                    count,
                    _ids(index, no, since, until),
                    differs,
                    unplayable,
                )
    by_badness = sorted(
        (
            Difference(
                **dict(zip(Difference.__slots__, (*map(str, what), count, differs.ids[what]), strict=True))  # type: ignore[arg-type]  # in the order of the fields
            )
            for what, count in differs.counts.items()
        ),
        key=lambda one: (one.badness, one.operation),
    )
    return ReplayResult(
        decisions=sum(count for no, count in numbers.items() if templates[no].kind == "decision"),
        differences=tuple(by_badness),
        transitions=sum(count for no, count in numbers.items() if templates[no].machine),
        changed_transitions={
            (str(what[0]), str(what[1])): (count, moved.ids[what]) for what, count in moved.counts.most_common()
        },
        not_replayable={str(what[0]): (count, unplayable.ids[what]) for what, count in unplayable.counts.most_common()},
        same_policy={templates[no].policy for no in numbers} <= {policy.digest},
    )


def _ids(index: Index, template: int, since: float, until: float) -> list[str]:
    sql = "SELECT id FROM record WHERE template = ? AND void = 0 AND at >= ? AND at <= ? LIMIT ?"
    return [record for (record,) in index.db.execute(sql, (template, since, until, IDS))]


def _compare(  # noqa: PLR0917 - the two sides, and where what is found goes
    template: RecordTemplate,
    judged: ReplayedDecision,
    count: int,
    ids: Iterable[str],
    differs: _Tally,
    unplayable: _Tally,
) -> None:
    if judged.why_not:
        unplayable.add((judged.why_not,), count, ids)
    elif (judged.outcome, judged.fallback) != (template.outcome, template.fallback):
        names = (template.operation, template.outcome, judged.outcome, template.fallback, judged.fallback)
        differs.add((*names, template.rule, judged.rule), count, ids)


def _walk(index: Index, asked: Replay, period: tuple[float, float], into: tuple[_Tally, _Tally, _Tally]) -> None:
    """Go through the records in order, carrying on what was moved otherwise."""
    differs, moved, unplayable = into
    templates = index.templates()
    stands: dict[tuple[str, str], str] = {}
    later: dict[str, list[tuple[RecordTemplate, str, str]]] = {}
    remembered: dict[tuple[int, tuple[tuple[str, str], ...]], ReplayedDecision] = {}

    def step(template: RecordTemplate, key: str, record: str) -> None:
        before = stands.get((template.machine, key), template.source)
        after = asked.move(template, before)
        if after == template.dest:
            stands.pop((template.machine, key), None)
            return
        told = f"{template.machine}.{template.event}: {template.source} -> {template.dest}"
        if not after:
            unplayable.add((f"{told}: this policy has no such state or event",), 1, (record,))
            return
        stands[template.machine, key] = after
        moved.add((told, after), 1, (record,))

    sql = (
        "SELECT id, template, subject, session, transact, decision FROM record"
        " WHERE void = 0 AND at >= ? AND at <= ? ORDER BY at, no"
    )
    for record, no, subject, session, transaction, decision in index.db.execute(sql, period):
        template = templates[no]
        keys = {
            "service": "",
            "account": subject or "",
            "session": session or "",
            "verification": session or "",
            "transaction": transaction or "",
        }
        if template.machine:
            key = keys.get(template.machine, "")
            if decision and f"{template.machine}.{template.event}" in _AFTER:
                later.setdefault(decision, []).append((template, key, record))
            else:
                step(template, key, record)
        elif template.kind == "decision":
            # only a machine that has a key here can stand elsewhere; the service always has
            own = (
                tuple(
                    (machine, stands[machine, key])
                    for machine, key in keys.items()
                    if (key or machine == "service") and (machine, key) in stands
                )
                if stands
                else ()
            )
            judged = remembered.get((no, own))
            if judged is None:
                judged = remembered[no, own] = asked.judge(template, dict(own))
            _compare(template, judged, 1, (record,), differs, unplayable)
            for waiting in later.pop(record, ()):
                step(*waiting)
