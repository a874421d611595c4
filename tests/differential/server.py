"""One app under several guards and servers, in a process of its own: each pair has a port, a log and a ledger.

Its folder holds ``keys.json`` and the policies. It prints the ports; a line on its standard input is answered once
nothing runs any more; it ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from authguard import AuthGuard
from tests.differential.ledger import Ledger
from tests.differential.planted import INSIDE, Undecided


async def serve_uvicorn(app: Any, http: str, ws: str, root_path: str) -> tuple[int, Any, asyncio.Task[None]]:
    """Serve by uvicorn.

    Returns:
        The port; the server; what serves.
    """
    import uvicorn  # noqa: PLC0415 - the servers of the soak need not be installed for the others

    config: Any = uvicorn.Config
    server = uvicorn.Server(
        config(app, port=0, http=http, ws=ws, root_path=root_path, log_level="critical", lifespan="auto")
    )
    serving = asyncio.create_task(server._serve())
    while not server.started:
        if serving.done():
            await serving
            sys.exit(3)
        await asyncio.sleep(0.01)
    return server.servers[0].sockets[0].getsockname()[1], server, serving


async def serve_hypercorn(app: Any, root_path: str) -> tuple[int, Any, asyncio.Task[None]]:
    """Serve by hypercorn, which takes HTTP/1.1 and HTTP/2.

    Returns:
        The port; what has a `should_exit` to set; what serves.
    """
    from hypercorn.asyncio import serve  # noqa: PLC0415 - as above
    from hypercorn.config import Config  # noqa: PLC0415 - as above

    ready, config, ending = asyncio.Event(), Config(), Ending()
    listening = socket.create_server(("127.0.0.1", 0))
    config.bind, config.root_path, config.errorlog = [f"fd://{listening.detach()}"], root_path, None
    port = socket.fromfd(int(config.bind[0][5:]), socket.AF_INET, socket.SOCK_STREAM).getsockname()[1]

    async def told(scope: Any, receive: Any, send: Any) -> None:
        async def hear(message: Any) -> None:
            await send(message)
            if message["type"].startswith("lifespan.startup."):
                ready.set()

        try:
            await app(scope, receive, hear if scope["type"] == "lifespan" else send)
        finally:
            ready.set()  # also where an app knows no lifespan

    serving = asyncio.create_task(serve(told, config, shutdown_trigger=ending.wait))
    await asyncio.wait({serving, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
    return port, ending, serving


class Ending:
    """Ends a server once `should_exit` is set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def should_exit(self) -> bool:
        """Whether it ends."""
        return self._event.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._event.set()

    async def wait(self) -> None:
        """Wait for the end."""
        await self._event.wait()


async def main() -> None:
    """Serve until the standard input ends."""
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("app", help="module of the app, which has a `make`")
    options.add_argument("combinations", help="JSON: a list of keyword arguments, one for each port")
    given = options.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")  # the frameworks tell of each other's and of their own deprecations
    make = import_module(given.app).make
    ports: dict[str, int] = {}
    ledgers: list[Ledger] = []
    running: list[tuple[Any, asyncio.Task[None]]] = []
    for combination in json.loads(given.combinations):
        name = combination["name"]
        ledger = Ledger(make(), given.folder / f"{name}.runs.jsonl")
        ledgers.append(ledger)
        plant = combination["plant"]
        guard: Any = AuthGuard(
            INSIDE.get(plant, lambda app: app)(ledger),
            given.folder / f"{name}.yaml",
            store="memory",
            audit_log=given.folder / f"{name}.audit.jsonl",
            environ={},
            **combination["settings"],
        )
        guard = Undecided(guard, ledger) if plant == "undecided" else guard
        root_path = combination["root_path"]
        if combination["http"] == "hypercorn":
            ports[name], server, serving = await serve_hypercorn(guard, root_path)
        else:
            ports[name], server, serving = await serve_uvicorn(guard, combination["http"], combination["ws"], root_path)
        running.append((server, serving))
    print(json.dumps(ports), flush=True)  # noqa: T201 - the parent reads it
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        for ledger in ledgers:
            await ledger.idle()
        print("{}", flush=True)  # noqa: T201 - the parent reads it
    for server, serving in running:
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main())
