"""Serve a guarded app with one way to set up logging; print nothing but what the logging prints.

``python -m tests.support.log_program uvicorn|basic|structlog|nothing FOLDER``: a caller asks for a route that no
operation names, and then the log is deleted, so that the next request is a fault of the guard.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint
from tests.cli.deployment import POLICY

ISSUER = "issuers: [{issuer: 'https://issuer.test', audience: us, algorithms: [ES256], keys: {file: jwks.json}}]"


async def answer(_request: Any) -> PlainTextResponse:
    """Answer the caller."""
    return PlainTextResponse("hello")


def set_up(mode: str) -> dict[str, Any]:
    """Set up logging as a user does; return the arguments of the server."""
    match mode:
        case "basic":
            logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
        case "structlog":
            structlog.configure(
                processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
                logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            )
        case _:
            pass
    return {} if mode == "uvicorn" else {"log_config": None}


async def ask(app: AuthGuard, token: str, settings: dict[str, Any]) -> None:
    """Serve the app on a port of this machine, and send the requests."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, **settings))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            assert (await client.get("/unnamed/alice@example.com")).status_code == 404
            assert (await client.get("/chat")).status_code != 503
            os.unlink("var/audit.jsonl")  # noqa: PTH108 - one system call
            assert (await client.get("/chat")).status_code == 503
        server.should_exit = True


def main() -> None:
    """Set up logging, and serve."""
    mode, folder = sys.argv[1:]
    os.chdir(folder)
    settings = set_up(mode)
    mint = Mint.create(FakeClock(), audience="us")
    lines = [ISSUER if line.startswith("issuers:") else line for line in POLICY.splitlines()]
    Path("policy.yaml").write_text("\n".join(lines), "utf-8")
    Path("jwks.json").write_text(json.dumps(mint.jwks()), "utf-8")
    routes = [Route("/chat", answer), Route("/unnamed/{name}", answer)]
    app = AuthGuard(Starlette(routes=routes), policy="policy.yaml", clock=mint.clock, environ={})
    anyio.run(ask, app, mint.mint(scope="chat"), settings)


if __name__ == "__main__":
    main()
