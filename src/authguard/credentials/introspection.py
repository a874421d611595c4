"""Introspection client of one issuer with single-flight requests, a cache of inactive tokens and a circuit breaker.

Rules:
- Each token has at most one request in flight. No caller owns it: a caller that is cancelled does not cancel it.
- At most `IntrospectionLimits.max_concurrency` requests run at a time; others wait, and beyond `max_pending` they fail.
- After several consecutive failures no request is sent for a while, so that an outage costs a bounded wait.
- Results are cached by the hash of the token for ``cache`` seconds; a positive result also at most until its ``exp``.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

import anyio

from authguard.credentials import concurrency
from authguard.credentials.introspection_client import (
    UNREACHABLE,
    IntrospectionEndpoint,
    IntrospectionResult,
    TokenStatus,
    introspect,
)
from authguard.outbound.http_client import create_async_client, load_trusted_certificates

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

#: number of cached inactive tokens per issuer; one takes about two hundred bytes
MAX_INACTIVE_TOKENS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionLimits:
    """Limits of the requests to one issuer.

    Attributes:
        timeout: seconds for a request, including the wait for its turn.
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


@dataclass(slots=True, eq=False)
class _PendingRequest:
    """One request in flight or waiting.

    Attributes:
        scope: cancels it at its timeout or on close.
        sent: whether its turn came.
        done: set when it has ended, in whatever way.
        result: of the request.
        handle: keeps the task alive.
    """

    scope: anyio.CancelScope
    sent: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)
    result: IntrospectionResult = UNREACHABLE
    handle: object = None


class Introspector:
    """Introspects the tokens of one issuer (RFC 7662).

    Args:
        cache: seconds for which a result is cached.
        client: the HTTP client, closed by its owner; by default the introspector has one.
        limits: of the requests.
    """

    __slots__ = (
        "_client",
        "_endpoint",
        "_failed",
        "_inactive",
        "_limits",
        "_open_until",
        "_opened_at",
        "_own_client",
        "_own_client_loop",
        "_pending",
        "_semaphore",
        "_semaphore_loop",
        "_tls",
        "cache",
    )

    def __init__(
        self, cache: float, client: httpx2.AsyncClient | None = None, limits: IntrospectionLimits | None = None
    ) -> None:
        self.cache = cache
        self._client = client
        self._limits = limits or IntrospectionLimits()
        self._endpoint: IntrospectionEndpoint | None = None
        #: loaded at construction: it takes too long for a request, and depends on the environment
        self._tls: SSLContext | None = None if client is not None else load_trusted_certificates()
        #: an own client and the semaphore belong to one event loop, and are replaced on another
        self._own_client: httpx2.AsyncClient | None = None
        self._own_client_loop: object = None
        self._semaphore: anyio.Semaphore | None = None
        self._semaphore_loop: object = None
        self._pending: dict[bytes, _PendingRequest] = {}
        self._inactive: OrderedDict[bytes, float] = OrderedDict()
        self._failed = 0
        self._opened_at = self._open_until = -inf

    def open(self, endpoint: IntrospectionEndpoint) -> None:
        """Set the endpoint; requests before that count as unreachable."""
        self._endpoint = endpoint

    async def close(self) -> None:
        """Cancel the requests in flight and close the connections."""
        for pending in list(self._pending.values()):
            pending.scope.cancel()
            with anyio.move_on_after(self._limits.timeout):
                await pending.done.wait()
        own, self._own_client = self._own_client, None
        if own is not None:
            with suppress(Exception):  # if their event loop has ended, the connections are closed already
                await own.aclose()

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
        pending = self._pending.get(digest)
        if pending is None or pending.done.is_set():
            if len(self._pending) >= self._limits.max_pending or self._is_open(now):
                return UNREACHABLE
            pending = self._start(token, digest, now)
        await pending.done.wait()
        return pending.result

    def _is_open(self, now: float) -> bool:
        """Return whether the breaker is open; after the cooldown, the next request probes the issuer."""
        if not self._opened_at <= now < self._open_until:
            if self._failed >= self._limits.failure_threshold:
                self._open_breaker(now)  # requests during the probe fail without a wait
            return False
        return True

    def _open_breaker(self, now: float) -> None:
        self._opened_at, self._open_until = now - 1.0, now + self._limits.cooldown

    def _start(self, token: bytes, digest: bytes, now: float) -> _PendingRequest:
        scope = anyio.move_on_after(self._limits.timeout)
        pending = self._pending[digest] = _PendingRequest(scope)
        pending.handle = concurrency.spawn(lambda: self._run(pending, token, digest, now))
        return pending

    async def _run(self, pending: _PendingRequest, token: bytes, digest: bytes, now: float) -> None:
        try:
            with suppress(Exception), pending.scope:  # any error leaves the result UNREACHABLE, which is recorded
                async with self._get_semaphore():
                    if self._endpoint is not None:
                        pending.sent = True
                        pending.result = await introspect(self._get_client(), self._endpoint, token)
        finally:
            if self._pending.get(digest) is pending:
                del self._pending[digest]
            if pending.sent:  # a request that was never sent is no failure of the issuer
                self._record_result(pending.result, digest, now)
            pending.done.set()

    def _record_result(self, result: IntrospectionResult, digest: bytes, now: float) -> None:
        if result is UNREACHABLE:
            self._failed += 1
            if self._failed >= self._limits.failure_threshold:
                self._open_breaker(now)
            return
        self._failed = 0
        self._open_until = -inf
        if result is TokenStatus.INACTIVE and self.cache:
            self._inactive[digest] = now
            if len(self._inactive) > MAX_INACTIVE_TOKENS:
                self._inactive.popitem(last=False)

    def _get_semaphore(self) -> anyio.Semaphore:
        loop = concurrency.current_loop_id()
        if self._semaphore is None or self._semaphore_loop != loop:
            self._semaphore, self._semaphore_loop = anyio.Semaphore(self._limits.max_concurrency), loop
        return self._semaphore

    def _get_client(self) -> httpx2.AsyncClient:
        if self._client is not None:
            return self._client
        loop = concurrency.current_loop_id()
        if self._own_client is None or self._own_client_loop != loop:
            # proxies of the environment do not apply to an issuer on this machine; the caller sets a deadline
            self._own_client = create_async_client(verify=True if self._tls is None else self._tls, timeout=None)
            self._own_client_loop = loop
        return self._own_client
