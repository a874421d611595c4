"""Held transactions, and the time at which the policy's timer ends a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from authguard.core.policy import Policy


class HeldTransaction(Struct, frozen=True):
    """One transaction that was held.

    Attributes:
        id: id of the transaction.
        at: time at which it was held, epoch seconds UTC.
        state: state of the transaction at the end of the period.
        decided: time at which it first left the state `held`; 0 if it is still held.
        people: acts on it, with the names of the actors.
    """

    id: str
    at: float
    state: str
    decided: float
    people: tuple[str, ...] = ()


class LapseRule(Struct, frozen=True):
    """The timer of a policy that ends a hold without a decision.

    Attributes:
        after: seconds after the hold; infinite if there is no such timer.
        state: state after the timer.
        now: reference time, epoch seconds UTC.
    """

    after: float = float("inf")
    state: str = ""
    now: float = 0.0

    @classmethod
    def of(cls, policy: Policy | None, now: float) -> LapseRule:
        """Read the rule from the timers of a policy."""
        armed = policy.timers.armed.get(("transaction", "held"), ()) if policy else ()
        first = min((timer for timer in armed if timer.moment == "entered"), key=lambda one: one.after, default=None)
        if policy is None or first is None:
            return cls(now=now)
        trigger = first.event.partition(".")[2]
        return cls(first.after, policy.machines["transaction"].table["held", trigger].dest, now)

    def apply(self, one: HeldTransaction) -> HeldTransaction:
        """Return a transaction in its state at the reference time."""
        if one.decided or one.at + self.after > self.now:
            return one
        return HeldTransaction(one.id, one.at, self.state, one.at + self.after)
