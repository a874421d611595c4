"""The lifespan of an app under the guard: the guard opens before the app starts and closes after it stops."""

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
    """One lifespan of an app under the guard (ASGI, lifespan protocol)."""

    __slots__ = ("_close", "_first", "_heard", "_receive", "_said", "_send")

    def __init__(self, receive: Receive, send: Send, close: Callable[[], Awaitable[None]]) -> None:
        """Keep the server's channels, and what closes the guard."""
        self._receive = receive
        self._send = send
        self._close = close
        self._first: list[Message] = []
        self._heard = False
        self._said = False

    async def begin(self, opening: Callable[[], Awaitable[None]]) -> None:
        """Open the guard once the server starts.

        Raises:
            Exception: whatever kept it from opening, after the server was told.
        """
        self._first.append(await self._receive())
        try:
            await opening()
        except Exception as error:
            told = str(error) if isinstance(error, AuthguardError | OSError) else type(error).__name__
            await self._send({"type": "lifespan.startup.failed", "message": f"authguard cannot start: {told}"})
            raise

    async def serve(self, app: App, scope: Scope) -> None:
        """Let the app have the lifespan; answer in its place where it knows none.

        Raises:
            Exception: whatever the app raised after it had begun to start.
        """
        try:
            await app(scope, self._replay, self._last)
        except Exception as error:
            if self._heard and not self._said:
                message = f"the app raised {type(error).__name__} while it started"
                await self._send({"type": "lifespan.startup.failed", "message": message})
            if self._heard:
                raise
        if self._said:
            return
        await self._send({"type": "lifespan.startup.complete"})
        while (await self._receive())["type"] != "lifespan.shutdown":
            pass
        await self._close()
        await self._send({"type": "lifespan.shutdown.complete"})

    async def _replay(self) -> Message:
        self._heard = True
        return self._first.pop() if self._first else await self._receive()

    async def _last(self, message: Message) -> None:
        self._said = self._said or message["type"].startswith("lifespan.startup.")
        if message["type"].startswith("lifespan.shutdown."):
            await self._close()  # once the server has heard it, it waits for nothing more
        await self._send(message)
