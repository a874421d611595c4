"""Functions of the app as verifiers, in separate threads for each verifier, so that one that hangs blocks no other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

#: default for the maximum number of threads of one verifier
DEFAULT_MAX_CONCURRENCY: Final = 50


class AppFunction:
    """One function of the app, with its thread pool."""

    __slots__ = ("_function", "_workers")

    def __init__(self, function: Callable[..., Any], max_concurrency: int = DEFAULT_MAX_CONCURRENCY) -> None:
        """Store the function, with the maximum number of its threads."""
        self._function = function
        self._workers = BoundedThreadPool(max_concurrency)

    async def __call__(self, *arguments: object) -> object:
        """Call the function; after a timeout, its thread is abandoned."""
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*arguments)
        return await self._workers.run(self._function, *arguments)
