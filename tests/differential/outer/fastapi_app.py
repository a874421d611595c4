"""The app of the outer probe in FastAPI: dependencies with a clean-up, its background tasks, routers and sub-apps."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations when it runs
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from tests.differential.outer import starlette_app
from tests.differential.outer.probe import EVENTS, FROM_INSIDE, FROM_OUTSIDE


async def connection(request: Request) -> AsyncIterator[str]:
    """Set a context variable, as a dependency with a database connection does, and clean up behind the response."""
    FROM_INSIDE.set("set by a dependency")
    request.state.inner = "set by a dependency"
    yield f"{FROM_OUTSIDE.get()} {request.state.opened}"
    EVENTS.append(f"cleaned up {request.scope['route'].path}")


Connection = Annotated[str, Depends(connection)]


async def item(item_id: int, opened: Connection, tasks: BackgroundTasks) -> dict[str, Any]:
    """Use a dependency, and leave a background task."""

    async def later(name: str) -> None:
        EVENTS.append(f"background {name} {FROM_OUTSIDE.get()}")

    tasks.add_task(later, "one")
    tasks.add_task(EVENTS.append, "background in a thread")
    return {"item": item_id, "opened": opened}


def threaded(item_id: int, opened: Connection) -> dict[str, Any]:
    """Run in a thread, which gets a copy of the context."""
    return {"item": item_id, "opened": opened, "outside": FROM_OUTSIDE.get(), "inside": FROM_INSIDE.get()}


async def echo(request: Request) -> PlainTextResponse:
    """Return the body."""
    return PlainTextResponse(await request.body())


async def stream(opened: Connection) -> StreamingResponse:
    """Stream while the dependency is open."""

    async def words() -> AsyncIterator[str]:
        for word in ("one", "two"):
            FROM_INSIDE.set(word)
            yield f"{word} {opened}\n"

    return StreamingResponse(words())


async def raises(opened: Connection) -> None:
    """Raise an error with a cause."""
    raise LookupError(opened) from KeyError("cause")


async def group() -> None:
    """Raise a group."""
    raise ExceptionGroup("of the app", [LookupError("one"), ExceptionGroup("two", [KeyError("three")])])


async def live(websocket: WebSocket, room: str) -> None:
    """Echo with the room."""
    await starlette_app.live(websocket)
    EVENTS.append(room)


async def live_raises(websocket: WebSocket) -> None:
    """Raise a group with an error that is no `Exception`."""
    await starlette_app.live_raises(websocket)


def make() -> Any:
    """Build the app."""
    app = FastAPI(lifespan=starlette_app.lifespan)
    app.get("/open/{item_id}")(item)
    app.post("/echo")(echo)
    app.get("/stream")(stream)
    app.get("/raises")(raises)
    app.get("/group")(group)
    app.add_route("/waits", starlette_app.waits)
    app.add_route("/pay_waits", starlette_app.pay_waits, methods=["POST"])
    app.post("/pay/{item_id}")(item)
    app.post("/pay_raises")(raises)
    app.websocket("/live/{room}")(live)
    app.websocket("/live_raises")(live_raises)
    router = APIRouter(prefix="/items")
    router.get("/{item_id}")(threaded)
    app.include_router(router)
    inner = FastAPI()
    inner.get("/inner/{item_id}")(item)
    app.mount("/mounted", inner)
    return app
