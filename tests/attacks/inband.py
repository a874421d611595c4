"""Attacks by in-band WebSocket messages that the guard keeps from the app (docs/adr/0021)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.attacks.harness import Site, attack
from tests.attacks.names import HEAD

POLICY = HEAD + "operations:\n  - {name: live, match: {websocket: /live}, risk: routine, effect: read}\n"
#: a message that an app reads as the guard's, by `json.loads` or by a more lenient parser
MESSAGES: tuple[str | bytes, ...] = (
    '{"authguard": {"verify": {"answers": NaN}}}',
    '{"authguard": {"verify": {"answers": "\\ud800"}}}',
    '\ufeff{"authguard": {"verify": {}}}',
    '{"x": -Infinity, "\\u0061uthguard": {"verify": {}}}',
    '{"a": 1}\n{"authguard": {"verify": {}}}',
    "{'authguard': {'verify': {}}}",
    '{"message": {"authguard": {"verify": {}}}}',
    b'{"authguard": {"verify": {}}}',
    '{"authguard": {"verify": {}}}'.encode("utf-16"),
)


def reaches(site: Site, message: str | bytes) -> bool:
    """Send one message on an open WebSocket, and tell whether the app sees it."""
    site.policy(POLICY)
    saw: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (said := await receive())["type"] != "websocket.disconnect":
            saw.append(said)

    key = "text" if isinstance(message, str) else "bytes"
    waiting = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", key: message},
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> Any:
        await asyncio.sleep(0)
        return waiting.pop(0)

    async def send(_: Any) -> None:
        await asyncio.sleep(0)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/live",
        "raw_path": b"/live",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"agent.test"), (b"authorization", f"Bearer {site.token()}".encode())],
        "client": ("192.0.2.7", 4711),
        "server": ("agent.test", 80),
        "subprotocols": [],
        "state": {},
    }
    asyncio.run(site.guard(app)(scope, receive, send))
    return bool(saw)


@attack(13)
def a_reserved_message_reaches_the_app(site: Site) -> None:
    """Address a message to the guard in a form that the guard does not parse and the app does."""
    through = [message for message in MESSAGES if reaches(site, message)]
    assert not through, f"{len(through)} of {len(MESSAGES)} reserved messages reached the app"
