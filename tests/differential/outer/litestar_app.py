"""The app of the outer probe in Litestar: its own router, dependencies, background tasks and WebSockets."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - Litestar reads annotations when it runs
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Router, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath  # noqa: TC002 - Litestar reads annotations when it runs
from litestar.response import Response, Stream

from tests.differential.outer.probe import EVENTS, FROM_INSIDE, FROM_OUTSIDE


async def connection(request: Request[Any, Any, Any]) -> str:
    """Set a context variable, as a dependency with a database connection does."""
    FROM_INSIDE.set("set by a dependency")
    request.state.inner = "set by a dependency"
    return f"{FROM_OUTSIDE.get()} {request.scope['outer']}"


async def later(name: str) -> None:
    """Run behind the response."""
    EVENTS.append(f"background {name} {FROM_OUTSIDE.get()}")


def item(path: str) -> Any:
    """Make a handler that uses the dependency and leaves a background task."""

    @get(path, dependencies={"opened": Provide(connection)})
    async def handler(item_id: FromPath[int], opened: NamedDependency[str]) -> Response[dict[str, Any]]:
        return Response({"item": item_id, "opened": opened}, background=BackgroundTask(later, "one"))

    return handler


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> str:
    """Return the body."""
    return (await request.body()).decode()


@get("/stream")
async def stream() -> Stream:
    """Stream."""

    async def words() -> AsyncIterator[str]:
        for word in ("one", "two"):
            FROM_INSIDE.set(word)
            yield f"{word} {FROM_OUTSIDE.get()}\n"

    return Stream(words())


@get("/raises")
async def raises() -> str:
    """Raise an error."""
    FROM_INSIDE.set("set inside")
    raise LookupError("of the app")


@get("/group")
async def group() -> str:
    """Raise a group."""
    raise ExceptionGroup("of the app", [LookupError("one")])


@post("/pay/{item_id:int}")
async def pay(item_id: FromPath[int]) -> dict[str, int]:
    """Pay."""
    FROM_INSIDE.set("set inside")
    return {"item": item_id}


@post("/pay_raises")
async def pay_raises() -> str:
    """Raise within a transaction."""
    raise LookupError("of the app")


@websocket("/live/{room:str}")
async def live(room: FromPath[str], socket: WebSocket[Any, Any, Any]) -> None:
    """Echo one message."""
    FROM_INSIDE.set("set inside")
    await socket.accept()
    async for text in socket.iter_data():
        await socket.send_text(f"{text} {room} {FROM_OUTSIDE.get()}")
    EVENTS.append("disconnected")


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    """Open something for all requests."""
    app.state.opened = "by the lifespan"
    yield


def make() -> Any:
    """Build the app."""
    inner = Router("/mounted", route_handlers=[item("/inner/{item_id:int}")])
    handlers = [item("/open/{item_id:int}"), item("/items/{item_id:int}"), echo, stream, raises, group, pay]
    return Litestar([*handlers, pay_raises, live, inner], lifespan=[lifespan], openapi_config=None)
