"""Replay of recorded decisions and transitions under another policy, to show the differences.

Rules:
- Exact for a log of the same policy: no difference. Data that is not in the log is not invented: token contents,
  amounts and channels are taken from the cell, and a timer fires when it fired.
- If the other policy answers a transition differently, the difference is carried on: later decisions of the same
  session, account, transaction or service use the other state, until both policies agree again.
- Records that cannot be replayed are counted and reported, never assumed equal.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

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
    from authguard.core.policy import Policy
    from authguard.core.request import Operation

#: ids that are stored for each difference
MAX_IDS: Final = 5
#: events that a decision itself raises, after its cell was matched (`authguard.evaluation.decision_point`)
_RAISED_BY_DECISIONS: Final = frozenset(
    {"transaction.started", "transaction.held", "session.ended", "verification.exhausted"}
)
_RISK, _EFFECT = DIMENSIONS.index("risk"), DIMENSIONS.index("effect")
_RANK: Final = {outcome.value: rank for rank, outcome in enumerate(ORDER)}


class ReplayedDecision(Struct, frozen=True):
    """Result of a policy for a recorded decision.

    Attributes:
        outcome: one of the eleven; empty if it is unknown.
        fallback: name of the fallback.
        rule: as the log names it.
        problem: why the outcome is unknown; else empty.
    """

    outcome: str
    fallback: str
    rule: str
    problem: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """Recorded decisions with the same new outcome, which differs from the recorded one.

    Attributes:
        operation: requested operation.
        was: recorded outcome.
        now: outcome of the other policy.
        fallback_was: recorded fallback.
        fallback_now: fallback of the other policy.
        rule_was: recorded rule.
        rule_now: rule of the other policy.
        count: number of decisions.
        ids: ids of some of them.
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
        """Whether the other policy is looser, stricter, or has other texts here."""
        known = self.was in _RANK and self.was != self.now
        return direction_of(self.was, self.now) if known else Direction.CHANGED

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Sort key, worst first: looser by distance, then stricter by distance, then the rest; then by count."""
        order = (Direction.LOOSER, Direction.STRICTER, Direction.CHANGED).index(self.direction)
        return order, -abs(_RANK.get(self.was, 0) - _RANK.get(self.now, 0)), -self.count


class ReplayResult(Struct, frozen=True, kw_only=True):
    """Result of a replay.

    Attributes:
        decisions: number of recorded decisions that were not withdrawn.
        differences: worst first.
        transitions: number of recorded transitions.
        changed_transitions: (``machine.event: source -> dest``, new destination) -> count, and some ids.
        not_replayable: reason -> count, and some ids.
        same_policy: whether all records were made under this policy.
    """

    decisions: int
    differences: tuple[Difference, ...]
    transitions: int
    changed_transitions: Mapping[tuple[str, str], tuple[int, tuple[str, ...]]]
    not_replayable: Mapping[str, tuple[int, tuple[str, ...]]]
    same_policy: bool


class _Tally:
    """Counts, with a few ids of each counted key."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[object, ...]] = Counter()
        self.ids: dict[tuple[object, ...], tuple[str, ...]] = {}

    def add(self, key: tuple[object, ...], count: int, ids: Iterable[str]) -> None:
        self.counts[key] += count
        kept = self.ids.get(key, ())
        if len(kept) < MAX_IDS:
            self.ids[key] = (*kept, *ids)[:MAX_IDS]


class Replay:
    """Results of one policy for recorded templates."""

    def __init__(self, policy: Policy, own: Iterable[Operation]) -> None:
        """Store the policy and its operations.

        Args:
            policy: checked policy.
            own: the guard's own operations, which no policy names.
        """
        self._policy = policy
        self._operations = {one.name: one for one in (*policy.all_operations, *own)}

    def evaluate(self, template: RecordTemplate, states: Mapping[str, str]) -> ReplayedDecision:
        """Evaluate a recorded decision.

        Args:
            template: template of the decision.
            states: machine -> state, where it differs from the recorded one.
        """
        operation = self._operations.get(template.operation)
        if operation is None:
            return ReplayedDecision("", "", "", f"the policy has no operation `{template.operation}`")
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

    def next_state(self, template: RecordTemplate, state: str) -> str:
        """Return the state after a recorded transition's event; empty if the policy has no answer."""
        machine = self._policy.machines.get(template.machine)
        edge = machine.table.get((state, template.event)) if machine else None
        return edge.dest if edge else ""


