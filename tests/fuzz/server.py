"""A guarded app under uvicorn, in a process of its own: it keeps a ledger of every run of the app.

Its folder holds ``policy.yaml`` and ``keys.json``; it writes ``audit.jsonl`` (the guard's log) and ``runs.jsonl`` (the
app's ledger) there. It prints its port, answers each line of its standard input with its figures, and ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from authguard import AuthGuard, ReportRefusedError
from authguard.asgi.guard import current_guard
from authguard.credentials.cache import Cache
from authguard.runtime import decision_cache, handoff_ticket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Ledger:
    """Writes down each run of the app it wraps: what the guard said it was, and which route it took."""

    def __init__(self, app: Starlette, path: Path) -> None:
        self._app = app
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        guard = scope.get("state", {}).get("authguard")
        taken: list[str] = []
        scope["taken"] = taken
        try:
            await self._app(scope, receive, send)
        finally:
            run = {
                "record": guard.record_id if guard else "",
                "operation": guard.operation if guard else "",
                "route": taken[0] if taken else "",
                "method": scope.get("method", "WEBSOCKET"),
                "path": scope["path"],
                "headers": [name.decode("latin-1") for name, _ in scope["headers"]],
            }
            os.write(self._file, json.dumps(run).encode() + b"\n")


def answering(name: str, *, reads: bool = False) -> Any:
    """Make an endpoint that says which route it is."""

    async def endpoint(request: Request) -> Response:
        request.scope["taken"].append(name)
        if reads:
            await request.body()
        said = request.headers.get("x-report", "")
        if said:
            try:
                await current_guard(request).report(said)
            except ReportRefusedError:
                return JSONResponse({"route": name}, 422)
        if "x-stream" in request.headers:
            return StreamingResponse(chunks(), media_type="text/plain")
        return JSONResponse({"route": name})

    return endpoint


async def chunks() -> AsyncIterator[bytes]:
    """Make a reply that ends only when its reader leaves."""
    while True:
        yield bytes(65_536)
        await asyncio.sleep(0)


async def live(websocket: WebSocket) -> None:
    """Say every word again, until the other side leaves."""
    websocket.scope["taken"].append("live")
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except (WebSocketDisconnect, KeyError, RuntimeError):
        return


def app() -> Starlette:
    """Build the app: a route for each operation, one that the policy does not name, and one in a mounted app."""
    return Starlette(
        routes=[
            Route("/healthz", answering("health")),
            Route("/chat", answering("chat", reads=True), methods=["POST"]),
            Route("/orders/{order_id}", answering("order")),
            Route("/orders/{order_id}/refund", answering("refund", reads=True), methods=["POST"]),
            Route("/files/{rest:path}", answering("files", reads=True), methods=METHODS),
            Route("/hidden", answering("hidden", reads=True), methods=METHODS),
            Mount("/shop", routes=[Route("/items/{item_id}", answering("item"))]),
            WebSocketRoute("/live/{room}", live),
        ]
    )


def figures() -> dict[str, int]:
    """Count what must not grow."""
    gc.collect()
    status = Path("/proc/self/status").read_text("utf-8")
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "memory": int(resident.split()[1]) * 1024,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "objects": len(gc.get_objects()),
    }


def kinds() -> dict[str, int]:
    """Count the objects that the garbage collector knows by their types: what grew is told by two of these."""
    gc.collect()
    found = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return dict(found.most_common(200))


async def main() -> None:
    """Serve until the standard input ends."""
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--http", default="httptools")
    options.add_argument("--ws", default="websockets-sansio")
    options.add_argument("--root-path", default="")
    options.add_argument("--remember", type=int, default=0, help="bound of the caches, so that they are full soon")
    given = options.parse_args()
    guard = AuthGuard(
        Ledger(app(), given.folder / "runs.jsonl"),
        given.folder / "policy.yaml",
        store=given.folder / "store.db",
        audit_log=given.folder / "audit.jsonl",
        environ={},
    )
    if given.remember:
        decision_cache.MAX_ENTRIES = handoff_ticket.MAX_SESSIONS = given.remember  # type: ignore[misc]  # a bound for this process
        guard.enforcer._checker._cache = Cache(entries=given.remember)  # type: ignore[attr-defined]  # the same
    server = uvicorn.Server(
        uvicorn.Config(
            guard, port=0, http=given.http, ws=given.ws, root_path=given.root_path, log_level="critical", lifespan="on"
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            sys.exit(3)
        await asyncio.sleep(0.01)
    print(json.dumps({"port": server.servers[0].sockets[0].getsockname()[1]}), flush=True)  # noqa: T201 - the parent reads it
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while asked := await lines.readline():
        print(json.dumps(kinds() if asked == b"kinds\n" else figures()), flush=True)  # noqa: T201 - the parent reads it
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvicorn.Config(main).get_loop_factory()) as runner:
        runner.run(main())
