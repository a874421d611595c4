"""Replay of recorded decisions and transitions under another policy, to show the differences.

Rules:
- Exact for a log of the same policy: no difference. Under another policy, the driver runs on what was recorded.
- What the log does not hold is never assumed: such a decision is undetermined, with the reason, and never the same.
- If the machines move as before, the recorded states hold (`replay_cells`); otherwise the states are computed from the
  first record on (`replay_states`).
- The requests are those of the log, with its events. What other requests another policy would have led to is not
  in it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard.audit.query.recorded_input import (
    CredentialFacts,
    RecordedDecision,
    UnknownInputError,
    parse_decision,
)
from authguard.audit.query.replay_cells import CellReplay, NeedsFactsError
from authguard.audit.query.replay_parts import compare
from authguard.audit.query.replay_result import (
    MAX_IDS,
    REFUSED,
    Difference,
    ReplayedDecision,
    ReplayResult,
    Undetermined,
)
from authguard.audit.query.replay_states import StateReplay
from authguard.audit.query.replay_windows import WindowReplay, is_window
from authguard.audit.query.search import count_by_template, time_range
from authguard.audit.verify.log_reader import decode_line
from authguard.core.events import MACHINES
from authguard.core.outcomes import Reason
from authguard.core.policy_parts import parse_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.audit.query.index import Index
    from authguard.audit.query.replay_parts import Parts
    from authguard.audit.query.rows import RecordTemplate
    from authguard.core.policy import Policy
    from authguard.core.request import Operation

#: refusals before a decision that depend on the policy, besides requests that match no operation
_BY_POLICY: Final = frozenset(
    one.code
    for one in (
        *(Reason.TRANSACTION_UNKNOWN, Reason.TRANSACTION_ALTERED, Reason.TRANSACTION_TOO_LONG, Reason.TOO_MANY_HELD),
        *(Reason.IDEMPOTENCY_MISSING, Reason.POLICY_CHANGED, Reason.SESSION_CHANGED),
    )
)
_UNMATCHED: Final = frozenset({Reason.OPERATION_UNNAMED.code, Reason.PATH_LOOKALIKE.code})
NO_PARTS: Final = "the log does not hold the parts of the policy that decided it"
DAMAGED: Final = "its line is damaged"
_DECISION, _ACT = "decision", "act"


class _Tally:
    """Counts, with a few ids of each counted key."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.ids: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(self, key: tuple[str, ...], count: int, ids: Iterable[str]) -> None:
        self.counts[key] += count
        kept = self.ids.get(key, ())
        if len(kept) < MAX_IDS:
            self.ids[key] = (*kept, *ids)[:MAX_IDS]


class Replay:
    """A replay of one log under one policy.

    Args:
        index: of the log.
        policy: checked policy.
        own: the guard's own operations.
        recorded: digest of a policy -> its parts, besides those that the log holds.
    """

    def __init__(
        self, index: Index, policy: Policy, own: Iterable[Operation], recorded: Mapping[str, Parts] | None = None
    ) -> None:
        own = tuple(own)
        self._index: Final = index
        self._policy: Final = policy
        self._own: Final = frozenset(one.name for one in own)
        self._operations: Final = {one.name: one for one in (*policy.all_operations, *own)}
        self._templates: Final = index.templates()
        digests = {one.policy for one in self._templates.values() if one.kind == _DECISION or one.reason}
        self._comparisons: Final = compare({**_read_parts(index), **(recorded or {})}, policy, digests)
        decided = {one.policy for one in self._templates.values() if one.kind == _DECISION}
        known = [self._comparisons.get(digest) for digest in decided]
        #: whether the recorded states hold under the policy
        self._holds: Final = all(
            one is not None and one.moves_same and one.reads_same and one.all_limits_same() for one in known
        )

    def next_state(self, template: RecordTemplate) -> str:
        """Return the state after a recorded transition's event; empty if the policy has no answer."""
        if template.machine not in MACHINES:
            return template.dest  # a flag, of which the decisions show what another policy makes of it
        machine = self._policy.machines.get(template.machine)
        edge = machine.table.get((template.source, template.event)) if machine else None
        return edge.dest if edge else ""

    def decide_templates(self, numbers: Iterable[int]) -> dict[int, ReplayedDecision] | None:
        """Decide all templates of decisions, if their results depend on nothing else; ``None`` if they do."""
        if not self._holds:
            return None
        cells = CellReplay(self._policy, self._operations, self._own)
        found: dict[int, ReplayedDecision] = {}
        for number in numbers:
            template = self._templates[number]
            if template.kind != _DECISION:
                continue
            if template.policy == self._policy.digest:
                found[number] = ReplayedDecision(template.outcome, template.fallback, template.rule)
                continue
            try:
                found[number] = cells.decide(
                    _of_template(template), self._comparisons[template.policy], has_facts=False
                )
            except NeedsFactsError:
                return None
        return found

    def decide_records(self, until: float) -> Iterator[tuple[RecordedDecision, ReplayedDecision]]:
        """Decide all recorded decisions from the beginning of the log, in their order.

        Args:
            until: latest time.
        """
        begin, _ = time_range(self._index)
        states = StateReplay(self._policy, self._operations, self._own)
        cells = CellReplay(self._policy, self._operations, self._own, begin)
        credentials = CredentialFacts()
        decided: set[str] = set()
        moving: set[str] = set()
        sql = (
            "SELECT id, at, template, file, place, size, subject, session, transact, decision FROM record"
            " WHERE void = 0 AND at <= ? ORDER BY at, no"
        )
        for record, at, number, *place, subject, session, transaction, decision in self._index.db.execute(
            sql, (until,)
        ):
            template = self._templates[number]
            if template.kind == _DECISION:
                decided.add(record)
                try:
                    one = parse_decision(self._index.line(*place))
                except UnknownInputError as error:
                    yield replace(_of_template(template), id=record, at=at), ReplayedDecision.unknown(str(error))
                    states.lose_keys(subject or "", session or "", transaction or "", DAMAGED)
                    continue
                yield one, self._decide(one, states, cells, credentials, moved=record in moving)
                moving.discard(record)
            elif template.machine and decision and decision not in decided:
                moving.add(decision)  # the decision itself moved the machine
            elif template.machine:
                cells.follow(decision or "")
                event = f"{template.machine}.{template.event}"
                note = str(self._line(place).get("note", ""))
                states.apply_transition(
                    event, at, template.cause, subject or "", session or "", transaction or "", decision or "", note
                )
            elif template.kind == _ACT:
                cells.follow(decision or "")
                line = self._line(place)
                note, events = str(line.get("note", "")), line.get("unmoved", [])
                unmoved = ",".join(map(str, events)) if isinstance(events, list) else ""
                flag = str(line.get("flag", ""))
                if flag:
                    states.apply_flag_act(template.act, flag, at, subject or "", session or "")
                    continue
                states.apply_act(
                    template.act, at, unmoved, subject or "", session or "", transaction or "", decision or "", note
                )
            elif template.kind == "refusal" and subject and template.reason in _BY_POLICY:
                states.lose_keys(subject, session or "", transaction or "", "an earlier request is undetermined")

    def _decide(
        self,
        one: RecordedDecision,
        states: StateReplay,
        cells: CellReplay,
        credentials: CredentialFacts,
        *,
        moved: bool,
    ) -> ReplayedDecision:
        comparison = self._comparisons.get(one.policy)
        if comparison is None:
            states.lose(one, NO_PARTS)
            return ReplayedDecision.unknown(NO_PARTS)
        try:
            one = credentials.complete(one) if one.subject or one.facts else one
        except UnknownInputError as error:
            states.lose(one, "an earlier request is undetermined")
            if not self._holds:
                return ReplayedDecision.unknown(str(error))
            return cells.decide(one, comparison, has_facts=True, moved=moved)
        by_states = states.decide(one, comparison)
        by_cell = cells.decide(one, comparison, has_facts=True, moved=moved) if self._holds else by_states
        return by_states if by_cell.problem else by_cell

    def refusals(self, numbers: Mapping[int, int]) -> Iterator[tuple[int, str]]:
        """Yield the templates of refusals that the policy may decide otherwise, with the reason."""
        windows = WindowReplay(self._policy)
        for number in numbers:
            template = self._templates[number]
            comparison = self._comparisons.get(template.policy)
            if template.kind != "refusal" or (comparison is not None and comparison.is_same):
                continue
            depends = template.reason in _UNMATCHED or template.reason in _BY_POLICY or is_window(template.reason)
            if comparison is None:
                if depends:
                    yield number, NO_PARTS
            elif template.reason in _UNMATCHED:
                if not comparison.matches_nothing_new():
                    yield number, "the policy matches other requests, and the log does not hold their paths"
            elif template.reason in _BY_POLICY:
                yield number, "it was refused before a decision, and its record does not hold its facts"
            elif depends and not windows.is_same(template.reason, template.operation, comparison):
                yield number, "requests without a proven caller above a rate have no records of their own"

    def _line(self, place: Iterable[int]) -> dict[str, Any]:
        return decode_line(self._index.line(*place))


