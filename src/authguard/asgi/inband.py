"""Proving identity on an open WebSocket: what is addressed to the guard is the guard's, all else the app's, as it came.

Rules (ADR 21):
- A text message that is a JSON object with the name ``authguard`` never reaches the app, whatever else is in it.
- One such message at a time is answered; the next waits, and so do those behind it: whoever floods, waits.
- The guard speaks only when it was spoken to, between two whole messages of the app, and never after the end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: characters of a message to the guard; more can be no answer (`runtime.verification` has the bounds of those)
BOUND: Final = 16_384
#: how a message to the guard begins that is no JSON
_BEGINS: Final = re.compile(r'\s{0,64}\{\s{0,64}"authguard"\s{0,64}:')
#: what ends a WebSocket, as the app sends it
_ENDS: Final = frozenset({"websocket.close", "websocket.http.response.start"})


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A message to the guard: ``{"authguard": {"verify": {...}}}``."""

    authguard: _Wanted


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What is wanted of the guard, in the form that `POST verify` takes."""

    verify: msgspec.Raw


def is_reserved(text: str) -> bool:
    """Tell whether a message is addressed to the guard.

    Args:
        text: of a message.
    """
    if "authguard" not in text and "\\u" not in text:
        return False
    try:
        return "authguard" in msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _BEGINS.match(text) is not None  # nothing that an app could read, and it may hold an answer


def question(text: str) -> bytes:
    """Take out what `POST verify` would have got; empty where there is none: that is malformed there, too."""
    if len(text) > BOUND:
        return b"["
    try:
        return bytes(msgspec.json.decode(text, type=_Envelope).authguard.verify)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return b"["


class InBand:
    """One open WebSocket, as the app is given it."""

    def __init__(self, receive: Receive, send: Send, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Keep the ends.

        Args:
            receive: of the server.
            send: of the server.
            answer: takes what `POST verify` takes, and gives the body of its reply; raises nothing.
        """
        self._receive = receive
        self._send = send
        self._answer = answer
        self._turn = anyio.Lock()
        self._free = anyio.Event()
        self._free.set()
        self._held: list[str] = []
        self._open = False

    async def serve(self, app: Callable[[Receive, Send], Awaitable[None]]) -> None:
        """Let the app run; what it raises is raised as it was."""
        raised: list[Exception] = []
        async with anyio.create_task_group() as group:

            async def receive() -> Message:
                while True:
                    if self._held:
                        await self._free.wait()
                        self._free = anyio.Event()
                        group.start_soon(self._reply, self._held.pop(), self._free)
                    message = await self._receive()
                    kind, text = message["type"], message.get("text")
                    if kind == "websocket.disconnect":
                        self._open = False
                    if kind != "websocket.receive" or text is None or not is_reserved(text):
                        return message
                    self._held.append(text)

            try:
                await app(receive, self._say)
            except Exception as error:  # noqa: BLE001 - raised again, as it was, outside of the group
                raised.append(error)
            self._open = False
            group.cancel_scope.cancel()
        if raised:
            raise raised[0]

    async def _say(self, message: Message) -> None:
        """Send what the app says."""
        async with self._turn:
            if message["type"] in _ENDS:
                self._open = False
            await self._send(message)
            if message["type"] == "websocket.accept":
                self._open = True

    async def _reply(self, text: str, free: anyio.Event) -> None:
        """Answer one message; whoever has gone is answered no more."""
        try:
            body = await self._answer(question(text))
            async with self._turn:
                if self._open:
                    said = b'{"authguard":{"verify":%b}}' % body
                    await self._send({"type": "websocket.send", "text": said.decode()})
        except Exception:  # noqa: BLE001 - servers say in their own ways that the other end has gone; no harm to the app
            self._open = False
        finally:
            free.set()
