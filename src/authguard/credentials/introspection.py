"""Introspection client of one issuer with single-flight requests, a cache of inactive tokens and a circuit breaker.

Rules:
- Each token has at most one request in flight, and all callers share it (`authguard.outbound.single_flight`).
- A request may be repeated once after an error that may pass, within the same timeout: it only reads.
- At most `IntrospectionLimits.max_concurrency` requests run at a time; others wait, and beyond `max_pending` they fail.
- After several consecutive failures no request is sent for a while, so that an outage costs a bounded wait.
- Results are cached by the hash of the token for ``cache`` seconds; a positive result also at most until its ``exp``.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
from msgspec import Struct

from authguard.credentials.introspection_client import (
    UNREACHABLE,
    IntrospectionEndpoint,
    IntrospectionResult,
    TokenStatus,
    find_misconfiguration,
    introspect,
)
from authguard.outbound.background_task import current_loop
from authguard.outbound.circuit_breaker import CircuitBreaker
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import HttpClient
from authguard.outbound.retry import call_with_retries
from authguard.outbound.single_flight import CallCancelledError, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

#: number of cached inactive tokens per issuer; one takes about two hundred bytes
MAX_INACTIVE_TOKENS: Final = 16_384


class IntrospectionLimits(Struct, frozen=True, kw_only=True):
    """Limits of the requests to one issuer.

    Attributes:
        timeout: seconds for a request, including the wait for its turn and a repeat.
        max_concurrency: number of requests in flight.
        max_pending: number of tokens in flight or waiting; beyond it, the issuer counts as unreachable.
        failure_threshold: number of consecutive failures that opens the circuit breaker.
        cooldown: seconds for which the breaker stays open; then one request probes the issuer.
    """

    timeout: float = 1.5
    max_concurrency: int = 32
    max_pending: int = 1_024
    failure_threshold: int = 3
    cooldown: float = 5.0


class Introspector:
    """Introspects the tokens of one issuer (RFC 7662).

    Args:
        cache: seconds for which a result is cached.
        client: the HTTP client, closed by its owner; by default the introspector has one.
        limits: of the requests.
    """

    __slots__ = (
        "_breaker",
        "_calls",
        "_checks",
        "_client",
        "_endpoint",
        "_inactive",
        "_limits",
        "_semaphore",
        "_semaphore_loop",
        "cache",
    )

    def __init__(
        self, cache: float, client: httpx2.AsyncClient | None = None, limits: IntrospectionLimits | None = None
    ) -> None:
        self.cache = cache
        self._client = HttpClient(client)
        self._limits = limits or IntrospectionLimits()
        self._endpoint: IntrospectionEndpoint | None = None
        #: belongs to one event loop, and is replaced on another
        self._semaphore: anyio.Semaphore | None = None
        self._semaphore_loop: object = None
        self._calls: SingleFlight[bytes, IntrospectionResult] = SingleFlight(self._limits.max_pending)
        self._checks: SingleFlight[str, None] = SingleFlight(1)
        self._breaker = CircuitBreaker(self._limits.failure_threshold, self._limits.cooldown)
        self._inactive: OrderedDict[bytes, float] = OrderedDict()

    def open(self, endpoint: IntrospectionEndpoint) -> None:
        """Set the endpoint; requests before that count as unreachable."""
        self._endpoint = endpoint

    async def close(self) -> None:
        """Cancel the requests in flight and close the connections."""
        await self._checks.close(self._limits.timeout)
        await self._calls.close(self._limits.timeout)
        await self._client.close()

    def prefetch(self, report: Callable[[str, bool], None]) -> None:
        """Check the endpoint and our credentials in the background; never waits.

        Args:
            report: called with a message and whether it is an outage, if the endpoint cannot be used.
        """
        if self._endpoint is not None:
            endpoint = self._endpoint
            self._checks.start("endpoint", lambda: self._check(endpoint, report))

    async def _check(self, endpoint: IntrospectionEndpoint, report: Callable[[str, bool], None]) -> None:
        is_outage = False
        try:
            message = await call_with_retries(
                lambda: find_misconfiguration(self._client, endpoint), timeout=self._limits.timeout
            )
        except ServiceError as error:
            is_outage = error.cause not in {"nonsense", "too-large"}
            message = f"no usable response of the endpoint: {error}"
        except Exception:  # noqa: BLE001 - a response that makes a library raise may depend on the token
            return
        if message:
            report(message, is_outage)

    def is_known_inactive(self, digest: bytes, now: float) -> bool:
        """Return whether a recent response called a token inactive; never waits.

        Args:
            digest: the token's SHA-256.
            now: epoch seconds UTC.
        """
        at = self._inactive.get(digest)
        if at is None:
            return False
        if at <= now < at + self.cache:
            return True
        del self._inactive[digest]
        return False

    async def introspect(self, token: bytes, digest: bytes, now: float) -> IntrospectionResult:
        """Introspect a token, or wait for the request in flight for the same token.

        Args:
            token: as sent.
            digest: its SHA-256.
            now: epoch seconds UTC.
        """
        call = self._calls.find(digest)
        if call is None:
            if self._calls.is_full or not self._breaker.allow(now):
                return UNREACHABLE
            call = self._calls.start(digest, lambda: self._run(token, digest, now))
        try:
            return await call.wait()
        except CallCancelledError:
            return UNREACHABLE

    async def _run(self, token: bytes, digest: bytes, now: float) -> IntrospectionResult:
        result: IntrospectionResult = UNREACHABLE
        is_sent = has_ended = False

        async def send() -> IntrospectionResult:
            assert self._endpoint is not None  # noqa: S101 - checked below
            return await introspect(self._client, self._endpoint, token)

        try:
            # any error leaves the result UNREACHABLE, which is recorded
            with suppress(Exception), anyio.move_on_after(self._limits.timeout):
                async with self._get_semaphore():
                    if self._endpoint is not None:
                        is_sent = True
                        result = await call_with_retries(send, timeout=inf)
            has_ended = True
        finally:
            if is_sent and has_ended:
                self._record_result(result, digest, now)
            else:  # a request that was never sent, or was cancelled, is no failure of the issuer
                self._breaker.abandon()
        return result

    def _record_result(self, result: IntrospectionResult, digest: bytes, now: float) -> None:
        self._breaker.record(now, succeeded=result is not UNREACHABLE)
        if result is TokenStatus.INACTIVE and self.cache:
            self._inactive[digest] = now
            if len(self._inactive) > MAX_INACTIVE_TOKENS:
                self._inactive.popitem(last=False)

    def _get_semaphore(self) -> anyio.Semaphore:
        loop = current_loop()
        if self._semaphore is None or self._semaphore_loop is not loop:
            self._semaphore, self._semaphore_loop = anyio.Semaphore(self._limits.max_concurrency), loop
        return self._semaphore