def _of_template(template: RecordTemplate) -> RecordedDecision:
    return RecordedDecision(
        id="",
        at=0.0,
        policy=template.policy,
        operation=template.operation,
        cell=template.cell,
        rule=template.rule,
        outcome=template.outcome,
        fallback=template.fallback,
        reason=template.reason or Reason.DECIDED.code,
        channel=template.channel,
    )


def _read_parts(index: Index) -> dict[str, Parts]:
    """Return the parts of each policy that the log holds."""
    templates = [no for no, one in index.templates().items() if one.kind == _ACT and one.act == "started"]
    found: dict[str, Parts] = {}
    for number in templates:
        sql = "SELECT file, place, size FROM record WHERE template = ? AND void = 0 ORDER BY at DESC, no DESC LIMIT 1"
        for place in index.db.execute(sql, (number,)).fetchall():
            line = decode_line(index.line(*place))
            parts = line.get("parts")
            if isinstance(parts, list) and all(isinstance(one, str) for one in parts):
                found[str(line.get("policy", ""))] = parse_parts(tuple(parts))
    return found


def replay(  # noqa: PLR0917 - the last three are optional
    index: Index,
    policy: Policy,
    own: Iterable[Operation],
    since: float = float("-inf"),
    until: float = float("inf"),
    recorded: Mapping[str, Parts] | None = None,
) -> ReplayResult:
    """Run the records of a period through a policy.

    Args:
        index: of the log.
        policy: checked policy.
        own: the guard's own operations.
        since: earliest time, epoch seconds UTC; earlier records only lead to the states at that time.
        until: latest time.
        recorded: digest of a policy -> its parts, for logs that do not hold them.
    """
    run = Replay(index, policy, own, recorded)
    templates = index.templates()
    numbers = count_by_template(index, since, until)
    differs, unknown, moved = _Tally(), _Tally(), _Tally()
    same_policy = {templates[no].policy for no in numbers if templates[no].kind == _DECISION} <= {policy.digest}
    found = run.decide_templates(numbers)
    if found is not None:
        for no, decided in found.items():
            _compare(_of_template(templates[no]), decided, numbers[no], _ids(index, no, since, until), differs, unknown)
    else:
        for one, decided in run.decide_records(until):
            if one.at >= since:
                _compare(one, decided, 1, (one.id,), differs, unknown)
    for no, why in run.refusals(numbers):
        count = numbers[no] * max(1, templates[no].requests)
        unknown.add((templates[no].operation, REFUSED, why), count, _ids(index, no, since, until))
    for no in numbers:
        if templates[no].machine and (dest := run.next_state(templates[no])) != templates[no].dest:
            edge = templates[no]
            text = f"{edge.machine}.{edge.event}: {edge.source} -> {edge.dest}"
            moved.add((text, dest or "no such state or event"), numbers[no], _ids(index, no, since, until))
    differences = (
        Difference(
            operation=operation,
            was=was,
            now=now,
            fallback_was=fallback_was,
            fallback_now=fallback_now,
            rule_was=rule_was,
            rule_now=rule_now,
            count=count,
            ids=differs.ids[operation, was, now, fallback_was, fallback_now, rule_was, rule_now],
        )
        for (operation, was, now, fallback_was, fallback_now, rule_was, rule_now), count in differs.counts.items()
    )
    return ReplayResult(
        decisions=sum(count for no, count in numbers.items() if templates[no].kind == _DECISION),
        differences=tuple(sorted(differences, key=lambda one: (one.sort_key, one.operation))),
        undetermined=tuple(
            Undetermined(operation=what[0], was=what[1], why=what[2], count=count, ids=unknown.ids[what])
            for what, count in unknown.counts.most_common()
        ),
        transitions=sum(count for no, count in numbers.items() if templates[no].machine),
        changed_transitions={
            (what[0], what[1]): (count, moved.ids[what]) for what, count in moved.counts.most_common()
        },
        same_policy=same_policy,
    )


def _ids(index: Index, template: int, since: float, until: float) -> list[str]:
    sql = "SELECT id FROM record WHERE template = ? AND void = 0 AND at >= ? AND at <= ? LIMIT ?"
    return [record for (record,) in index.db.execute(sql, (template, since, until, MAX_IDS))]


def _compare(  # noqa: PLR0917 - a decision, its result, and where both are counted
    one: RecordedDecision, decided: ReplayedDecision, count: int, ids: Iterable[str], differs: _Tally, unknown: _Tally
) -> None:
    if decided.problem:
        unknown.add((one.operation, one.outcome, decided.problem), count, ids)
    elif (decided.outcome, decided.fallback) != (one.outcome, one.fallback):
        names = (one.operation, one.outcome, decided.outcome, one.fallback, decided.fallback)
        differs.add((*names, one.rule, decided.rule), count, ids)
