"""What an issuer says of its tokens: asked once for all who wait, remembered for a while, left alone while it is out.

Rules:
- Each token has one question on its way at the most, and it belongs to nobody: a request that gives up cancels nothing.
- No more than `Manners.at_once` questions are on their way; those beyond wait, and too many of them are told at once.
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
from authguard.credentials.introspection_client import UNREACHABLE, Answer, Desk, Said, ask
from authguard.outbound.http_client import make_async_client, trusted_certificates

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

#: tokens known not to be active that are remembered, per issuer; one takes about two hundred bytes
REFUSED: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How an issuer is asked.

    Attributes:
        timeout: seconds that a question may take, waiting for its turn included.
        at_once: questions on their way.
        waiting: tokens that are asked about or wait for their turn; beyond, the issuer counts as out of reach.
        failures: questions without an answer, one after the other, after which it is not asked.
        rest: seconds for which it is then not asked; afterwards one question shows whether it is back.
    """

    timeout: float = 1.5
    at_once: int = 32
    waiting: int = 1_024
    failures: int = 3
    rest: float = 5.0


@dataclass(slots=True, eq=False)
class _Question:
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
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer = UNREACHABLE
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
        "_desk",
        "_failed",
        "_manners",
        "_own",
        "_own_loop",
        "_questions",
        "_refused",
        "_rests_until",
        "_since",
        "_tls",
        "_turns",
        "_turns_loop",
        "cache",
    )

    def __init__(self, cache: float, client: httpx2.AsyncClient | None = None, manners: Manners | None = None) -> None:
        self.cache = cache
        self._client = client
        self._manners = manners or Manners()
        self._desk: Desk | None = None
        #: read now: it takes too long for a request, and heeds the environment
        self._tls: SSLContext | None = None if client is not None else trusted_certificates()
        self._own: httpx2.AsyncClient | None = None
        self._own_loop: object = None
        self._turns: anyio.Semaphore | None = None
        self._turns_loop: object = None
        self._questions: dict[bytes, _Question] = {}
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._failed = 0
        self._since = self._rests_until = -inf

    def open(self, desk: Desk) -> None:
        """Get ready to ask."""
        self._desk = desk

    async def close(self) -> None:
        """Call back the questions that are on their way, and let go of the connections."""
        for question in list(self._questions.values()):
            question.scope.cancel()
            with anyio.move_on_after(self._manners.timeout):
                await question.answered.wait()
        own, self._own = self._own, None
        if own is not None:
            with suppress(Exception):  # connections of an event loop that is gone are gone with it
                await own.aclose()

    def is_refused(self, digest: bytes, now: float) -> bool:
        """Whether a token was said not to be active a moment ago; never waits.

        Args:
            digest: the token's SHA-256.
            now: epoch seconds UTC.
        """
        at = self._refused.get(digest)
        if at is None:
            return False
        if at <= now < at + self.cache:
            return True
        del self._refused[digest]
        return False

    async def ask(self, token: bytes, digest: bytes, now: float) -> Answer:
        """Ask about a token, or wait for the answer to the same question.

        Args:
            token: as it was sent.
            digest: its SHA-256.
            now: epoch seconds UTC.
        """
        question = self._questions.get(digest)
        if question is None or question.answered.is_set():
            if len(self._questions) >= self._manners.waiting or self._rests(now):
                return UNREACHABLE
            question = self._send(token, digest, now)
        await question.answered.wait()
        return question.answer

    def _rests(self, now: float) -> bool:
        """Whether the issuer is given a rest; where that is over, the next question is the one that shows."""
        if not self._since <= now < self._rests_until:
            if self._failed >= self._manners.failures:
                self._rest(now)  # whoever comes while that question is on its way need not wait for it
            return False
        return True

    def _rest(self, now: float) -> None:
        self._since, self._rests_until = now - 1.0, now + self._manners.rest

    def _send(self, token: bytes, digest: bytes, now: float) -> _Question:
        scope = anyio.move_on_after(self._manners.timeout)
        question = self._questions[digest] = _Question(scope)
        question.handle = concurrency.start(lambda: self._carry(question, token, digest, now))
        return question

    async def _carry(self, question: _Question, token: bytes, digest: bytes, now: float) -> None:
        try:
            with suppress(Exception), question.scope:  # whatever went wrong, there is no answer: that is the event
                async with self._turn():
                    if self._desk is not None:
                        question.sent = True
                        question.answer = await ask(self._asking(), self._desk, token)
        finally:
            if self._questions.get(digest) is question:
                del self._questions[digest]
            if question.sent:  # that a turn did not come says nothing of the issuer
                self._learn(question.answer, digest, now)
            question.answered.set()

    def _learn(self, answer: Answer, digest: bytes, now: float) -> None:
        if answer is UNREACHABLE:
            self._failed += 1
            if self._failed >= self._manners.failures:
                self._rest(now)
            return
        self._failed = 0
        self._rests_until = -inf
        if answer is Said.INACTIVE and self.cache:
            self._refused[digest] = now
            if len(self._refused) > REFUSED:
                self._refused.popitem(last=False)

    def _turn(self) -> anyio.Semaphore:
        """Give what lets so many through at once; it belongs to one event loop."""
        loop = concurrency.here()
        if self._turns is None or self._turns_loop != loop:
            self._turns, self._turns_loop = anyio.Semaphore(self._manners.at_once), loop
        return self._turns

    def _asking(self) -> httpx2.AsyncClient:
        """Give the client; our own keeps its connections, which belong to one event loop."""
        if self._client is not None:
            return self._client
        loop = concurrency.here()
        if self._own is None or self._own_loop != loop:
            # no proxy of the environment has a say about an issuer on this machine; the caller has a deadline
            self._own = make_async_client(verify=True if self._tls is None else self._tls, timeout=None)
            self._own_loop = loop
        return self._own
