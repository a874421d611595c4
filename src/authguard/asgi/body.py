"""Reader for request bodies that the guard needs: read once, bounded in size and time, replayed to the app unchanged.

A body in very many parts reaches the app in fewer parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard.asgi.evidence import bound_headers, content_type, representation_headers, request_target
from authguard.core.outcomes import Reason
from authguard.runtime.access import Body, BodyFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]


#: number of parts that are joined into one: a part of one byte costs hundreds of bytes
MAX_PARTS: Final = 256


class BodyReader:
    """Reads a body on request of the guard and replays it to the app; without such a request it does nothing."""

    __slots__ = ("_binds", "_bound", "_messages", "_receive", "_result", "_scope", "_seconds")

    def __init__(
        self, scope: dict[str, Any], receive: Receive, bound: int, seconds: float, binds: tuple[str, ...] = ()
    ) -> None:
        """Store the channel; read nothing yet.

        Args:
            scope: of type ``http``.
            receive: of the server.
            bound: maximum size in bytes.
            seconds: timeout for the whole body.
            binds: names of the headers that are bound to a transaction.
        """
        self._scope = scope
        self._receive = receive
        self._bound = bound
        self._binds = binds
        self._seconds = seconds
        self._messages: list[Message] | None = None
        self._result: Body | BodyFailure | None = None

    async def read(self) -> Body | BodyFailure:
        """Read the whole body once; later calls return the same result."""
        if self._result is None:
            self._messages = []
            self._result = await self._read(self._messages)
        return self._result

    async def _read(self, messages: list[Message]) -> Body | BodyFailure:
        declared = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and (len(declared) > len(str(self._bound)) or int(declared) > self._bound):
            return BodyFailure(Reason.BODY_TOO_LARGE)
        size = whole = 0
        with anyio.move_on_after(self._seconds):
            while True:
                message = await self._receive()
                if message["type"] != "http.request":
                    return BodyFailure(Reason.BODY_CUT)
                messages.append(message)
                size += len(message.get("body", b""))
                if size > self._bound:
                    return BodyFailure(Reason.BODY_TOO_LARGE)
                if len(messages) - whole == MAX_PARTS:
                    messages[whole:] = [{**message, "body": _join_bodies(messages[whole:])}]
                    whole += 1
                if not message.get("more_body", False):
                    scope = self._scope
                    headers = bound_headers(scope, self._binds)
                    return Body(
                        _join_bodies(messages),
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
    return b"".join(message.get("body", b"") for message in messages)
