"""Retries of calls out of the process, by tenacity, under one deadline for the whole (ADR 50).

Rules: only an error that says that a repeat may help is retried, so a misconfiguration never is. A service that asks
for a longer pause than there is time for is not called again, and its error is told at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio import sleep

from authguard.outbound.error import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

V = TypeVar("V")

#: attempts of a call that reads only
READ_ATTEMPTS: Final = 2
#: seconds of the first pause at most; it doubles with each attempt, and half of it is random
FIRST_PAUSE_S: Final = 0.1


def prepare() -> None:
    """Import tenacity, which takes too long for a request."""
    import tenacity  # noqa: F401, PLC0415 - only for calls out of the process


async def call_with_retries(
    call: Callable[[], Awaitable[V]],
    *,
    timeout: float,  # noqa: ASYNC109 - of all attempts
    attempts: int = READ_ATTEMPTS,
    first_pause: float = FIRST_PAUSE_S,
) -> V:
    """Call a service, and repeat the call after an error that may pass.

    Args:
        call: called without arguments for each attempt.
        timeout: seconds for all attempts and pauses together.
        attempts: maximum number of attempts.
        first_pause: seconds of the first pause at most; a ``Retry-After`` of the service replaces it.

    Raises:
        ServiceError: of the last attempt; with the cause ``timeout`` after the deadline.
        Exception: any other exception of the call, which is not repeated.
    """
    import tenacity  # noqa: PLC0415 - as in `prepare`

    backoff = tenacity.wait_exponential(first_pause / 2) + tenacity.wait_random(0, first_pause / 2)

    def may_help(error: BaseException) -> bool:
        """Return whether the error may pass, and there is time for the pause before it is known."""
        if not isinstance(error, ServiceError) or not error.retryable:
            return False
        pause = error.retry_after if error.retry_after >= 0 else first_pause
        return pause < anyio.current_effective_deadline() - anyio.current_time()

    def choose_pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ServiceError) and error.retry_after >= 0:
            return error.retry_after
        return backoff(state)

    try:
        with anyio.fail_after(timeout):
            # tenacity interrupts no attempt, so the deadline is the scope's
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(may_help),
                stop=tenacity.stop_after_attempt(attempts),
                wait=choose_pause,
                sleep=sleep,
                reraise=True,
            ):
                with attempt:
                    return await call()
    except TimeoutError:
        raise ServiceError("timeout", detail=f"no response within {timeout:g} s", retryable=True) from None
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover
