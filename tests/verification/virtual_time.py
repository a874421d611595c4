"""An event loop with virtual time that jumps to the next timer when idle, so that waiting costs nothing.

It is for code that uses sockets only within this loop, because loopback delivers immediately. It waits in real time for
other processes and threads only if no timer is set.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Final

#: seconds of true time to see whether really nothing comes
GRACE: Final = 0.001


class _Selector:
    """Asks the machine's selector; where it has nothing, moves the loop's time on instead of waiting."""

    def __init__(self, ahead: list[float]) -> None:
        self._inner = selectors.DefaultSelector()
        self._ahead = ahead

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in no time."""
        if timeout is None or timeout <= 0:
            return self._inner.select(timeout)
        ready = self._inner.select(min(GRACE, timeout))
        if not ready:
            self._ahead[0] += timeout
        return ready


class WarpedLoop(asyncio.SelectorEventLoop):
    """The loop: a library's own base class, so that it is one."""

    def __init__(self) -> None:
        self._seconds_ahead = [0.0]
        super().__init__(_Selector(self._seconds_ahead))  # type: ignore[arg-type]  # as much of one as the loop asks for

    def time(self) -> float:
        """Give the loop's own time, seconds."""
        return super().time() + self._seconds_ahead[0]
