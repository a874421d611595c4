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
    """Runs functions of the app in separate worker threads, so that none blocks the event loop and none pile up.

    A function that does not return keeps its thread after its caller is cancelled. If `max_concurrency` such functions
    are still running, further calls fail immediately. The thread pool of the app is not used.
    """

    def __init__(self, max_concurrency: int) -> None:
        """Store the limit on running functions; abandoned ones count."""
        self._permits = threading.BoundedSemaphore(max_concurrency)
        self._max_concurrency = max_concurrency
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - the app's own
        """Call a function in a thread and return its result.

        Raises:
            ServiceError: the limit on running functions is reached.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._max_concurrency)
        if not self._permits.acquire(blocking=False):
            raise ServiceError("busy")
        lock = threading.Lock()
        started = abandoned = False

        def call() -> Any:  # noqa: ANN401 - the app's own
            nonlocal started
            with lock:
                if abandoned:
                    return None
                started = True
            try:
                return function(*arguments)
            finally:
                self._permits.release()

        try:
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        finally:
            with lock:
                if not started:  # the caller was cancelled before a thread took the call, and no thread will
                    abandoned = True
                    self._permits.release()
