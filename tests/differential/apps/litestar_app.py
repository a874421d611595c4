"""The app in Litestar: its own router, msgspec for JSON, forms by its own parsers."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import HttpMethod, Litestar, Request, asgi, get, post, route, websocket
from litestar.connection import WebSocket  # noqa: TC002 - Litestar reads annotations when it runs
from litestar.exceptions import ClientException

from tests.differential.apps.reading import Overriding, careless
from tests.differential.ledger import note


async def pays(name: str, request: Request[Any, Any, Any]) -> dict[str, str]:
    """Note what the framework reads as JSON."""
    try:
        note(name, await request.json())
    except (ValueError, msgspec.MsgspecError):
        raise ClientException from None
    return {"route": name}


@post("/pay")
async def pay(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay."""
    return await pays("pay", request)


@post("/v1/pay")
async def v1_pay(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay."""
    return await pays("v1_pay", request)


@post("/shop/buy/{item:str}")
async def buy(item: str, request: Request[Any, Any, Any]) -> dict[str, str]:
    """Buy."""
    del item
    return await pays("buy", request)


@post("/orders/{order_id:str}/refund")
async def refund(order_id: str, request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay back."""
    del order_id
    return await pays("refund", request)


@route("/any", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.OPTIONS])
async def any_method(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay, by any method."""
    return await pays("any", request)


@route("/files/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT])
async def files(rest: Any, request: Request[Any, Any, Any]) -> dict[str, str]:
    """Take any path."""
    del rest
    return await pays("files", request)


@route("/hidden", http_method=[HttpMethod.GET, HttpMethod.POST])
async def hidden(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Stand in no policy."""
    return await pays("hidden", request)


@post("/form")
async def form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay by a form."""
    note("form", await request.form())
    return {}


@post("/careless")
async def careless_pay(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Pay by whatever the headers say."""
    headers = request.headers
    try:
        document = careless(headers.get("content-type", ""), headers.get("content-encoding", ""), await request.body())
    except (ValueError, RecursionError):
        raise ClientException from None
    note("careless", document)
    return {}


@get("/healthz")
async def health() -> dict[str, str]:
    """Live."""
    note("health")
    return {}


@get("/orders/{order_id:str}")
async def order(order_id: str) -> dict[str, str]:
    """Show an order."""
    note("order")
    return {"order": order_id}


@post("/chat")
async def chat() -> dict[str, str]:
    """Talk."""
    note("chat")
    return {}


@post("/transfer")
async def transfer() -> dict[str, str]:
    """Do what no policy names."""
    note("chat_transfer")
    return {}


@asgi("/mounted", is_mount=True)
async def mounted(scope: Any, receive: Any, send: Any) -> None:
    """Be an app of its own, which no policy names."""
    del scope, receive
    note("hidden")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@websocket("/live/{room:str}")
async def live(room: str, socket: WebSocket[Any, Any, Any]) -> None:
    """Say good-bye."""
    del room
    note("live")
    await socket.accept()
    await socket.close()


@websocket("/wire")
async def wire(socket: WebSocket[Any, Any, Any]) -> None:
    """Say good-bye."""
    note("wire")
    await socket.accept()
    await socket.close()


def make() -> Any:
    """Build the app."""
    handlers: list[Any] = [pay, v1_pay, buy, refund, any_method, files, hidden, form, careless_pay, health, order]
    return Overriding(Litestar([*handlers, chat, transfer, mounted, live, wire]))
