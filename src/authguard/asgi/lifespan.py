"""The lifespan protocol of a guarded app: the guard opens before the app starts and closes after it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.errors import AuthguardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Lifespan:
    """One lifespan of a guarded app (ASGI, lifespan protocol)."""

    __slots__ = ("_close", "_has_responded", "_receive", "_send", "_startup", "_was_received")

    def __init__(self, receive: Receive, send: Send, close: Callable[[], Awaitable[None]]) -> None:
        """Store the channels of the server and the function that closes the guard."""
        self._receive = receive
        self._send = send
        self._close = close
        self._startup: list[Message] = []
        self._was_received = False
        self._has_responded = False

    async def start(self, opening: Callable[[], Awaitable[None]]) -> None:
        """Open the guard when the server starts.

        Raises:
            Exception: any error of `opening`, after the server was informed.
        """
        self._startup.append(await self._receive())
        try:
            await opening()
        except Exception as error:
            reason = str(error) if isinstance(error, AuthguardError | OSError) else type(error).__name__
            await self._send({"type": "lifespan.startup.failed", "message": f"authguard cannot start: {reason}"})
            raise

    async def serve(self, app: App, scope: Scope) -> None:
        """Pass the lifespan to the app; answer the server in its place if the app does not support lifespans.

        Raises:
            Exception: any error that the app raised after it had received the startup message.
        """
        try:
            await app(scope, self._replay, self._forward)
        except Exception as error:
            if self._was_received and not self._has_responded:
                message = f"the app raised {type(error).__name__} while it started"
                await self._send({"type": "lifespan.startup.failed", "message": message})
            if self._was_received:
                raise
        if self._has_responded:
            return
        await self._send({"type": "lifespan.startup.complete"})
        while (await self._receive())["type"] != "lifespan.shutdown":
            pass
        await self._close()
        await self._send({"type": "lifespan.shutdown.complete"})

    async def _replay(self) -> Message:
        self._was_received = True
        return self._startup.pop() if self._startup else await self._receive()

    async def _forward(self, message: Message) -> None:
        self._has_responded = self._has_responded or message["type"].startswith("lifespan.startup.")
        if message["type"].startswith("lifespan.shutdown."):
            await self._close()  # before the message: after it the server waits for nothing else
        await self._send(message)
