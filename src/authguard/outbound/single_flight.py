"""Single-flight: callers that ask for the same thing at the same time share one call.

Rules:
- No caller owns a call: it runs in a task of its own, and a caller that is cancelled does not cancel it.
- All callers get the same result, or the same exception.
- A call belongs to its event loop. A caller on another loop starts its own, so a call whose loop ended blocks nobody.
- The number of calls is bounded; the caller of `start` bounds the time of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

from authguard.outbound import background_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class CallCancelledError(Exception):
    """The call was cancelled by `SingleFlight.close`, or with its event loop, and has no result."""


@dataclass(slots=True, eq=False)
class Call(Generic[V]):
    """One call in progress.

    Attributes:
        loop: the event loop that runs it.
        done: set when it has ended, in whatever way.
    """

    loop: object
    done: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _outcome: V | BaseException = field(default_factory=CallCancelledError)
    _has_result: bool = False
    _handle: object = None

    async def wait(self) -> V:
        """Wait for the end of the call and return its result.

        Raises:
            CallCancelledError: the call has no result.
            Exception: whatever the call raised, the same for all callers.
        """
        await self.done.wait()
        if self._has_result:
            return self._outcome  # type: ignore[return-value]  # `_has_result` says which of the two it is
        assert isinstance(self._outcome, BaseException)  # noqa: S101 - narrows the type
        raise self._outcome.with_traceback(None)  # else each caller would add its frames to one traceback

    def cancel(self) -> None:
        """Cancel the call."""
        self._scope.cancel()

    async def _run(self, work: Callable[[], Awaitable[V]], end: Callable[[], None]) -> None:
        try:
            with self._scope:
                try:
                    self._outcome, self._has_result = await work(), True
                except Exception as error:  # noqa: BLE001 - belongs to the callers
                    self._outcome = error
        finally:
            end()
            self.done.set()


class SingleFlight(Generic[K, V]):
    """The calls in progress, at most one for each key.

    Args:
        max_calls: maximum number of calls in progress.
    """

    __slots__ = ("_calls", "_max_calls")

    def __init__(self, max_calls: int) -> None:
        self._max_calls: Final = max_calls
        self._calls: dict[K, Call[V]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def is_full(self) -> bool:
        """Whether no call with a new key may start."""
        if len(self._calls) < self._max_calls:
            return False
        loop = background_task.current_loop()
        # calls of a loop that ended never end themselves
        self._calls = {key: call for key, call in self._calls.items() if call.loop is loop}
        return len(self._calls) >= self._max_calls

    def find(self, key: K) -> Call[V] | None:
        """Return the call in progress for a key, or ``None``."""
        call = self._calls.get(key)
        return call if call is not None and call.loop is background_task.current_loop() else None

    def start(self, key: K, work: Callable[[], Awaitable[V]]) -> Call[V]:
        """Return the call in progress for a key; start it if there is none. The caller checks `is_full` first.

        Args:
            key: what the call is about.
            work: called without arguments; ends within bounded time.
        """
        call = self.find(key)
        if call is None:
            started = call = self._calls[key] = Call(background_task.current_loop())

            def end() -> None:
                if self._calls.get(key) is started:
                    del self._calls[key]

            call._handle = background_task.spawn(lambda: started._run(work, end))  # noqa: SLF001 - of this module
        return call

    async def close(self, seconds: float) -> None:
        """Cancel the calls of this event loop and wait for their end, for a bounded time; forget those of other loops.

        Args:
            seconds: to wait in total.
        """
        loop = background_task.current_loop()
        calls, self._calls = list(self._calls.values()), {}
        with anyio.move_on_after(seconds):
            for call in calls:
                if call.loop is loop:
                    call.cancel()
            for call in calls:
                if call.loop is loop:
                    await call.done.wait()
