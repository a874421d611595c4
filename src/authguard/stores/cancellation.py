"""Writes of a store whose callers may be cancelled.

A cancelled write is rolled back, unless its commit has already begun. The audit log is written first, so a write with
an unknown result must stay the exception.
"""

from __future__ import annotations

import asyncio
import math
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Answer = TypeVar("Answer")

#: seconds between checks of a commit that is under way
POLL_INTERVAL_S: Final = 0.001


class Write(Generic[Answer]):
    """One caller's write. Exactly one side decides about it: the worker commits it, or the cancelled caller drops it.

    Attributes:
        change: runs its statements; a return value of False undoes them.
        answer: the return values of its statements; empty before.
        error: what they raised.
        result: the return value once it is durable; empty before.
        finished: whether the worker is done with the write.
        is_claimed: whether the worker has claimed the decision.
    """

    __slots__ = ("_decision", "answer", "change", "error", "finished", "is_claimed", "result")

    def __init__(self, change: Callable[[sqlite3.Connection], Answer]) -> None:
        self.change = change
        self._decision = Lock()
        self.answer: list[Answer] = []
        self.result: list[Answer] = []
        self.error: Exception | None = None
        self.finished = self.is_claimed = False

    def decide(self) -> bool:
        """Claim the decision; return whether the other side had not claimed it. Never waits."""
        return self._decision.acquire(blocking=False)

    async def wait_finished(self, lock_timeout_s: float) -> None:
        """Wait for the worker despite cancellation, for `lock_timeout_s` seconds at most."""
        with anyio.move_on_after(lock_timeout_s, shield=True):
            while not self.finished:  # noqa: ASYNC110 - no event of both asyncio and trio can be set from a thread
                await anyio.sleep(POLL_INTERVAL_S)


def reraise_cancellation(cancellation: BaseException) -> None:
    """Cancel the current task again at its next await.

    A cancelled scope does that without help. asyncio delivers a direct cancellation of a task only once.

    Args:
        cancellation: the exception as caught.
    """
    if anyio.current_effective_deadline() > -math.inf:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()  # the same cancellation must count once
            task.cancel(*cancellation.args)
