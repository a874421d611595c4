"""A function of the app, sync or async, in threads of its verifier's own: one that hangs holds up no other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

#: threads of one verifier at the most, where nothing else is said
DEFAULT_MAX_CONCURRENCY: Final = 50


class AppFunction:
    """One function of the app, and the threads that it may have."""

    __slots__ = ("_function", "_workers")

    def __init__(self, function: Callable[..., Any], max_concurrency: int = DEFAULT_MAX_CONCURRENCY) -> None:
        """Keep the function, and how many threads it may have at the same time."""
        self._function = function
        self._workers = BoundedThreadPool(max_concurrency)

    async def __call__(self, *arguments: object) -> object:
        """Call it; one that is not waited for any longer is left behind in its thread."""
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*arguments)
        return await self._workers.run(self._function, *arguments)
