"""What becomes of a write whose caller is cancelled: given up, unless it is being made durable that very moment.

So that the log, which was written first, can say what is true: a write of which nobody knows is the exception.
"""

from __future__ import annotations

import asyncio
import math
from threading import Lock
from typing import Final, Generic, TypeVar

import anyio

Answer = TypeVar("Answer")

#: seconds between looks at a write that is being made durable
POLL_INTERVAL_S: Final = 0.001


class CommitGuard(Generic[Answer]):
    """Who decides over one write: the worker that it is, or its caller, who leaves, that it is not.

    Attributes:
        kept: what the write answered, once it is durable.
        over: whether the worker has done with it.
    """

    __slots__ = ("_decision", "finished", "result")

    def __init__(self) -> None:
        self._decision = Lock()
        self.result: list[Answer] = []
        self.finished = False

    def decide(self) -> bool:
        """Decide, unless the other one did; never waits."""
        return self._decision.acquire(blocking=False)

    async def wait_finished(self, lock_timeout_s: float) -> None:
        """Wait until the worker has done with it, whoever is cancelled, but no longer than `lock_timeout_s` seconds."""
        with anyio.move_on_after(lock_timeout_s, shield=True):
            while not self.finished:  # noqa: ASYNC110 - a thread has no event to set that may be waited for by anyone
                await anyio.sleep(POLL_INTERVAL_S)


def reraise_cancellation(cancellation: BaseException) -> None:
    """Have the current task cancelled at its next wait, as it was just now.

    A cancelled scope does so by itself. A task of asyncio that was cancelled directly has heard of it once, and would
    not again.

    Args:
        cancellation: as it was caught.
    """
    if anyio.current_effective_deadline() > -math.inf:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()  # it is the same cancellation, and counts once
            task.cancel(*cancellation.args)
