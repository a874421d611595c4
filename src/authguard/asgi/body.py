"""Reader for request bodies that the guard needs: read once, bounded in size and pace, replayed to the app unchanged.

Rules of this file:
- Progress counts, not only the total time: a slow client is served, a client that stalls or trickles is not.
- A body in very many parts reaches the app in fewer parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard.asgi.evidence import bound_headers, content_type, representation_headers, request_target
from authguard.core.outcomes import Reason
from authguard.evaluation.request import Body, BodyFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]


#: number of parts that are joined into one: a part of one byte costs hundreds of bytes
MAX_PARTS: Final = 256
#: number of timers that reading sets within the idle timeout: one for each part would cost more than the part
TIMERS_PER_IDLE_TIMEOUT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """Limits on the size and the pace of a body.

    Attributes:
        max_bytes: maximum size in bytes.
        idle_timeout: maximum seconds without a part of the body.
        min_rate: minimum average rate in bytes per second, after the first `idle_timeout` seconds.
        timeout: maximum seconds for the whole body.
    """

    max_bytes: int
    idle_timeout: float
    min_rate: int
    timeout: float

    def deadline(self, started: float, now: float, size: int) -> float:
        """Return when the next part must have arrived; never earlier than for a part before it.

        Args:
            started: when reading began.
            now: when the last part arrived, on the same clock.
            size: bytes so far.
        """
        in_pace = started + self.idle_timeout + size / self.min_rate
        return min(now + self.idle_timeout, in_pace, started + self.timeout)


class BodyReader:
    """Reads a body on request of the guard and replays it to the app; without such a request it does nothing."""

    __slots__ = ("_binds", "_limits", "_messages", "_receive", "_result", "_scope")

    def __init__(
        self, scope: dict[str, Any], receive: Receive, limits: BodyLimits, binds: tuple[str, ...] = ()
    ) -> None:
        """Store the channel; read nothing yet.

        Args:
            scope: of type ``http``.
            receive: of the server.
            limits: on the body.
            binds: names of the headers that are bound to a transaction.
        """
        self._scope = scope
        self._receive = receive
        self._limits = limits
        self._binds = binds
        self._messages: list[Message] | None = None
        self._result: Body | BodyFailure | None = None

    async def read(self) -> Body | BodyFailure:
        """Read the whole body once; later calls return the same result."""
        if self._result is None:
            self._messages = []
            self._result = await self._read(self._messages)
        return self._result

    async def _read(self, messages: list[Message]) -> Body | BodyFailure:
        declared = ([value for name, value in self._scope["headers"] if name == b"content-length"] or [b""])[0]
        limits = self._limits
        bound = limits.max_bytes
        if declared.isdigit() and (len(declared) > len(str(bound)) or int(declared) > bound):
            return BodyFailure(Reason.BODY_TOO_LARGE)
        size = whole = 0
        started = anyio.current_time()
        slack = limits.idle_timeout / TIMERS_PER_IDLE_TIMEOUT
        with anyio.CancelScope(deadline=limits.deadline(started, started, 0)) as wait:
            while True:
                due = limits.deadline(started, anyio.current_time(), size)
                if due > wait.deadline:
                    wait.deadline = min(due + slack, started + limits.timeout)
                message = await self._receive()
                if message["type"] != "http.request":
                    return BodyFailure(Reason.BODY_CUT)
                messages.append(message)
                size += len(message.get("body", b""))
                if size > bound:
                    return BodyFailure(Reason.BODY_TOO_LARGE)
                if len(messages) - whole == MAX_PARTS:
                    messages[whole:] = [{**message, "body": _join_bodies(messages[whole:])}]
                    whole += 1
                if not message.get("more_body", False):
                    scope = self._scope
                    headers = bound_headers(scope, self._binds)
                    return Body(
                        _join_bodies(messages) if len(messages) > 1 else bytes(messages[0].get("body", b"")),
                        request_target(scope),
                        content_type(scope),
                        representation_headers(scope),
                        headers,
                    )
        return BodyFailure(Reason.BODY_TIMEOUT)

    def replay(self) -> Receive:
        """Return a receive channel that yields the messages of the body first, and then those of the server."""
        if not self._messages:
            return self._receive
        messages = iter(self._messages)

        async def receive() -> Message:
            for message in messages:
                return message
            return await self._receive()

        return receive


def _join_bodies(messages: Sequence[Message]) -> bytes:
    return b"".join([message.get("body", b"") for message in messages])
