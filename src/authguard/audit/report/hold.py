"""A transaction that was held, and when it lapses though nobody looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authguard.policy.compiled_policy import Policy


@dataclass(frozen=True, slots=True)
class HeldTransaction:
    """One transaction that was held.

    Attributes:
        id: of the transaction.
        at: when it was held, epoch seconds UTC.
        state: of the transaction at the period's end.
        decided: when it left that state first; 0 where it waits still.
        people: who said what about it.
    """

    id: str
    at: float
    state: str
    decided: float
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LapseRule:
    """When what is held lapses though nobody looks at it.

    Attributes:
        after: seconds after it was held; infinite where no policy tells.
        state: that it is in then.
        now: the moment that is told, epoch seconds UTC.
    """

    after: float = float("inf")
    state: str = ""
    now: float = 0.0

    @classmethod
    def of(cls, policy: Policy | None, now: float) -> LapseRule:
        """Read it off the timers of a policy."""
        armed = policy.timers.armed.get(("transaction", "held"), ()) if policy else ()
        first = min((timer for timer in armed if timer.moment == "entered"), key=lambda one: one.after, default=None)
        if policy is None or first is None:
            return cls(now=now)
        trigger = first.event.partition(".")[2]
        return cls(first.after, policy.machines["transaction"].table["held", trigger].dest, now)

    def seen(self, one: HeldTransaction) -> HeldTransaction:
        """Return a transaction as it stands at that moment."""
        if one.decided or one.at + self.after > self.now:
            return one
        return HeldTransaction(one.id, one.at, self.state, one.at + self.after)
