"""The app of a scenario, whose answers the scenario gives, and a client that opens a WebSocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from authguard.evaluation.operation_index import WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping


class Gate:
    """Where a request that runs a transaction waits for the response that the scenario gives it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.response: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.sending: asyncio.Future[Any] | None = None


class SocketClient:
    """A client that opens a WebSocket, and is gone once that is answered."""

    def __init__(self, target: str, headers: Mapping[str, str]) -> None:
        self.scope = {
            "type": WEBSOCKET,
            "path": target,
            "raw_path": target.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "ws",
            "server": ("app.example", 80),
            "client": ("192.0.2.1", 1),
            "subprotocols": [],
            "state": {},
            "extensions": {"websocket.http.response": {}},
            "headers": [(b"host", b"app.example"), *((k.encode(), v.encode()) for k, v in headers.items())],
        }
        self._is_connecting = True

    async def receive(self) -> dict[str, Any]:
        """Connect, then be gone."""
        is_first, self._is_connecting = self._is_connecting, False
        return {"type": "websocket.connect"} if is_first else {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message: Any) -> None:
        """Take any answer."""


class GatedApp:
    """The guarded app: its answers are those that the scenario gives.

    A request that runs no transaction and is not answered in the scenario gets a status that means nothing.
    """

    def __init__(self) -> None:
        self.gates: dict[int, Gate] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == WEBSOCKET:
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        while (await receive()).get("more_body", False):
            pass
        headers = dict(scope["headers"])
        status = int(headers.get(b"x-status", b"404"))
        if b"x-gate" in headers:
            gate = self.gates[int(headers[b"x-gate"])]
            gate.entered.set()
            status = await gate.response
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})
