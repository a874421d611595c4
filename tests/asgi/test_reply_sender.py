"""Replies go out as HTTP says, refuse a handshake as the server can, and mark a restricted response."""

from __future__ import annotations

from typing import Any

from authguard.asgi.reply import Reply
from authguard.asgi.reply_sender import deny, send_reply, with_outcome_header

REPLY = Reply.of(403, [(b"content-type", b"text/plain")], b"no", 3003, "deny")


class Wire:
    """The server's side of one connection."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        return {"type": "websocket.connect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_a_reply_is_sent_with_its_length_and_body() -> None:
    wire = Wire()

    await send_reply(REPLY, wire.send, {"type": "http", "method": "GET"})

    assert wire.sent == [
        {
            "type": "http.response.start",
            "status": 403,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        },
        {"type": "http.response.body", "body": b"no"},
    ]


async def test_a_reply_to_head_has_the_length_and_no_body() -> None:
    wire = Wire()

    await send_reply(REPLY, wire.send, {"type": "http", "method": "HEAD"})

    assert (b"content-length", b"2") in wire.sent[0]["headers"]
    assert wire.sent[1]["body"] == b""


async def test_a_sender_that_changes_the_headers_does_not_change_the_next_reply() -> None:
    wire = Wire()
    await send_reply(REPLY, wire.send, {"type": "http", "method": "GET"})
    wire.sent[0]["headers"].append((b"x-added", b"1"))

    await send_reply(REPLY, wire.send, {"type": "http", "method": "GET"})

    assert (b"x-added", b"1") not in wire.sent[2]["headers"]


async def test_a_handshake_is_refused_with_the_whole_reply_if_the_server_can() -> None:
    wire = Wire()

    await deny(REPLY, {"extensions": {"websocket.http.response": {}}}, wire.receive, wire.send)

    assert [message["type"] for message in wire.sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert wire.sent[0]["status"] == 403
    assert wire.sent[1]["body"] == b"no"
    assert wire.received == 1, "a server expects that its connect message is taken first"


async def test_a_handshake_is_closed_with_the_code_of_the_outcome_otherwise() -> None:
    wire = Wire()

    await deny(REPLY, {}, wire.receive, wire.send)

    assert wire.sent == [{"type": "websocket.close", "code": 3003, "reason": "deny"}]


async def test_only_the_start_of_a_restricted_response_is_marked() -> None:
    wire = Wire()
    app_headers = [(b"content-type", b"text/plain")]
    start = {"type": "http.response.start", "status": 200, "headers": app_headers}
    send = with_outcome_header(wire.send)

    await send(start)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"x"})

    assert wire.sent[0]["headers"] == [*app_headers, (b"authguard-outcome", b"restrict")]
    assert wire.sent[1]["headers"] == [(b"authguard-outcome", b"restrict")], "headers are optional in ASGI"
    assert wire.sent[2] == {"type": "http.response.body", "body": b"x"}
    assert start["headers"] == [(b"content-type", b"text/plain")], "the app's own message stays as it is"
