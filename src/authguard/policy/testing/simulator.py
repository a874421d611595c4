"""Simulator of a policy without requests: it advances time, raises events and decides, and decisions raise events too.

It is pure: the scenario states what a request would have proved. It moves the machines as a request does (DESIGN 2,
"Order within one request"): a decision that holds, admits or terminates raises its event, a request by the customer
counts as activity of the session, and attempts run out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.events import MACHINES, NOT_REPORTS, Event
from authguard.core.machine import step
from authguard.core.outcomes import Outcome
from authguard.core.owners import TOGETHER
from authguard.core.snapshot import STATE_FIELDS, blank
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.snapshot import Snapshot

#: start of every simulation, epoch seconds UTC; any time but 0, which means "never"
START_TIME: Final = 1_000_000_000.0
#: verdicts other than a pass; each counts as an attempt to prove identity
FAILED_VERDICTS: Final = frozenset({"verification.failed", "verification.doubted", "verification.contradicted"})
#: machine -> its moments besides `entered`
MOMENTS: Final = {"session": ("signed_in", "last_seen"), "account": ("reported",), "service": ("faulted",)}


class ScenarioRequest(Struct, frozen=True, kw_only=True):
    """One request of a scenario.

    Attributes:
        operation: the operation's name; empty for one of the guard's own endpoints.
        conditions: condition -> value, for every condition.
    """

    operation: str = ""
    conditions: Mapping[str, str]


class ScenarioDecision(Struct, frozen=True, kw_only=True):
    """The decision on one request.

    Attributes:
        outcome: one of the eleven outcomes.
        fallback: its name, ``allow`` for an admission; the fallback's `then` once the attempts have run out.
        rule: the rule that decided.
    """

    outcome: str
    fallback: str
    rule: Rule


class Simulator:
    """The states of all machines in one scenario, and the transition lines taken so far."""

    __slots__ = ("_counters", "_is_undated", "_now", "_opened", "_pending_events", "_policy", "_snapshot", "edges")

    def __init__(self, policy: Policy, given: Mapping[str, str]) -> None:
        """Start in the given states, with every moment (entered, seen, signed in, reported) set to now."""
        self.edges: set[tuple[str, int, str]] = set()
        self._policy = policy
        self._now = START_TIME
        self._counters: dict[str, tuple[float, int]] = {}
        self._pending_events: tuple[str, ...] = ()
        self._is_undated = False  # whether the last request had an undated credential
        self._opened = ""  # the operation whose transaction is simulated
        self._snapshot: Snapshot = blank(policy.initial)
        for machine, state in given.items():
            record, field, entered = STATE_FIELDS[machine]
            self._update_record(record, **{field: state, entered: START_TIME})
            if state != policy.initial[machine]:  # a machine that never left its initial state has no moments
                self._update_record(record, **dict.fromkeys(MOMENTS.get(machine, ()), START_TIME))

    def states(self) -> dict[str, str]:
        """Return the state of every machine."""
        return dict(zip(MACHINES, self._snapshot.states(), strict=True))

    def advance(self, seconds: float) -> None:
        """Raise the pending events of the last decision, then advance time and raise every timer that falls due.

        Raises:
            MachineFaultError: the timers form a cycle.
        """
        for event in self._pending_events:
            self._step(event, self._now)
        self._pending_events = ()
        self._now += seconds
        for _ in range(self._policy.timers.max_rounds):
            due, event = self._policy.timers.next_due(self._snapshot)
            if due > self._now:
                return
            self._step(event, due)
        raise MachineFaultError("the timers do not come to rest; a timer leads back to the state that it counts from")

    def raise_event(self, event: str) -> None:
        """Raise one event now and set the moments that it moves."""
        machine, _, trigger = event.partition(".")
        moments: tuple[str, ...] = ()
        if event == "session.renewed" or (event == "session.accepted" and not self._snapshot.session.signed_in):
            moments = ("signed_in", "last_seen")
        elif machine == "account" and (trigger == "reinstated" or trigger not in NOT_REPORTS):
            moments = ("reported",)
        elif event in ("service.impaired", "service.faulted"):
            moments = ("faulted",)
        if event in FAILED_VERDICTS:
            self._increment("verification", self._verdict_window())
        self._step(event, self._now, tuple((moment, self._now) for moment in moments))
        if event == "verification.passed" and self._is_undated:
            self._is_undated = False
            if self._snapshot.session.state not in self._policy.live_session_states:
                self.raise_event("session.renewed")  # a verifier's pass renews the session of an undated credential

    def ask(self, ask: ScenarioRequest) -> ScenarioDecision:
        """Decide a request and count an attempt if the fallback limits them."""
        states = self.states()
        if self._opened not in ("", ask.operation):  # a request for another operation names no transaction of this one
            states["transaction"] = self._policy.initial["transaction"]
        cell = tuple({**states, **ask.conditions}[dimension] for dimension in DIMENSIONS)
        rule = self._policy.table.decide(cell)
        proven = ask.conditions["credential"] in PROVEN_CREDENTIALS
        self._is_undated = ask.conditions["credential"] == "undated"
        fallback = self._policy.fallbacks[rule.do]
        if proven and fallback.attempts:
            fallback = self._count_attempt(fallback, ask.operation)
        if (
            proven
            and ask.conditions["actor"] == "subject"
            and self._snapshot.session.state in self._policy.idle_session_states
        ):
            self._update_record("session", last_seen=self._now)  # an agent's requests are no activity of the customer
        if proven:
            self._pending_events = (*self._pending_events, *self._events_of(fallback, ask, begun=states["transaction"]))
        return ScenarioDecision(outcome=fallback.kind.value, fallback=fallback.name, rule=rule)

    def _events_of(self, fallback: Fallback, ask: ScenarioRequest, *, begun: str) -> tuple[str, ...]:
        """Return the events that a decision raises; the next step starts with them."""
        transactional = (ask.conditions["risk"], ask.conditions["effect"]) == ("high", "write")
        transactional = transactional or begun != self._policy.initial["transaction"]
        if fallback.kind is Outcome.TERMINATE:
            return ("session.ended",)
        if fallback.kind is Outcome.HOLD or (fallback.kind is Outcome.ALLOW and transactional):
            self._opened = ask.operation
            return ("transaction.held" if fallback.kind is Outcome.HOLD else "transaction.started",)
        return ()

    def _count_attempt(self, fallback: Fallback, operation: str) -> Fallback:
        """Return the fallback's `then` once its attempts have run out; each request counts as a new credential."""
        if fallback.kind is Outcome.VERIFY:
            spent = self._current_count("verification", fallback.per)[1] >= fallback.attempts
            if spent:
                self._pending_events = ("verification.exhausted",)
        else:
            spent = self._increment(f"fallback:{fallback.name}:{operation}", fallback.per) > fallback.attempts
        return self._policy.fallbacks[fallback.then] if spent else fallback

    def _increment(self, name: str, per: float) -> int:
        since, count = self._current_count(name, per)
        self._counters[name] = (since, count + 1)
        return count + 1

    def _current_count(self, name: str, per: float) -> tuple[float, int]:
        """Return start and count of the current window; a new window if the last one is over."""
        since, count = self._counters.get(name, (self._now, 0))
        return (since, count) if self._now - since < per else (self._now, 0)

    def _verdict_window(self) -> float:
        """Return the longest window in which a `verify` fallback counts verdicts."""
        verify = (item.per for item in self._policy.fallbacks.values() if item.kind is Outcome.VERIFY)
        return max(verify, default=0.0)

    def _update_record(self, record: str, **fields: object) -> None:
        changed = msgspec.structs.replace(getattr(self._snapshot, record), **fields)
        self._snapshot = msgspec.structs.replace(self._snapshot, **{record: changed})

    def _step(self, event: str, at: float, moments: tuple[tuple[str, float], ...] = ()) -> None:
        """Raise one event and record each transition line that handles it or an event that it raises."""
        snapshot = self._snapshot
        self._snapshot, moved = step(
            self._policy.machines, snapshot, Event(name=event, at=at, cause="scenario", moments=moments), TOGETHER
        )
        sources = {(transition.machine, transition.event): transition.source for transition in moved}
        pending = [event]
        for name in pending:  # the list grows; the line of an event without a transition is found by the state
            machine, _, trigger = name.partition(".")
            record, field, _ = STATE_FIELDS[machine]
            state = sources.get((machine, trigger), getattr(getattr(self._snapshot, record), field))
            edge = self._policy.machines[machine].table[state, trigger]
            self.edges.add((machine, edge.line, state))
            pending.extend(edge.raises)
