"""The ports of time and randomness."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> float:
        """Return the time, epoch seconds UTC; it may step back, and the guard tolerates that."""
        ...


class Ids(Protocol):
    """The only source of randomness."""

    def record(self, now: float) -> str:
        """Return a new record id: unique, sorted by time, not secret."""
        ...

    def secret(self) -> str:
        """Return an unguessable id: at least 128 bits from the system's generator (ASVS 7.2.3)."""
        ...
