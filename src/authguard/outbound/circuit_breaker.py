"""Circuit breaker: refuses calls to a service that failed repeatedly."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class CircuitBreaker:
    """Refuses calls to a service that failed repeatedly, then allows one probe to see whether it has recovered.

    Attributes:
        failures: consecutive failures that open the breaker; 0 never opens it.
        open_for: seconds until the breaker allows one probe.
    """

    failures: int
    open_for: float
    _failure_count: int = 0
    _last_failure: float = field(default=float("-inf"))
    _is_probing: bool = False

    def allow(self, now: float) -> bool:
        """Return whether a call may start now; a half-open breaker allows only one."""
        if not self.failures or self._failure_count < self.failures:
            return True
        # a clock that stepped back must not keep the breaker open for longer than `open_for`
        if self._is_probing or 0 <= now - self._last_failure < self.open_for:
            return False
        self._is_probing = True
        return True

    def record(self, now: float, *, succeeded: bool) -> None:
        """Record the result of a call."""
        self._is_probing = False
        if succeeded:
            self._failure_count = 0
        else:
            self._failure_count += 1
            self._last_failure = now

    def abandon(self) -> None:
        """Record that the caller was cancelled before the call ended, so that the next caller may probe."""
        self._is_probing = False
