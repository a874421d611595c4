"""Resilience for verifiers: timeout, bounded retries, circuit breaker, bulkhead, hedging and score thresholds.

Rules: any error is `Unavailable` with its cause, and never a failure of the customer or a pass. A request that was
answered is never repeated, because a one-time code is consumed by its answer.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Protocol

import anyio

from authguard.core.deployment import RETRY_PAUSE_S
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from authguard.outbound import retry
from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.deployment import Verifier
    from authguard.core.verification import VerifierVerdict
    from authguard.ports import Clock, Question


class Service(Protocol):
    """One external service, called once per request; returns a score from 0 to 1, or a verdict.

    Raises `NoAnswerError` if there is none.
    """

    async def open(self) -> None:
        """Open the connections."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    async def ask(self, question: Question) -> float | VerifierVerdict:
        """Send one request."""
        ...


class ResilientVerifier:
    """Implements `authguard.ports.Verifier` with one or two external services."""

    sends = False

    def __init__(
        self,
        declared: Verifier,
        services: Sequence[Service],
        *,
        clock: Clock,
    ) -> None:
        """Store the parts.

        Args:
            declared: thresholds, timeout, retries, breaker, bulkhead and hedge, as in the policy.
            services: the service, and the second one for hedging, if any.
            clock: for the breaker.
        """
        self._declared = declared
        self._services = tuple(services)
        self._breakers = tuple(CircuitBreaker(declared.failures, declared.open_for) for _ in services)
        self._clock = clock
        self._open_calls = 0
        self.interactive = declared.interactive
        self.max_duration = declared.max_duration

    async def open(self) -> None:
        """Open the services."""
        retry.prepare()
        for service in self._services:
            await service.open()

    async def close(self) -> None:
        """Close the services."""
        for service in self._services:
            await service.close()

    async def begin(self, question: Question) -> Passed:
        """Do nothing: there is nothing to send first."""
        del question
        return Passed()

    async def verify(self, question: Question) -> VerifierVerdict:
        """Call the service within the bulkhead; raise nothing except cancellation."""
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
        """Call the second service, too, if the first is slow or unavailable; the first answer counts."""
        # if both have answered and contradict each other, the result is a doubt
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
        verdicts = [answer for answer in (*answers, second) if not isinstance(answer, Unavailable)]
        if not verdicts:
            return second
        return verdicts[0] if all(type(answer) is type(verdicts[0]) for answer in verdicts) else Doubted(0.5)

    async def _call_with_retries(self, place: int, question: Question) -> VerifierVerdict:
        """Call one service until it answers or no retries are left; retry only errors that may be temporary."""
        breaker, declared = self._breakers[place], self._declared

        async def attempt() -> VerifierVerdict:
            if not breaker.allow(self._clock.now()):
                raise ServiceError("open")
            try:
                with anyio.fail_after(declared.timeout):
                    result = await self._services[place].ask(question)
            except Exception as error:
                breaker.record(self._clock.now(), succeeded=False)
                if isinstance(error, TimeoutError):
                    raise ServiceError("timeout", retryable=True) from None
                raise
            except BaseException:
                breaker.abandon()  # cancelled: the other service was faster, or the caller left
                raise
            breaker.record(self._clock.now(), succeeded=True)
            return self._apply_thresholds(result)

        try:
            return await retry.call_with_retries(
                attempt, timeout=self.max_duration, attempts=declared.retries + 1, first_pause=RETRY_PAUSE_S
            )
        except ServiceError as problem:
            return Unavailable(problem.cause)
        except Exception:  # noqa: BLE001 - an error of the app or a library is an event, not a fault of the guard
            return Unavailable("error")

    def _apply_thresholds(self, result: float | VerifierVerdict) -> VerifierVerdict:
        """Return the verdict of a score; a value that is not a number from 0 to 1 is an error."""
        if isinstance(result, Passed | Failed | Doubted | Unavailable):
            return result
        if not isfinite(result) or not 0 <= result <= 1:
            return Unavailable("nonsense")
        if result >= self._declared.pass_at:
            return Passed()
        return Failed() if result <= self._declared.fail_at else Doubted(float(result))
