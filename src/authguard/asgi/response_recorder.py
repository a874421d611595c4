"""Watched responses of the app: one settles a transaction, another sets flags, before the last byte is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.evaluation.decision import AppResponse
from authguard.evaluation.transactions import KEPT_HEADERS, MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ResponseRecorder:
    """Records the messages of one response, bounded in size."""

    __slots__ = ("_body", "_content_type", "_headers", "_status", "_whole")

    def __init__(self) -> None:
        self._status = 0
        self._content_type = ""
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._body = b""
        self._whole = True

    def record(self, message: Message) -> bool:
        """Record a message; return whether the response is complete with it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            sent = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            types = [value.decode("latin-1") for name, value in sent if name == b"content-type"]
            self._content_type = types[0] if types else ""
            self._headers = tuple([header for header in sent if header[0] in KEPT_HEADERS])
            return False
        if message["type"].startswith("websocket."):
            return False  # no WebSocket message shows whether the operation took effect
        if message["type"] != "http.response.body":
            # a response that cannot be stored (a file that the server sends) is complete, but not stored
            self._whole = False
            return bool(message["type"] == "http.response.pathsend")
        chunk: bytes = message.get("body", b"")
        if len(self._body) + len(chunk) <= MAX_RESPONSE_BYTES:
            self._body += chunk
        else:
            self._whole = False
        return not message.get("more_body", False)

    def answer(self) -> AppResponse:
        """Return the recorded response."""
        return AppResponse(self._status, self._content_type, self._body, self._whole, self._headers)


async def run_transaction(
    app: App, settle: Callable[[AppResponse], Awaitable[None]], scope: Scope, receive: Receive, send: Send
) -> None:
    """Run a transaction of the app; settle it by the app's response before the last byte is sent.

    Args:
        app: the app, for the user of the request.
        settle: settles the transaction; never fails.
        scope: as the app gets it.
        receive: of the request.
        send: to the caller.
    """
    recorder = ResponseRecorder()
    settled = False

    async def watch(message: Message) -> None:
        nonlocal settled
        if recorder.record(message) and not settled:
            settled = True
            await settle(recorder.answer())
        await send(message)

    try:
        await app(scope, receive, watch)
    finally:
        if not settled:
            await settle(AppResponse(0))


async def run_flagged(
    app: App, commit: Callable[[], Awaitable[None]], scope: Scope, receive: Receive, send: Send
) -> None:
    """Run an operation that sets flags; set them before the last byte of a 2xx response is sent.

    Args:
        app: the app, for the user of the request.
        commit: sets the flags; never fails.
        scope: as the app gets it.
        receive: of the request.
        send: to the caller.
    """
    status = 0

    async def watch(message: Message) -> None:
        nonlocal status
        kind = message["type"]
        if kind == "http.response.start":
            status = message["status"]
        elif kind == "http.response.pathsend" or (kind == "http.response.body" and not message.get("more_body", False)):
            succeeded, status = 200 <= status < 300, 0  # noqa: PLR2004 - HTTP's own numbers
            if succeeded:
                await commit()
        await send(message)

    await app(scope, receive, watch)
