"""What every outside verifier is wrapped in: a time-out, bounded retries, a breaker, a bulkhead, a hedge, thresholds.

Rules: whatever goes wrong is `Unavailable` with its cause, never a failure of the customer and never a pass; an answer
that came is never asked for again, since a one-time code is used up by being answered.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from authguard.core.verification import Cause, Doubted, Failed, Passed, Unavailable
from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError
from authguard.policy.deployment import RETRY_PAUSE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from authguard.core.verification import VerifierVerdict
    from authguard.policy.deployment import Verifier
    from authguard.ports import Clock, Question

TIMEOUT: Final[Cause] = "timeout"


class Service(Protocol):
    """One outside service, asked once: gives a score from 0 to 1, or its own verdict.

    Raises `ServiceError` where there is none.
    """

    async def open(self) -> None:
        """Make ready."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Ask once."""
        ...


class ResilientVerifier:
    """Implements `authguard.ports.Verifier` over one or two outside services."""

    sends = False

    def __init__(
        self,
        declared: Verifier,
        services: Sequence[Service],
        *,
        clock: Clock,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Arrange the parts.

        Args:
            declared: thresholds, time-out, retries, breaker, bulkhead and hedge, as the policy says.
            services: the service, and the one that is asked beside it where it does not answer in time.
            clock: for the breaker.
            chance: gives a number from 0 to 1, for the jitter.
            sleep: for the pauses.
        """
        self._declared = declared
        self._services = tuple(services)
        self._breakers = tuple(CircuitBreaker(declared.failures, declared.open_for) for _ in services)
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._open_calls = 0
        self.asks = declared.interactive
        self.longest = declared.max_duration

    async def open(self) -> None:
        """Make the services ready."""
        for service in self._services:
            await service.open()

    async def close(self) -> None:
        """Let go of them."""
        for service in self._services:
            await service.close()

    async def begin(self, question: Question) -> Passed:
        """Nothing is sent."""
        del question
        return Passed()

    async def verify(self, question: Question) -> VerifierVerdict:
        """Ask, within the bulkhead; never raises but for cancellation."""
        if self._open_calls >= self._declared.max_concurrency:
            return Unavailable("busy")
        self._open_calls += 1
        try:
            if len(self._services) == 1:
                return await self._call_with_retries(0, question)
            return await self._call_hedged(question)
        finally:
            self._open_calls -= 1

    async def _call_hedged(self, question: Question) -> VerifierVerdict:
        """Ask the second service too where the first is late or has no answer; the first answer counts.

        Where both have answered by then and contradict each other, that is doubt, whoever was first.
        """
        answers: list[VerifierVerdict] = []
        done = anyio.Event()

        async def first() -> None:
            answers.append(await self._call_with_retries(0, question))
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            with anyio.move_on_after(self._declared.hedge_after):
                await done.wait()
            if answers and not isinstance(answers[0], Unavailable):
                return answers[0]
            second = await self._call_with_retries(1, question)
            if isinstance(second, Unavailable):
                await done.wait()
            group.cancel_scope.cancel()
        heard = [answer for answer in (*answers, second) if not isinstance(answer, Unavailable)]
        if not heard:
            return second
        return heard[0] if all(type(answer) is type(heard[0]) for answer in heard) else Doubted(0.5)

    async def _call_with_retries(self, place: int, question: Question) -> VerifierVerdict:
        """Ask one service, again where that may help, until it answers or the retries are over."""
        breaker, declared = self._breakers[place], self._declared
        for turn in range(declared.retries + 1):
            if not breaker.allow(self._clock.now()):
                return Unavailable("open")
            answered, cause, again = False, TIMEOUT, True
            try:
                with anyio.fail_after(declared.timeout):
                    said = await self._services[place].ask(question)
                answered = True
                return self._apply_thresholds(said)
            except TimeoutError:
                pass
            except ServiceError as problem:
                cause, again = problem.cause, problem.retryable
            except Exception:  # noqa: BLE001 - the app's own function, or a library, failed: an event, not our exception
                cause, again = "error", False
            finally:
                breaker.record(self._clock.now(), succeeded=answered)
            if not again or turn == declared.retries:
                break
            await self._sleep(RETRY_PAUSE_S * 2**turn * self._chance())  # by chance, so that not all come at once
        return Unavailable(cause)

    def _apply_thresholds(self, said: float | VerifierVerdict) -> VerifierVerdict:
        """Hold a score against the thresholds; what is no number from 0 to 1 is nonsense."""
        if isinstance(said, Passed | Failed | Doubted | Unavailable):
            return said
        if not isfinite(said) or not 0 <= said <= 1:
            return Unavailable("nonsense")
        if said >= self._declared.pass_at:
            return Passed()
        return Failed() if said <= self._declared.fail_at else Doubted(float(said))
