"""A clock that moves only when a test moves it."""

from __future__ import annotations

import math


class FakeClock:
    """Implements the port `authguard.ports.Clock` without a wall clock.

    Args:
        start: initial time in seconds since the epoch, UTC.
    """

    __slots__ = ("_now",)

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = _finite(start)

    def now(self) -> float:
        """Return the time in seconds since the epoch, UTC; it changes only by `advance` and `set`."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by a number of seconds.

        Raises:
            ValueError: the seconds are negative or not finite; use `set` to go back.
        """
        if not seconds >= 0:
            raise ValueError(f"a clock advances by 0 or more seconds, not {seconds}: use `set` to go back")
        self._now = _finite(self._now + seconds)

    def set(self, time: float) -> None:
        """Jump to a time in seconds since the epoch, UTC; it may lie in the past, like a corrected system clock.

        Raises:
            ValueError: the time is not finite.
        """
        self._now = _finite(time)

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"


def _finite(time: float) -> float:
    # every comparison of a timer with an infinity or NaN would silently have the same result
    if not math.isfinite(time):
        raise ValueError(f"a time has to be a finite number of seconds, not {time}")
    return float(time)
