"""Circuit breaker: refuses calls to a service that failed repeatedly."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

#: seconds by which the times of two calls may be out of order without a step back of the clock
CLOCK_TOLERANCE_S: Final = 1.0


@dataclass(slots=True)
class CircuitBreaker:
    """Refuses calls to a service that failed repeatedly, then allows one probe to see whether it has recovered.

    Attributes:
        failures: consecutive failures that open the breaker; 0 never opens it.
        open_for: seconds until the breaker allows one probe, and the next one if a probe never reports.
    """

    failures: int
    open_for: float
    _failure_count: int = 0
    _failed_at: float = -inf
    _probed_at: float = -inf

    def allow(self, now: float) -> bool:
        """Return whether a call may start now; a half-open breaker allows only one."""
        if not self.failures or self._failure_count < self.failures:
            return True
        if self._is_recent(self._failed_at, now) or self._is_recent(self._probed_at, now):
            return False
        self._probed_at = now
        return True

    def record(self, now: float, *, succeeded: bool) -> None:
        """Record the result of a call."""
        self._probed_at = -inf
        if succeeded:
            self._failure_count = 0
        else:
            self._failure_count += 1
            self._failed_at = now

    def abandon(self) -> None:
        """Record that a call was cancelled before it ended, so that the next one may probe."""
        self._probed_at = -inf

    def _is_recent(self, at: float, now: float) -> bool:
        """Return whether a time is less than `open_for` ago; one after a step back of the clock is not."""
        return at - CLOCK_TOLERANCE_S <= now < at + self.open_for
