"""Functions of the app that a condition asks: bounded in time and number, and never an exception.

A function that is not async runs in a worker thread. One that hangs keeps its thread, and counts against the maximum.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anyio
from msgspec import Struct

from authguard.core.own_conditions import UNAVAILABLE, read_label
from authguard.directories.cached_call import CachedCall, CallBounds, wait
from authguard.outbound.error import ServiceError
from authguard.outbound.thread_pool import BoundedThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.own_conditions import OwnCondition
    from authguard.core.request import Principal
    from authguard.outbound.single_flight import Call
    from authguard.ports import Unreachable


class Pending(Struct, frozen=True):
    """Implements `authguard.ports.PendingValue`.

    Attributes:
        started: from `CachedCall.start`.
    """

    started: str | Unreachable | Call[str | Unreachable]

    async def wait(self) -> str:
        """Return the value; ``unavailable`` if there is none."""
        answer = await wait(self.started)
        return answer if isinstance(answer, str) else UNAVAILABLE


class ConditionFunction:
    """Implements `authguard.ports.ConditionSource` with a function ``(issuer, subject) -> value``.

    Args:
        condition: with its labels and bounds.
        function: of the app, sync or async.
    """

    __slots__ = ("_calls", "_condition", "_function", "_workers")

    def __init__(self, condition: OwnCondition, function: Callable[[str, str], Any]) -> None:
        self._condition = condition
        self._function = function
        self._workers = BoundedThreadPool(condition.max_concurrency)
        self._calls: CachedCall[str] = CachedCall(
            CallBounds(
                max_age=condition.max_age,
                failures=condition.failures,
                open_for=condition.open_for,
                max_concurrency=condition.max_concurrency,
            )
        )

    async def open(self) -> None:
        """Do nothing: the function belongs to the app."""

    async def close(self) -> None:
        """Cancel the calls in progress."""
        await self._calls.close(self._condition.timeout)

    def start(self, principal: Principal, now: float) -> Pending:
        """Begin to ask about an account, without waiting."""
        return Pending(self._calls.start(principal.account_key, lambda: self._ask(principal), now))

    async def _ask(self, principal: Principal) -> str:
        """Call the function once; a result that the condition does not list is an error."""
        try:
            with anyio.fail_after(self._condition.timeout):
                if inspect.iscoroutinefunction(self._function):
                    result = await self._function(principal.issuer, principal.subject)
                else:
                    result = await self._workers.run(self._function, principal.issuer, principal.subject)
        except TimeoutError:
            raise ServiceError("timeout") from None
        value = read_label(self._condition, result)
        if value == UNAVAILABLE:
            raise ServiceError("nonsense")
        return value