def replay(
    index: Index, policy: Policy, own: Iterable[Operation], since: float = float("-inf"), until: float = float("inf")
) -> ReplayResult:
    """Run the records of a period through a policy.

    Args:
        index: of the log.
        policy: checked policy.
        own: the guard's own operations.
        since: earliest time, epoch seconds UTC.
        until: latest time.
    """
    replayer = Replay(policy, own)
    templates = index.templates()
    numbers = count_by_template(index, since, until)
    differs, moved, not_replayable = _Tally(), _Tally(), _Tally()
    changed = [
        no
        for no in numbers
        if templates[no].machine and replayer.next_state(templates[no], templates[no].source) != templates[no].dest
    ]
    if changed:
        _replay_in_order(index, replayer, (since, until), (differs, moved, not_replayable))
    else:
        for no, count in numbers.items():
            if templates[no].kind == "decision":
                _compare(
                    templates[no],
                    replayer.evaluate(templates[no], {}),
                    count,
                    _ids(index, no, since, until),
                    differs=differs,
                    not_replayable=not_replayable,
                )
    differences = sorted(
        (
            Difference(
                **dict(zip(Difference.__struct_fields__, (*map(str, what), count, differs.ids[what]), strict=True))  # type: ignore[arg-type]  # in the order of the fields
            )
            for what, count in differs.counts.items()
        ),
        key=lambda one: (one.sort_key, one.operation),
    )
    return ReplayResult(
        decisions=sum(count for no, count in numbers.items() if templates[no].kind == "decision"),
        differences=tuple(differences),
        transitions=sum(count for no, count in numbers.items() if templates[no].machine),
        changed_transitions={
            (str(what[0]), str(what[1])): (count, moved.ids[what]) for what, count in moved.counts.most_common()
        },
        not_replayable={
            str(what[0]): (count, not_replayable.ids[what]) for what, count in not_replayable.counts.most_common()
        },
        same_policy={templates[no].policy for no in numbers} <= {policy.digest},
    )


def _ids(index: Index, template: int, since: float, until: float) -> list[str]:
    sql = "SELECT id FROM record WHERE template = ? AND void = 0 AND at >= ? AND at <= ? LIMIT ?"
    return [record for (record,) in index.db.execute(sql, (template, since, until, MAX_IDS))]


def _compare(
    template: RecordTemplate,
    replayed: ReplayedDecision,
    count: int,
    ids: Iterable[str],
    *,
    differs: _Tally,
    not_replayable: _Tally,
) -> None:
    if replayed.problem:
        not_replayable.add((replayed.problem,), count, ids)
    elif (replayed.outcome, replayed.fallback) != (template.outcome, template.fallback):
        names = (template.operation, template.outcome, replayed.outcome, template.fallback, replayed.fallback)
        differs.add((*names, template.rule, replayed.rule), count, ids)


def _replay_in_order(
    index: Index, replayer: Replay, period: tuple[float, float], into: tuple[_Tally, _Tally, _Tally]
) -> None:
    """Replay the records in order, and carry changed states on."""
    differs, moved, not_replayable = into
    templates = index.templates()
    states: dict[tuple[str, str], str] = {}
    deferred: dict[str, list[tuple[RecordTemplate, str, str]]] = {}
    cache: dict[tuple[int, tuple[tuple[str, str], ...]], ReplayedDecision] = {}

    def step(template: RecordTemplate, key: str, record: str) -> None:
        before = states.get((template.machine, key), template.source)
        after = replayer.next_state(template, before)
        if after == template.dest:
            states.pop((template.machine, key), None)
            return
        transition_text = f"{template.machine}.{template.event}: {template.source} -> {template.dest}"
        if not after:
            not_replayable.add((f"{transition_text}: this policy has no such state or event",), 1, (record,))
            return
        states[template.machine, key] = after
        moved.add((transition_text, after), 1, (record,))

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
            if decision and f"{template.machine}.{template.event}" in _RAISED_BY_DECISIONS:
                deferred.setdefault(decision, []).append((template, key, record))
            else:
                step(template, key, record)
        elif template.kind == "decision":
            # only a machine with a key in this record can differ; the service always has one
            own = (
                tuple(
                    (machine, states[machine, key])
                    for machine, key in keys.items()
                    if (key or machine == "service") and (machine, key) in states
                )
                if states
                else ()
            )
            replayed = cache.get((no, own))
            if replayed is None:
                replayed = cache[no, own] = replayer.evaluate(template, dict(own))
            _compare(template, replayed, 1, (record,), differs=differs, not_replayable=not_replayable)
            for transition in deferred.pop(record, ()):
                step(*transition)
