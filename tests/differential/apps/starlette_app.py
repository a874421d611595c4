"""The app in Starlette: routes, a mount, a route for a host, an ASGI object that takes any method, WebSockets."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Host, Mount, Route, WebSocketRoute

from tests.differential.apps.reading import Overriding, careless
from tests.differential.ledger import note


def handler(route: str, reads: str = "") -> Any:
    """Make an endpoint that reads as it is told: nothing, `json`, `form`, or by what the headers say."""

    async def endpoint(request: Request) -> Response:
        try:
            document: Any = None
            if reads == "json":
                document = await request.json()
            elif reads == "form":
                document = await request.form()
            elif reads == "careless":
                headers = request.headers
                document = careless(
                    headers.get("content-type", ""), headers.get("content-encoding", ""), await request.body()
                )
        except (ValueError, RecursionError):
            raise HTTPException(422) from None
        note(route, document)
        return JSONResponse({"route": route})

    return endpoint


class AnyMethod:
    """An ASGI app of its own, which does not look at the method."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await (await handler("any", "json")(Request(scope, receive)))(scope, receive, send)


def live(route: str) -> Any:
    """Make a WebSocket endpoint that says good-bye."""

    async def endpoint(websocket: Any) -> None:
        note(route)
        await websocket.accept()
        await websocket.close()

    return endpoint


def make() -> Any:
    """Build the app."""
    post = ["POST"]
    app = Starlette(
        routes=[
            Host("pay.test", app=Starlette(routes=[Route("/transfer", handler("transfer", "json"), methods=post)])),
            Route("/healthz", handler("health")),
            Route("/transfer", handler("chat_transfer"), methods=post),
            Route("/chat", handler("chat"), methods=post),
            Route("/pay", handler("pay", "json"), methods=post),
            Route("/form", handler("form", "form"), methods=post),
            Route("/careless", handler("careless", "careless"), methods=post),
            Route("/any", AnyMethod()),
            Route("/orders/{order_id}", handler("order")),
            Route("/orders/{order_id}/refund", handler("refund", "json"), methods=post),
            Route("/files/{rest:path}", handler("files", "json"), methods=["GET", "POST", "PUT"]),
            Route("/hidden", handler("hidden", "json"), methods=["GET", "POST"]),
            Mount("/v1", routes=[Route("/pay", handler("v1_pay", "json"), methods=post)]),
            Mount("/shop", app=Starlette(routes=[Route("/buy/{item}", handler("buy", "json"), methods=post)])),
            WebSocketRoute("/live/{room}", live("live")),
            WebSocketRoute("/wire", live("wire")),
        ]
    )
    return Overriding(app)
