"""Bounded thread pool for functions of the app that block."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from authguard.outbound.error import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable


class BoundedThreadPool:
    """Runs functions of the app in worker threads of its own, so that none blocks the loop and none pile up.

    A function that does not end is left behind in its thread; while as many as may run at once are left behind, no
    further one is begun. The app's own thread pool is not touched.
    """

    def __init__(self, max_concurrency: int) -> None:
        """Allow so many at once, counting those that were left behind."""
        self._free = threading.BoundedSemaphore(max_concurrency)
        self._at_once = max_concurrency
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - the app's own
        """Call a function in a thread.

        Raises:
            ServiceError: too many are running still.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._at_once)
        if not self._free.acquire(blocking=False):
            raise ServiceError("busy")
        turn = threading.Lock()
        begun = left = False

        def call() -> Any:  # noqa: ANN401 - the app's own
            nonlocal begun
            with turn:
                if left:
                    return None
                begun = True
            try:
                return function(*arguments)
            finally:
                self._free.release()

        try:
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        finally:
            with turn:
                if not begun:  # whoever asked went away before a thread took it up, and none will
                    left = True
                    self._free.release()
