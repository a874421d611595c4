"""Circuit breaker: refuses calls to a service that failed repeatedly."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class CircuitBreaker:
    """Stops asking a service that failed again and again, and lets one question through to see whether it is back.

    Attributes:
        failures: in a row, after which it opens; 0 for never.
        open_for: seconds until one question is let through.
    """

    failures: int
    open_for: float
    _failed: int = 0
    _since: float = field(default=float("-inf"))
    _probing: bool = False

    def allow(self, now: float) -> bool:
        """Whether to ask now; where it is half open, only the first is let through."""
        if not self.failures or self._failed < self.failures:
            return True
        # a clock that stepped back must not keep it open for longer than it was to be
        if self._probing or 0 <= now - self._since < self.open_for:
            return False
        self._probing = True
        return True

    def record(self, now: float, *, succeeded: bool) -> None:
        """Take note of how a question ended."""
        self._probing = False
        if succeeded:
            self._failed = 0
        else:
            self._failed += 1
            self._since = now

    def abandon(self) -> None:
        """Take note that who asked went away before there was an answer, so that the next may probe."""
        self._probing = False
