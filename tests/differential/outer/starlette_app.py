"""The app of the outer probe in Starlette: routes, mounts, background tasks, streams, errors and WebSockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from tests.differential.outer.probe import EVENTS, FROM_INSIDE, FROM_OUTSIDE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket


async def item(request: Request) -> JSONResponse:
    """Write to everything that a middleware outside may read; end with a background task."""
    FROM_INSIDE.set("set inside")
    request.state.inner = "set inside"
    request.scope["inner"] = "set inside"

    async def later() -> None:
        EVENTS.append(f"background {FROM_OUTSIDE.get()} {request.state.outer}")

    seen = {"item": request.path_params, "lifespan": request.state.opened, "outside": FROM_OUTSIDE.get()}
    return JSONResponse(seen, background=BackgroundTask(later))


async def echo(request: Request) -> PlainTextResponse:
    """Return the body."""
    return PlainTextResponse(await request.body())


async def stream(request: Request) -> StreamingResponse:
    """Stream with a context variable that changes on the way."""

    async def words() -> AsyncIterator[str]:
        for word in ("one", "two"):
            FROM_INSIDE.set(word)
            yield f"{word} {FROM_OUTSIDE.get()} {request.path_params}\n"

    return StreamingResponse(words())


async def raises(request: Request) -> PlainTextResponse:
    """Raise an error with a cause."""
    FROM_INSIDE.set("set inside")
    await request.body()
    raise LookupError("of the app") from KeyError("cause")


async def group(request: Request) -> PlainTextResponse:
    """Raise a group."""
    del request
    raise ExceptionGroup("of the app", [LookupError("one"), ExceptionGroup("two", [KeyError("three")])])


async def waits(request: Request) -> PlainTextResponse:
    """Wait for the client to disconnect."""
    while True:
        message = await request.receive()
        EVENTS.append(message["type"])
        if message["type"] == "http.disconnect":
            return PlainTextResponse("too late")


async def pay_waits(request: Request) -> PlainTextResponse:
    """Read the body, and then wait for the client to disconnect."""
    EVENTS.append((await request.body()).decode())
    return await waits(request)


async def live(websocket: WebSocket) -> None:
    """Echo one message, and end with the disconnect."""
    FROM_INSIDE.set("set inside")
    websocket.state.inner = "set inside"
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{text} {FROM_OUTSIDE.get()} {websocket.state.opened}")
    EVENTS.append("disconnected")


async def live_raises(websocket: WebSocket) -> None:
    """Raise a group with an error that is no `Exception`."""
    await websocket.accept()
    raise BaseExceptionGroup("of the app", [SystemExit(3), LookupError("one")])


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Open something for all requests."""
    del app
    yield {"opened": "by the lifespan"}


def make() -> Any:
    """Build the app."""
    return Starlette(
        routes=[
            Route("/open/{item_id:int}", item),
            Route("/items/{item_id:int}", item),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
            Route("/raises", raises),
            Route("/group", group),
            Route("/waits", waits),
            Mount("/mounted", routes=[Route("/inner/{item_id}", item, name="inner")]),
            Route("/pay/{item_id}", item, methods=["POST"]),
            Route("/pay_raises", raises, methods=["POST"]),
            Route("/pay_waits", pay_waits, methods=["POST"]),
            WebSocketRoute("/live/{room}", live),
            WebSocketRoute("/live_raises", live_raises),
        ],
        lifespan=lifespan,
    )
