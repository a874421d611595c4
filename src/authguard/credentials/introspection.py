"""What an issuer says of its tokens: asked once for all who wait, remembered for a while, left alone while it is out.

Rules:
- Each token has one question on its way at the most, and it belongs to nobody: a request that gives up cancels nothing.
- At most `IntrospectionLimits.max_concurrency` requests run at a time; others wait, and beyond `max_pending` they fail.
- An issuer that did not answer several times in a row is not asked for a while: an outage costs a bounded wait.
- What is remembered is named by the token's hash, and bounded by ``cache``; a good answer also by the token's ``exp``.
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

#: tokens known not to be active that are remembered, per issuer; one takes about two hundred bytes
MAX_INACTIVE_TOKENS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionLimits:
    """How an issuer is asked.

    Attributes:
        timeout: seconds that a question may take, waiting for its turn included.
        at_once: questions on their way.
        waiting: tokens that are asked about or wait for their turn; beyond, the issuer counts as out of reach.
        failures: questions without an answer, one after the other, after which it is not asked.
        rest: seconds for which it is then not asked; afterwards one question shows whether it is back.
    """

    timeout: float = 1.5
    max_concurrency: int = 32
    max_pending: int = 1_024
    failure_threshold: int = 3
    cooldown: float = 5.0


@dataclass(slots=True, eq=False)
class _PendingRequest:
    """One question on its way.

    Attributes:
        scope: ends it, at its time-out or when called back.
        sent: whether its turn came.
        answered: set when it is over, however it ended.
        answer: to it.
        handle: keeps it alive.
    """

    scope: anyio.CancelScope
    sent: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)
    result: IntrospectionResult = UNREACHABLE
    handle: object = None


class Introspector:
    """Asks one issuer.

    Args:
        cache: seconds for which an answer is used again.
        client: to ask with, which its owner closes; without it there is one of our own.
        manners: how it is asked.
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
        #: read now: it takes too long for a request, and heeds the environment
        self._tls: SSLContext | None = None if client is not None else load_trusted_certificates()
        self._own_client: httpx2.AsyncClient | None = None
        self._own_client_loop: object = None
        self._semaphore: anyio.Semaphore | None = None
        self._semaphore_loop: object = None
        self._pending: dict[bytes, _PendingRequest] = {}
        self._inactive: OrderedDict[bytes, float] = OrderedDict()
        self._failed = 0
        self._opened_at = self._open_until = -inf

    def open(self, endpoint: IntrospectionEndpoint) -> None:
        """Get ready to ask."""
        self._endpoint = endpoint

    async def close(self) -> None:
        """Call back the questions that are on their way, and let go of the connections."""
        for pending in list(self._pending.values()):
            pending.scope.cancel()
            with anyio.move_on_after(self._limits.timeout):
                await pending.done.wait()
        own, self._own_client = self._own_client, None
        if own is not None:
            with suppress(Exception):  # connections of an event loop that is gone are gone with it
                await own.aclose()

    def is_known_inactive(self, digest: bytes, now: float) -> bool:
        """Whether a token was said not to be active a moment ago; never waits.

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
        """Ask about a token, or wait for the answer to the same question.

        Args:
            token: as it was sent.
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
        """Whether the issuer is given a rest; where that is over, the next question is the one that shows."""
        if not self._opened_at <= now < self._open_until:
            if self._failed >= self._limits.failure_threshold:
                self._open_breaker(now)  # whoever comes while that question is on its way need not wait for it
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
            with suppress(Exception), pending.scope:  # whatever went wrong, there is no answer: that is the event
                async with self._get_semaphore():
                    if self._endpoint is not None:
                        pending.sent = True
                        pending.result = await introspect(self._get_client(), self._endpoint, token)
        finally:
            if self._pending.get(digest) is pending:
                del self._pending[digest]
            if pending.sent:  # that a turn did not come says nothing of the issuer
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
        """Give what lets so many through at once; it belongs to one event loop."""
        loop = concurrency.current_loop_id()
        if self._semaphore is None or self._semaphore_loop != loop:
            self._semaphore, self._semaphore_loop = anyio.Semaphore(self._limits.max_concurrency), loop
        return self._semaphore

    def _get_client(self) -> httpx2.AsyncClient:
        """Give the client; our own keeps its connections, which belong to one event loop."""
        if self._client is not None:
            return self._client
        loop = concurrency.current_loop_id()
        if self._own_client is None or self._own_client_loop != loop:
            # no proxy of the environment has a say about an issuer on this machine; the caller has a deadline
            self._own_client = create_async_client(verify=True if self._tls is None else self._tls, timeout=None)
            self._own_client_loop = loop
        return self._own_client
