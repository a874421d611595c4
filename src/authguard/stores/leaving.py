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
LOOK: Final = 0.001


class Fate(Generic[Answer]):
    """Who decides over one write: the worker that it is, or its caller, who leaves, that it is not.

    Attributes:
        kept: what the write answered, once it is durable.
        over: whether the worker has done with it.
    """

    __slots__ = ("_seal", "kept", "over")

    def __init__(self) -> None:
        self._seal = Lock()
        self.kept: list[Answer] = []
        self.over = False

    def seal(self) -> bool:
        """Decide, unless the other one did; never waits."""
        return self._seal.acquire(blocking=False)

    async def known(self, patience: float) -> None:
        """Wait until the worker has done with it, whoever is cancelled, but no longer than `patience` seconds."""
        with anyio.move_on_after(patience, shield=True):
            while not self.over:  # noqa: ASYNC110 - a thread has no event to set that may be waited for by anyone
                await anyio.sleep(LOOK)


def cancel_later(leaving: BaseException) -> None:
    """Have the current task cancelled at its next wait, as it was just now.

    A cancelled scope does so by itself. A task of asyncio that was cancelled directly has heard of it once, and would
    not again.

    Args:
        leaving: the cancellation.
    """
    if anyio.current_effective_deadline() > -math.inf:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()  # it is the same cancellation, and counts once
            task.cancel(*leaving.args)
