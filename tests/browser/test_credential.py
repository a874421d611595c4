"""A real browser brings the credential: in a subprotocol, and in a cookie that no other page can use."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, WebSocketRoute

from authguard import AuthGuard
from authguard.testing import Mint
from tests.support.harness import POLICY
from tests.support.served_app import WallClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from starlette.requests import Request
    from starlette.websockets import WebSocket

PLACES = "credentials: {from: [authorization, {subprotocol: bearer}, {cookie: session}]}\n"
PAGE = "  - {name: page, match: {path: /, method: GET}, risk: public, effect: read}\n"
SOCKET = """([url, protocols]) => new Promise((resolve) => {
  const socket = new WebSocket(url, protocols);
  socket.onmessage = (event) => resolve([socket.protocol, JSON.parse(event.data)]);
  socket.onerror = () => resolve(['', null]);
})"""
FETCH = """([url, options]) => fetch(url, options).then((answer) => answer.status, () => 'unreadable')"""


FORM = """(url) => {
  const form = Object.assign(document.createElement('form'), {method: 'POST', action: url});
  document.body.appendChild(form).submit();
}"""


class Shop:
    """A guarded app, and another page on the same host, which browsers send the cookie with."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.mint = Mint.create(WallClock())
        self.ran: list[str] = []
        self.asked: list[tuple[str, bool]] = []
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks("ES256")), "utf-8")
        (folder / "policy.yaml").write_text(POLICY.replace("operations:\n", f"operations:\n{PAGE}") + PLACES, "utf-8")
        routes = [
            Route("/", lambda _: HTMLResponse("<p>a shop</p>")),
            Route("/chat", self._chat, methods=["POST"]),
            Route("/balance", self._balance),
            WebSocketRoute("/live", self._live),
        ]
        self.guard = AuthGuard(
            Starlette(routes=routes),
            folder / "policy.yaml",
            store="memory",
            audit_log=folder / "log.jsonl",
            environ={"AUTHGUARD_PUBLIC_URL": url},
        )

    async def _chat(self, request: Request) -> JSONResponse:
        self.ran.append(request.headers.get("origin", ""))
        return JSONResponse({"user": request.state.authguard.subject})

    async def _balance(self, request: Request) -> JSONResponse:
        return JSONResponse({"user": request.state.authguard.subject})

    async def _live(self, opened: WebSocket) -> None:
        await opened.accept()
        self.ran.append(opened.headers.get("origin", ""))
        await opened.send_json({"user": opened.state.authguard.subject, "offered": opened.scope["subprotocols"]})
        await opened.close()

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the guarded app, and note what the browser sends with each write."""
        headers = dict(scope.get("headers", ()))
        if scope.get("method") == "POST":
            self.asked.append((headers.get(b"origin", b"").decode(), b"session=" in headers.get(b"cookie", b"")))
        await self.guard(scope, receive, send)

    def token(self) -> str:
        """Mint a token of a customer with a normal account."""
        return self.mint.mint(scope="chat accounts", acr="aal2", account_status="ok", lifetime=3_000)


@contextmanager
def served(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serve an app in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, interface="asgi3", log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield
    server.should_exit = True
    thread.join()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = Shop(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        with served(started.serve, listener):
            yield started


@pytest.fixture
def stranger() -> Iterator[str]:
    """Serve a page of another origin on the same host: another port, so that the browser sends the cookie along."""
    page = Starlette(routes=[Route("/", lambda _: HTMLResponse("<p>another page</p>"))])
    with socket.create_server(("127.0.0.1", 0)) as listener, served(page, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_page_opens_a_websocket_with_its_token(tab: Page, shop: Shop) -> None:
    tab.goto(shop.url)
    live, token = f"{shop.url.replace('http', 'ws')}/live", shop.token()
    assert tab.evaluate(SOCKET, [live, ["bearer", token]]) == ["bearer", {"user": "customer-1", "offered": []}]
    assert tab.evaluate(SOCKET, [live, ["bearer", token, "v1"]])[1]["offered"] == ["v1"]
    for refused in ([], ["bearer"], ["v1"], ["bearer", token[:-9]], [token]):
        assert tab.evaluate(SOCKET, [live, refused]) == ["", None]


def test_a_page_of_the_app_uses_the_cookie(tab: Page, shop: Shop) -> None:
    tab.context.add_cookies([{"name": "session", "value": shop.token(), "url": shop.url}])
    tab.goto(shop.url)
    assert tab.evaluate(FETCH, ["/chat", {"method": "POST"}]) == 200
    assert tab.evaluate(FETCH, ["/balance", {}]) == 200
    assert tab.evaluate(SOCKET, [f"{shop.url.replace('http', 'ws')}/live", []])[1]["user"] == "customer-1"
    assert shop.ran == [shop.url] * 2


@pytest.mark.parametrize("referrer", ["", "no-referrer"])  # with the latter a form has `Origin: null`
def test_a_page_of_another_origin_cannot_use_the_cookie(tab: Page, shop: Shop, stranger: str, referrer: str) -> None:
    tab.context.add_cookies([{"name": "session", "value": shop.token(), "url": shop.url}])
    chat = f"{shop.url}/chat"
    tab.goto(stranger)
    tab.evaluate("(policy) => document.head.innerHTML = `<meta name=referrer content=${policy}>`", referrer)
    options = {"method": "POST", "credentials": "include", "mode": "no-cors", "body": "x"}
    with tab.expect_response(chat) as fetched:
        tab.evaluate(FETCH, [chat, options])
    with tab.expect_navigation(url=chat) as submitted:
        tab.evaluate(FORM, chat)
    for answer in (fetched.value, submitted.value):
        assert answer is not None
        assert answer.status == 403
    sent = [(stranger, True), ("null" if referrer else stranger, True)]
    assert shop.asked == sent, "the browser did send the cookie"
    tab.goto(stranger)
    assert tab.evaluate(SOCKET, [f"{shop.url.replace('http', 'ws')}/live", []]) == ["", None]
    assert not shop.ran, "no page of another origin reached the app"
