"""A question about an account, with cache, circuit breaker, concurrency limit and single-flight.

Rules: any error is `Unreachable` with its cause. An answer is cached until its maximum age and no longer. There is one
call for an account at a time, and no caller that is cancelled cancels it for the others.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from msgspec import Struct

from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError
from authguard.outbound.single_flight import Call, CallCancelledError, SingleFlight
from authguard.ports import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

V = TypeVar("V")

#: maximum number of cached answers; the least recently used is dropped first
MAX_CACHED_ACCOUNTS: Final = 10_000


class CallBounds(Struct, frozen=True, kw_only=True):
    """Bounds of the calls.

    Attributes:
        max_age: seconds for which an answer is cached; 0 for no cache.
        failures: consecutive failures that open the circuit breaker; 0 for no breaker.
        open_for: seconds for which the breaker stays open.
        max_concurrency: maximum number of concurrent calls.
    """

    max_age: float
    failures: int
    open_for: float
    max_concurrency: int


class CachedCall(Generic[V]):
    """Asks one question, about one account at a time.

    Args:
        bounds: of its calls.
    """

    __slots__ = ("_bounds", "_breaker", "_cached", "_calls")

    def __init__(self, bounds: CallBounds) -> None:
        self._bounds = bounds
        self._breaker = CircuitBreaker(bounds.failures, bounds.open_for)
        self._cached: OrderedDict[bytes, tuple[V, float]] = OrderedDict()
        self._calls: SingleFlight[bytes, V | Unreachable] = SingleFlight(bounds.max_concurrency)

    def start(
        self, account: bytes, query: Callable[[], Awaitable[V]], now: float
    ) -> V | Unreachable | Call[V | Unreachable]:
        """Return the answer if it is known, or why there is none; else the call in progress, for `wait`.

        Args:
            account: key of the account.
            query: asks; ends within bounded time, and may raise any exception.
            now: epoch seconds UTC.
        """
        found = self._cached.get(account)
        if found is not None and 0 <= now - found[1] < self._bounds.max_age:
            self._cached.move_to_end(account)
            return found[0]
        call = self._calls.find(account)
        if call is not None:
            return call
        if self._calls.is_full:
            return Unreachable("busy")
        if not self._breaker.allow(now):
            return Unreachable("open")
        return self._calls.start(account, lambda: self._query(account, query, now))

    async def close(self, seconds: float) -> None:
        """Cancel the calls in progress, and wait for their end within a number of seconds."""
        await self._calls.close(seconds)

    async def _query(self, account: bytes, query: Callable[[], Awaitable[V]], now: float) -> V | Unreachable:
        """Ask for all callers that wait for this account."""
        has_ended = False
        answer: V | Unreachable
        try:
            try:
                answer = await query()
            except ServiceError as problem:
                answer = Unreachable(problem.cause)
            except Exception:  # noqa: BLE001 - an error of the app's function is an event, not a fault of the guard
                answer = Unreachable("error")
            has_ended = True
        finally:
            if not has_ended:
                self._breaker.abandon()
        self._breaker.record(now, succeeded=not isinstance(answer, Unreachable))
        if not isinstance(answer, Unreachable):
            self._store(account, answer, now)
        return answer

    def _store(self, account: bytes, answer: V, now: float) -> None:
        self._cached[account] = (answer, now)
        self._cached.move_to_end(account)
        while len(self._cached) > MAX_CACHED_ACCOUNTS:
            self._cached.popitem(last=False)


async def wait(started: V | Unreachable | Call[V | Unreachable]) -> V | Unreachable:
    """Return the answer of what `CachedCall.start` returned."""
    if not isinstance(started, Call):
        return started
    try:
        return await started.wait()
    except CallCancelledError:
        return Unreachable("error")
