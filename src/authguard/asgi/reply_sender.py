"""Sending of replies over HTTP and WebSockets, and the header that marks a restricted response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from authguard.asgi.reply import Reply

    Message = MutableMapping[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


async def send_reply(reply: Reply, send: Send, scope: Scope) -> None:
    """Send a reply over HTTP; without its body for ``HEAD`` (RFC 9110 9.3.2)."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})


async def deny(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake: with the reply if the server supports that, else by a close, which becomes a 403."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": reply.status, "headers": list(reply.headers)})
        await send({"type": "websocket.http.response.body", "body": reply.body})
    else:
        await send({"type": "websocket.close", "code": reply.close, "reason": reply.label})


def with_outcome_header(send: Send) -> Send:
    """Add the outcome header of `restrict` to the app's response (WIRE 2)."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"authguard-outcome", b"restrict")]}
        await send(message)

    return marked
