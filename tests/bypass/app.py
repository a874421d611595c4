"""A guarded app that moves money, in Starlette and in FastAPI, called in plain ASGI or by a socket to uvicorn.

It counts each run of what moves money. Inside of the guard stands what some deployments have there: a middleware that
lets a header change the method.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket  # noqa: TC002 - FastAPI reads annotations when it runs

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
#: what moves money beside the refund, with limits of its own
TEXT: Final = (
    POLICY.replace(
        "otherwise:",
        """\
  - name: buy
    match: {path: '/shop/buy/{item}', method: POST}
    risk: high
    effect: write
    scopes: [refunds]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 500 EUR, per: call}]
    idempotency: required
  - name: pay
    match: {path: '/pay/{way:path}', method: POST}
    risk: high
    effect: write
    scopes: [refunds]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 500 EUR, per: call}]
    idempotency: required
  - {name: order, match: {path: '/orders/{order_id}', method: GET}, risk: sensitive, effect: read, scopes: [accounts]}
  - name: wire
    match: {websocket: /wire}
    risk: high
    effect: write
    scopes: [refunds]
    limits: [{calls: 100000, per: 1h}]
  - {name: files, match: {path: '/files/{rest:path}'}, risk: routine, effect: read}
otherwise:""",
    )
    + "budget: {request: 5m}\n"
)
OVERRIDES: Final = (b"x-http-method-override", b"x-http-method", b"x-method-override")


@dataclass(frozen=True)
class Paid:
    """One run of what moves money.

    Attributes:
        route: which of the app's it was.
        amount: that moved.
        operation: which the guard took it for; empty where nobody asked the guard.
        record: of the decision; empty where there was none.
    """

    route: str
    amount: object
    operation: str
    record: str


@dataclass(frozen=True)
class Sent:
    """One request, as it goes over the wire.

    Attributes:
        target: of the request line.
        method: of the request line.
        headers: beside the credential.
        body: bytes.
    """

    target: bytes
    method: bytes = b"POST"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP; 0 where the connection was closed without one.
        headers: lower-case name -> value.
        body: bytes.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


class Overriding:
    """Lets a header say what the method is, as middleware for old clients does."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for name, value in scope.get("headers", ()):
            if scope["type"] == "http" and name in OVERRIDES:
                scope = {**scope, "method": value.decode("latin-1").upper()}
        await self._app(scope, receive, send)


