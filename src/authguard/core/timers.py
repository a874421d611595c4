"""A moment in time becomes the events that are due: timers are events too, found on the next look.

An event raised by a timer bears the time at which it fell due, not the time of the look, so that a sign-in between the
two counts as later (DESIGN 2, "Fresh sign-in").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from authguard.core.events import MACHINES, Event
from authguard.core.machine import Machine, Transition, step
from authguard.core.snapshot import STATE_FIELDS, Snapshot
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: more timers than this falling due on one look is a loop in the policy
MAX_ROUNDS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One timer of a policy.

    Attributes:
        event: what it raises, ``machine.trigger``.
        after: seconds.
        since: the moment that it counts from (`authguard.core.events.MOMENTS`).
        states: the machine's states in which it runs; empty for any.
    """

    event: str
    after: float
    since: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Armed:
    event: str
    after: float
    record: str
    moment: str


@dataclass(frozen=True, slots=True)
class Timers:
    """The timers of a policy, arranged by the state in which they can do something.

    Attributes:
        declared: as the policy says them.
        armed: (machine, state) -> the timers that move that state; one that would stay put never falls due.
    """

    declared: tuple[Timer, ...]
    armed: Mapping[tuple[str, str], tuple[_Armed, ...]]
    #: where all five machines stand -> the timers that run then; filled as it is met, and finite as the machines are
    _running: dict[tuple[str, ...], tuple[_Armed, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def compile(cls, declared: Sequence[Timer], machines: Mapping[str, Machine]) -> Timers:
        """Arrange timers over total machines."""
        armed: dict[tuple[str, str], tuple[_Armed, ...]] = {}
        for timer in declared:
            name, _, trigger = timer.event.partition(".")
            record, _, entered = STATE_FIELDS[name]
            moment = entered if timer.since == "entered" else timer.since
            for state in timer.states or machines[name].spec.states:
                if machines[name].table[state, trigger].moves:
                    entry = _Armed(timer.event, timer.after, record, moment)
                    armed[name, state] = (*armed.get((name, state), ()), entry)
        return cls(tuple(declared), armed)

    def next_due(self, snapshot: Snapshot) -> tuple[float, str]:
        """Find the timer that falls due first.

        Returns:
            When it falls due (epoch seconds UTC; infinity for never) and the event that it raises.
        """
        earliest, name = float("inf"), ""
        states = snapshot.states()
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
        self, machines: Mapping[str, Machine], snapshot: Snapshot, now: float
    ) -> tuple[Snapshot, tuple[Transition, ...]]:
        """Let every timer happen that is due at a moment, in the order in which they fell due.

        Args:
            machines: all five.
            snapshot: where they stand.
            now: epoch seconds UTC.

        Raises:
            MachineFaultError: they do not come to rest.
        """
        transitions: list[Transition] = []
        for _ in range(MAX_ROUNDS):
            due, name = self.next_due(snapshot)
            if due > now:
                return snapshot, tuple(transitions)
            snapshot, moved = step(machines, snapshot, Event(name=name, at=due, cause="timer"))
            transitions.extend(moved)
        raise MachineFaultError("the timers do not come to rest; a timer leads back to the state that it counts from")
