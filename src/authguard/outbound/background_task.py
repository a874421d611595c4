"""Background tasks that outlive the request that started them, under asyncio and trio.

anyio offers none on purpose: a task group ends with its request. A task group of the lifespan is no substitute, since
an app that is mounted under another may never get a lifespan.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def spawn(work: Callable[[], Coroutine[object, object, None]]) -> object:
    """Start a task on the running event loop, with the context variables of the caller.

    Args:
        work: a coroutine function that never raises and ends within bounded time.

    Returns:
        A handle that the caller keeps until the task has ended: asyncio holds tasks only weakly.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - not a dependency: a deployment under trio has it installed

        return trio.lowlevel.spawn_system_task(work, context=copy_context())
    return loop.create_task(work())


def current_loop() -> object:
    """Return the running event loop, to which tasks, connections and locks belong.

    A caller that keeps it compares with ``is``. The loop itself is returned, since the id of a loop that ended may be
    that of the next one.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - not a dependency

        return trio.lowlevel.current_trio_token()
