"""A small app behind the guard for the tests of the shell: it returns what it saw, and counts its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx2
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from authguard.asgi.guard import current_guard
from authguard.asgi.middleware import GuardMiddleware
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket


class Shop:
    """The desk's enforcer in front of an app that counts its runs."""

    def __init__(self, text: str = POLICY, **parts: Any) -> None:
        self.desk = EnforcerHarness(text, **parts)
        self.runs: list[str] = []
        self.answer: Response | Exception = JSONResponse({"refunded": True})
        self.app = GuardMiddleware(self._app(), self.desk.enforcer, prefix="/.authguard")

    def client(self) -> httpx2.AsyncClient:
        """Return a client of the guarded app in this process."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(cast("Any", self.app)), base_url="http://shop.test")

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/chat", self._chat, methods=["POST"]),
                Route("/balance", self._needs_admin),
                Route("/orders/{order_id}/refund", self._refund, methods=["POST"]),
                Route("/stream", self._stream),
                WebSocketRoute("/live", self._live),
            ]
        )

    async def _healthz(self, _: Request) -> Response:
        self.runs.append("healthz")
        return JSONResponse({"ok": True})

    async def _chat(self, request: Request) -> Response:
        self.runs.append("chat")
        guard = current_guard(request)
        said = (await request.body()).decode("utf-8", "replace")
        if said.startswith("report "):
            await guard.report(said.removeprefix("report "))
        if said.startswith("verify "):
            step = await guard.verify("default", {"otp": said.removeprefix("verify ")})
            return JSONResponse({"action": step.action, "say": step.message, "states": dict(guard.states)})
        if said.startswith("require "):
            guard.require(*said.removeprefix("require ").split())
        return JSONResponse(
            {
                "said": said,
                "user": request.user.display_name,
                "authenticated": request.user.is_authenticated,
                "scopes": list(request.auth.scopes),
                "outcome": guard.outcome,
                "states": guard.states,
                "briefing": guard.prompt_summary,
                "record": guard.record_id,
                "own": [name for name in request.headers if name.startswith("authguard-")],
            }
        )

    @requires("admin")
    async def _needs_admin(self, request: Request) -> Response:
        self.runs.append("balance")
        return JSONResponse({"path": request.url.path})

    async def _refund(self, request: Request) -> Response:
        self.runs.append("refund")
        await request.body()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def _stream(self, _: Request) -> Response:
        async def words() -> AsyncIterator[str]:
            for word in ("one", "two"):
                yield f"data: {word}\n\n"

        self.runs.append("stream")
        return StreamingResponse(words(), media_type="text/event-stream")

    async def _live(self, websocket: WebSocket) -> None:
        self.runs.append("live")
        await websocket.accept()
        await websocket.send_json({"user": websocket.user.display_name})
        await websocket.close()
