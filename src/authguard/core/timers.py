"""Timers: find and apply the events that are due at a point in time; evaluated when a record is loaded.

A timer's event has the time at which it fell due, not the time of evaluation, so that a sign-in between the two counts
as later (DESIGN 2, "Fresh sign-in").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.events import MACHINES, Event
from authguard.core.machine import Machine, Transition, step
from authguard.core.snapshot import STATE_FIELDS, Keys, Snapshot
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Timer(Struct, frozen=True, kw_only=True):
    """One timer of a policy.

    Attributes:
        event: raised when due, ``machine.trigger``.
        after: seconds.
        since: start of the countdown (`authguard.core.events.MOMENTS`).
        states: the machine's states in which it runs; empty for all.
    """

    event: str
    after: float
    since: str
    states: tuple[str, ...] = ()


def _lift_reports(snapshot: Snapshot, state: str, at: float) -> Snapshot:
    """Return the snapshot without the account's reports of a state that a timer has just lifted."""
    account = snapshot.account
    reports = {
        source: report for source, report in (account.reports or {}).items() if report.state != state or report.at > at
    }
    lifted = {**(account.lifted or {}), state: at}
    return replace(snapshot, account=replace(account, reports=reports, lifted=lifted))


class _Armed(Struct, frozen=True):
    event: str
    after: float
    record: str
    moment: str


@dataclass(frozen=True, slots=True)
class Timers:
    """The timers of a policy, indexed by the states that they change.

    Attributes:
        declared: timers of the policy.
        armed: (machine, state) -> timers that change that state; one that would not change it never falls due.
        max_rounds: timers due in one evaluation; more means a loop in the policy, which the checker refuses.
    """

    declared: tuple[Timer, ...]
    armed: Mapping[tuple[str, str], tuple[_Armed, ...]]
    max_rounds: int = 0
    #: cache: states of all five machines -> running timers; finite, since the machines are
    _running: dict[tuple[str, ...], tuple[_Armed, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def compile(cls, declared: Sequence[Timer], machines: Mapping[str, Machine]) -> Timers:
        """Index timers over total machines."""
        armed: dict[tuple[str, str], tuple[_Armed, ...]] = {}
        for timer in declared:
            name, _, trigger = timer.event.partition(".")
            record, _, entered = STATE_FIELDS[name]
            moment = entered if timer.since == "entered" else timer.since
            for state in timer.states or machines[name].spec.states:
                if machines[name].table[state, trigger].moves:
                    entry = _Armed(timer.event, timer.after, record, moment)
                    armed[name, state] = (*armed.get((name, state), ()), entry)
        # timers lead no machine through a cycle, so each state is entered once at most
        return cls(tuple(declared), armed, sum(len(machine.spec.states) for machine in machines.values()))

    def next_due(self, snapshot: Snapshot) -> tuple[float, str]:
        """Find the timer that falls due first.

        Returns:
            Its due time (epoch seconds UTC; infinity for never) and its event.
        """
        earliest, name = float("inf"), ""
        session = snapshot.session
        states = (
            snapshot.service.state,
            snapshot.account.state,
            session.state,
            session.verification,
            snapshot.transaction.state,
        )
        running = self._running.get(states)
        if running is None:
            places = zip(MACHINES, states, strict=True)
            running = tuple(timer for place in places for timer in self.armed.get(place, ()))
            self._running[states] = running
        for timer in running:
            moment = getattr(getattr(snapshot, timer.record), timer.moment)
            if moment and moment + timer.after < earliest:
                earliest, name = moment + timer.after, timer.event
        return earliest, name

    def fire_due(
        self, machines: Mapping[str, Machine], snapshot: Snapshot, now: float, keys: Keys, *, drops: bool = False
    ) -> tuple[Snapshot, tuple[Transition, ...]]:
        """Apply the events of all timers that are due, in the order of their due times.

        Args:
            machines: all five.
            snapshot: current records.
            now: epoch seconds UTC.
            keys: of these records.
            drops: as for `authguard.core.machine.step`.

        Raises:
            OwnerAbsentError: a raised event belongs to a record that is not loaded.
            MachineFaultError: the timers form a loop.
        """
        due, name = self.next_due(snapshot)
        if due > now:
            return snapshot, ()
        transitions: list[Transition] = []
        for _ in range(self.max_rounds):
            left = snapshot.account.state
            snapshot, moved = step(machines, snapshot, Event(name=name, at=due, cause="timer"), keys, drops=drops)
            if name.startswith("account.") and snapshot.account.state != left:
                snapshot = _lift_reports(snapshot, left, due)
            transitions.extend(moved)
            due, name = self.next_due(snapshot)
            if due > now:
                return snapshot, tuple(transitions)
        raise MachineFaultError("the timers form a loop: a timer leads back to the state that it counts from")
