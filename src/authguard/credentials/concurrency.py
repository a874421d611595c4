"""Starts work that outlives the request that asked for it, under asyncio and under trio.

anyio has no such thing on purpose: a task group ends with the request that opened it, and one that the lifespan opened
is missing where an app is mounted under another and its lifespan never runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def spawn(work: Callable[[], Coroutine[object, object, None]]) -> object:
    """Start work on the running event loop.

    Args:
        work: never raises, and ends by itself within bounded time.

    Returns:
        What the caller holds on to until the work has ended: asyncio itself only holds tasks weakly.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - not a dependency: whoever runs under trio has it

        return trio.lowlevel.spawn_system_task(work)
    return loop.create_task(work())


def current_loop_id() -> int:
    """Name the running event loop, to which connections and locks belong."""
    try:
        return id(asyncio.get_running_loop())
    except RuntimeError:
        import trio  # noqa: PLC0415 - as above

        return id(trio.lowlevel.current_trio_token())