class Door:
    """One deployment.

    Args:
        folder: of its own.
        framework: `starlette` or `fastapi`.
    """

    def __init__(self, folder: Path, framework: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock)
        self.paid: list[Paid] = []
        self.moved: set[str] = set()
        (folder / "policy.yaml").write_text(TEXT, "utf-8")
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        app = {"starlette": self._starlette, "fastapi": self._fastapi}[framework]()
        self.guard = AuthGuard(
            Overriding(app),
            folder / "policy.yaml",
            store="memory",
            audit_log=folder / "audit.jsonl",
            clock=self.clock,
            environ={},
        )
        self.root_path = ""
        self.port = 0

    def token(self, sub: str = "alice", **claims: Any) -> bytes:
        """Sign somebody in."""
        given = {"scope": "chat accounts refunds", "acr": "aal2", "account_status": "ok", "sid": "s1"} | claims
        return self.mint.mint(sub=sub, **given).encode()

    async def ask(self, sent: Sent, token: bytes = b"") -> Answer:
        """Send a request by the way that is open: down the socket where there is one."""
        headers = [(b"authorization", b"Bearer " + (token or self.token())), *sent.headers]
        if sent.body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(sent.body))]
        return await (self._raw(sent, headers) if self.port else self._plain(sent, headers))

    async def _raw(self, sent: Sent, headers: list[tuple[bytes, bytes]]) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [b"%b %b HTTP/1.1" % (sent.method, sent.target), b"Host: agent.test"]
        if (b"connection", b"Upgrade") not in headers:
            lines.append(b"Connection: close")
        lines += [b"%b: %b" % header for header in headers]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + sent.body)
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 300)
            body = b"" if b" 101 " in head else await asyncio.wait_for(reader.read(), 300)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(0, {}, b"")
        finally:
            writer.close()
        first, *rest = head.decode("latin-1").rstrip().split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        return Answer(int(first.split()[1]), named, body)

    async def _plain(self, sent: Sent, headers: list[tuple[bytes, bytes]]) -> Answer:
        raw, _, query = sent.target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "websocket" if (b"connection", b"Upgrade") in headers else "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method.decode("latin-1"),
            "scheme": "http",
            "path": unquote(raw.decode("latin-1")),
            "raw_path": raw,
            "query_string": query,
            "root_path": self.root_path,
            "headers": [(b"host", b"agent.test"), *headers],
            "client": ("192.0.2.7", 4711),
            "server": ("agent.test", 80),
            "state": {},
        }
        got: list[Any] = []
        first: dict[str, Any] | None = {"type": "websocket.connect"} if scope["type"] == "websocket" else None
        waiting = [first or {"type": "http.request", "body": sent.body, "more_body": False}]

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Any) -> None:
            got.append(message)

        await self.guard(scope, receive, send)
        starts = [message for message in got if message["type"] == "http.response.start"]
        if not starts:
            return Answer(101 if any(message["type"] == "websocket.accept" for message in got) else 403, {}, b"")
        named = {name.decode(): value.decode() for name, value in starts[0]["headers"]}
        return Answer(starts[0]["status"], named, b"".join(message.get("body", b"") for message in got))

    @asynccontextmanager
    async def served(self, http: str, ws: str, root_path: str = "") -> AsyncIterator[None]:
        """Serve it by a real uvicorn; what is asked meanwhile goes down a socket."""
        config = uvicorn.Config(
            self.guard, port=0, http=http, ws=ws, root_path=root_path, log_level="critical", lifespan="on"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:
            assert not serving.done(), "the server did not start"
            await asyncio.sleep(0)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield
        finally:
            self.port, server.should_exit = 0, True
            await serving

    def check(self) -> list[Paid]:
        """Look at all that moved since the last look: each was decided, for what it is, and let through."""
        found, self.paid = self.paid, []
        lines = [json.loads(line) for line in (self.folder / "audit.jsonl").read_bytes().splitlines()]
        decided = {line["id"]: (line["operation"], line["outcome"]) for line in lines if line["kind"] == "decision"}
        self.moved |= {one.route for one in found}
        assert len({one.record for one in found}) == len(found), f"one decision moved money twice: {found}"
        for one in found:
            assert one.record, f"money moved and nobody asked the guard: {one}"
            assert decided[one.record] == (one.route, "allow"), f"{one} was decided as {decided[one.record]}"
            assert one.operation == one.route
        return found

    # the app

    async def pay(self, route: str, request: Request) -> Response:
        """Move money."""
        guard = request.scope.get("state", {}).get("authguard")
        try:
            amount = (await request.json())["amount"]
        except (ValueError, KeyError, TypeError):
            amount = None
        self.paid.append(Paid(route, amount, guard.operation if guard else "", guard.record_id if guard else ""))
        return JSONResponse({"paid": amount})

    def paying(self, route: str) -> Any:
        """Make an endpoint that moves money."""

        async def endpoint(request: Request) -> Response:
            return await self.pay(route, request)

        return endpoint

    async def idle(self, request: Request) -> Response:
        """Do nothing that matters."""
        return PlainTextResponse(request.url.path)

    async def live(self, websocket: WebSocket) -> None:
        """Take no orders."""
        await websocket.accept()
        await websocket.close()

    async def wire(self, websocket: WebSocket) -> None:
        """Move money for whoever comes."""
        guard = websocket.scope.get("state", {}).get("authguard")
        self.paid.append(Paid("wire", None, guard.operation if guard else "", guard.record_id if guard else ""))
        await self.live(websocket)

    def _starlette(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/orders/{order_id}/refund", self.paying("refund"), methods=["POST"]),
                Route("/orders/{order_id}", self.idle),
                Mount("/shop", routes=[Route("/buy/{item}", self.paying("buy"), methods=["POST"])]),
                Route("/pay/{way:path}", self.paying("pay"), methods=["POST"]),
                Route("/files/{rest:path}", self.idle, methods=METHODS),
                Route("/healthz", self.idle),
                WebSocketRoute("/orders/{order_id}/refund", self.live),
                WebSocketRoute("/wire", self.wire),
            ]
        )

    def _fastapi(self) -> FastAPI:
        shop, app = FastAPI(), FastAPI()
        shop.add_api_route("/buy/{item}", self.paying("buy"), methods=["POST"])
        app.mount("/shop", shop)
        app.add_api_route("/orders/{order_id}/refund", self.paying("refund"), methods=["POST"])
        app.add_api_route("/orders/{order_id}", self.idle, methods=["GET"])
        app.add_api_route("/pay/{way:path}", self.paying("pay"), methods=["POST"])
        app.add_api_route("/files/{rest:path}", self.idle, methods=METHODS)
        app.add_api_route("/healthz", self.idle, methods=["GET"])
        app.add_api_websocket_route("/orders/{order_id}/refund", self.live)
        app.add_api_websocket_route("/wire", self.wire)
        return app
